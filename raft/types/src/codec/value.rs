use bytes::Bytes;

use super::raw::{bytes_len, put_bytes, put_varint, varint_len};
use super::{Problem, Raw};

/// One value that can stand in a field.
pub trait Value: Sized {
    /// Appends the field, whatever its value.
    fn put(&self, tag: u32, out: &mut Vec<u8>);

    /// Length of what `put` appends.
    fn size(&self, tag: u32) -> usize;

    /// Reads the value back.
    fn take(raw: Raw) -> Result<Self, Problem>;

    /// Whether a plain field of this value is omitted on the wire.
    fn is_omitted(&self) -> bool {
        false
    }

    /// What an omitted field means; `None` where the field is required.
    fn omitted() -> Option<Self> {
        None
    }
}

/// A field of a record: a plain value, an optional one or a repeated one.
pub trait Field: Sized {
    /// What has been read so far.
    type Slot: Default;

    /// Appends the field, or nothing where it is omitted.
    fn write(&self, tag: u32, out: &mut Vec<u8>);

    /// Length of what `write` appends.
    fn len(&self, tag: u32) -> usize;

    /// Takes one occurrence from the wire.
    fn read(slot: &mut Self::Slot, raw: Raw) -> Result<(), Problem>;

    /// The field's value once all occurrences were read.
    fn finish(slot: Self::Slot) -> Result<Self, Problem>;
}

fn read_once<T: Value>(slot: &mut Option<T>, raw: Raw) -> Result<(), Problem> {
    if slot.is_some() {
        return Err(Problem::Repeated);
    }
    *slot = Some(T::take(raw)?);
    Ok(())
}

impl<T: Value> Field for T {
    type Slot = Option<T>;

    fn write(&self, tag: u32, out: &mut Vec<u8>) {
        if !self.is_omitted() {
            self.put(tag, out);
        }
    }

    fn len(&self, tag: u32) -> usize {
        if self.is_omitted() { 0 } else { self.size(tag) }
    }

    fn read(slot: &mut Option<T>, raw: Raw) -> Result<(), Problem> {
        read_once(slot, raw)
    }

    fn finish(slot: Option<T>) -> Result<T, Problem> {
        slot.or_else(T::omitted).ok_or(Problem::Missing)
    }
}

impl<T: Value> Field for Option<T> {
    type Slot = Option<T>;

    fn write(&self, tag: u32, out: &mut Vec<u8>) {
        if let Some(value) = self {
            value.put(tag, out);
        }
    }

    fn len(&self, tag: u32) -> usize {
        self.as_ref().map_or(0, |value| value.size(tag))
    }

    fn read(slot: &mut Option<T>, raw: Raw) -> Result<(), Problem> {
        read_once(slot, raw)
    }

    fn finish(slot: Option<T>) -> Result<Option<T>, Problem> {
        Ok(slot)
    }
}

impl<T: Value> Field for Vec<T> {
    type Slot = Vec<T>;

    fn write(&self, tag: u32, out: &mut Vec<u8>) {
        for value in self {
            value.put(tag, out);
        }
    }

    fn len(&self, tag: u32) -> usize {
        self.iter().map(|value| value.size(tag)).sum()
    }

    fn read(slot: &mut Vec<T>, raw: Raw) -> Result<(), Problem> {
        slot.push(T::take(raw)?);
        Ok(())
    }

    fn finish(slot: Vec<T>) -> Result<Vec<T>, Problem> {
        Ok(slot)
    }
}

impl Value for u64 {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        put_varint(tag, *self, out);
    }

    fn size(&self, tag: u32) -> usize {
        varint_len(tag, *self)
    }

    fn take(raw: Raw) -> Result<Self, Problem> {
        raw.varint()
    }

    fn is_omitted(&self) -> bool {
        *self == 0
    }

    fn omitted() -> Option<Self> {
        Some(0)
    }
}

impl Value for u32 {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        put_varint(tag, u64::from(*self), out);
    }

    fn size(&self, tag: u32) -> usize {
        varint_len(tag, u64::from(*self))
    }

    fn take(raw: Raw) -> Result<Self, Problem> {
        let value = raw.varint()?;
        u32::try_from(value).map_err(|_| Problem::Range(value))
    }

    fn is_omitted(&self) -> bool {
        *self == 0
    }

    fn omitted() -> Option<Self> {
        Some(0)
    }
}

impl Value for bool {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        put_varint(tag, u64::from(*self), out);
    }

    fn size(&self, tag: u32) -> usize {
        varint_len(tag, u64::from(*self))
    }

    fn take(raw: Raw) -> Result<Self, Problem> {
        match raw.varint()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(Problem::Range(other)),
        }
    }

    fn is_omitted(&self) -> bool {
        !*self
    }

    fn omitted() -> Option<Self> {
        Some(false)
    }
}

impl Value for Bytes {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        put_bytes(tag, self, out);
    }

    fn size(&self, tag: u32) -> usize {
        bytes_len(tag, self.len())
    }

    fn take(raw: Raw) -> Result<Self, Problem> {
        raw.bytes()
    }

    fn is_omitted(&self) -> bool {
        self.is_empty()
    }

    fn omitted() -> Option<Self> {
        Some(Bytes::new())
    }
}

impl Value for String {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        put_bytes(tag, self.as_bytes(), out);
    }

    fn size(&self, tag: u32) -> usize {
        bytes_len(tag, self.len())
    }

    fn take(raw: Raw) -> Result<Self, Problem> {
        String::from_utf8(raw.bytes()?.to_vec()).map_err(|error| Problem::Invalid(error.to_string()))
    }

    fn is_omitted(&self) -> bool {
        self.is_empty()
    }

    fn omitted() -> Option<Self> {
        Some(String::new())
    }
}

impl<const N: usize> Value for [u8; N] {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        put_bytes(tag, self, out);
    }

    fn size(&self, tag: u32) -> usize {
        bytes_len(tag, N)
    }

    fn take(raw: Raw) -> Result<Self, Problem> {
        raw.array()
    }
}

impl<T: Value> Value for Box<T> {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        T::put(self, tag, out);
    }

    fn size(&self, tag: u32) -> usize {
        T::size(self, tag)
    }

    fn take(raw: Raw) -> Result<Self, Problem> {
        T::take(raw).map(Box::new)
    }
}
