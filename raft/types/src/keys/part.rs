use super::{KeyError, KeyReader};

/// A component of a key: its encoding keeps the order of its values.
pub trait KeyPart: Sized {
    /// Appends the component.
    fn write(&self, out: &mut Vec<u8>);

    /// Reads the component back.
    fn read(reader: &mut KeyReader<'_>) -> Result<Self, KeyError>;
}

macro_rules! big_endian {
    ($($int:ty),*) => { $(
        impl KeyPart for $int {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }

            fn read(reader: &mut KeyReader<'_>) -> Result<Self, KeyError> {
                reader.array().map(<$int>::from_be_bytes)
            }
        }
    )* };
}

big_endian!(u8, u16, u32, u64);

impl<const N: usize> KeyPart for [u8; N] {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }

    fn read(reader: &mut KeyReader<'_>) -> Result<Self, KeyError> {
        reader.array()
    }
}

/// A text that ends the key.
impl KeyPart for String {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }

    fn read(reader: &mut KeyReader<'_>) -> Result<Self, KeyError> {
        String::from_utf8(reader.rest().to_vec()).map_err(|_| KeyError::Name)
    }
}
