/// Declares a struct that is a protobuf message. Each field stands as `tag => name: Type`.
macro_rules! record {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[$field_meta:meta])* $tag:literal => $field:ident: $type:ty, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $( $(#[$field_meta])* pub $field: $type, )*
        }

        impl $crate::codec::Record for $name {
            #[allow(unused_variables, reason = "a record may have no fields")]
            fn encode_fields(&self, out: &mut Vec<u8>) {
                $( $crate::codec::Field::write(&self.$field, $tag, out); )*
            }

            fn encoded_len(&self) -> usize {
                0 $( + $crate::codec::Field::len(&self.$field, $tag) )*
            }

            fn decode_fields(
                mut reader: $crate::codec::Reader,
            ) -> Result<Self, $crate::codec::DecodeError> {
                const NAME: &str = stringify!($name);
                $( let mut $field = <$type as $crate::codec::Field>::Slot::default(); )*
                while let Some((tag, raw)) = reader.field().map_err(|problem| problem.within(NAME, "tag"))? {
                    let _ = &raw;
                    match tag {
                        $(
                            $tag => <$type as $crate::codec::Field>::read(&mut $field, raw)
                                .map_err(|problem| problem.within(NAME, stringify!($field)))?,
                        )*
                        other => {
                            let problem = $crate::codec::Problem::UnknownField(u64::from(other));
                            return Err(problem.within(NAME, "tag"));
                        }
                    }
                }
                Ok($name {
                    $(
                        $field: <$type as $crate::codec::Field>::finish($field)
                            .map_err(|problem| problem.within(NAME, stringify!($field)))?,
                    )*
                })
            }
        }

        $crate::codec::embedded!($name);
    };
}

/// Declares an enum that is a protobuf message with exactly one field: a oneof.
/// Each variant stands as `tag => Name(Type)`, or `tag => Name` where there is nothing more to say.
macro_rules! choice {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $( $(#[$variant_meta:meta])* $tag:literal => $variant:ident $( ( $type:ty ) )?, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name {
            $( $(#[$variant_meta])* $variant $( ( $type ) )?, )*
        }

        impl $crate::codec::Record for $name {
            fn encode_fields(&self, out: &mut Vec<u8>) {
                $( $crate::codec::variant!(put self, out, $name, $tag, $variant $( ( $type ) )?); )*
            }

            fn encoded_len(&self) -> usize {
                $( $crate::codec::variant!(size self, $name, $tag, $variant $( ( $type ) )?); )*
                0
            }

            fn decode_fields(
                mut reader: $crate::codec::Reader,
            ) -> Result<Self, $crate::codec::DecodeError> {
                const NAME: &str = stringify!($name);
                let in_choice = |problem: $crate::codec::Problem| problem.within(NAME, "tag");
                let Some((tag, raw)) = reader.field().map_err(in_choice)? else {
                    return Err(in_choice($crate::codec::Problem::Missing));
                };
                if reader.field().map_err(in_choice)?.is_some() {
                    return Err(in_choice($crate::codec::Problem::Repeated));
                }
                match tag {
                    $(
                        $tag => $crate::codec::variant!(take raw, $name, $variant $( ( $type ) )?)
                            .map_err(|problem| problem.within(NAME, stringify!($variant))),
                    )*
                    other => Err(in_choice($crate::codec::Problem::UnknownField(u64::from(other)))),
                }
            }
        }

        $crate::codec::embedded!($name);
    };
}

/// What `choice` does with one variant.
macro_rules! variant {
    (put $self:ident, $out:ident, $name:ident, $tag:literal, $variant:ident) => {
        if let $name::$variant = $self {
            return $crate::codec::put_bytes($tag, &[], $out);
        }
    };
    (put $self:ident, $out:ident, $name:ident, $tag:literal, $variant:ident ($type:ty)) => {
        if let $name::$variant(value) = $self {
            return $crate::codec::Value::put(value, $tag, $out);
        }
    };
    (size $self:ident, $name:ident, $tag:literal, $variant:ident) => {
        if let $name::$variant = $self {
            return $crate::codec::bytes_len($tag, 0);
        }
    };
    (size $self:ident, $name:ident, $tag:literal, $variant:ident ($type:ty)) => {
        if let $name::$variant(value) = $self {
            return $crate::codec::Value::size(value, $tag);
        }
    };
    (take $raw:ident, $name:ident, $variant:ident) => {
        $raw.array::<0>().map(|_| $name::$variant)
    };
    (take $raw:ident, $name:ident, $variant:ident ($type:ty)) => {
        <$type as $crate::codec::Value>::take($raw).map($name::$variant)
    };
}

/// Declares an enum of numbers. A variant numbered 0 is the default and omitted on the wire.
macro_rules! numbered {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $( $(#[$variant_meta:meta])* $number:literal => $variant:ident, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $( $(#[$variant_meta])* $variant = $number, )*
        }

        impl $name {
            /// All variants in the order of their numbers.
            pub const ALL: &'static [$name] = &[$( $name::$variant, )*];

            /// The number that stands on the wire and in keys.
            pub const fn number(self) -> u8 {
                self as u8
            }

            /// The variant of a number.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number {
                    $( $number => Some($name::$variant), )*
                    _ => None,
                }
            }
        }

        impl $crate::codec::Value for $name {
            fn put(&self, tag: u32, out: &mut Vec<u8>) {
                $crate::codec::put_varint(tag, u64::from(self.number()), out);
            }

            fn size(&self, tag: u32) -> usize {
                $crate::codec::varint_len(tag, u64::from(self.number()))
            }

            fn take(raw: $crate::codec::Raw) -> Result<Self, $crate::codec::Problem> {
                let number = raw.varint()?;
                u8::try_from(number)
                    .ok()
                    .and_then(Self::from_number)
                    .ok_or($crate::codec::Problem::UnknownNumber(number))
            }

            fn is_omitted(&self) -> bool {
                self.number() == 0
            }

            fn omitted() -> Option<Self> {
                Self::from_number(0)
            }
        }
    };
}

/// Lets a record stand as a field of another one.
macro_rules! embedded {
    ($name:ident) => {
        impl $crate::codec::Value for $name {
            fn put(&self, tag: u32, out: &mut Vec<u8>) {
                $crate::codec::put_length(tag, $crate::codec::Record::encoded_len(self), out);
                $crate::codec::Record::encode_fields(self, out);
            }

            fn size(&self, tag: u32) -> usize {
                $crate::codec::bytes_len(tag, $crate::codec::Record::encoded_len(self))
            }

            fn take(raw: $crate::codec::Raw) -> Result<Self, $crate::codec::Problem> {
                Ok(<Self as $crate::codec::Record>::decode(raw.bytes()?)?)
            }
        }
    };
}

pub(crate) use {choice, embedded, numbered, record, variant};
