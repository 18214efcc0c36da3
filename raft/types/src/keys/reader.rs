use thiserror::Error;

/// A key that does not have the layout of its table.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum KeyError {
    /// The key belongs to another table.
    #[error("the key belongs to another table")]
    Table,
    /// The key ends within a component.
    #[error("the key ends within a component")]
    Truncated,
    /// Something follows the last component.
    #[error("{0} bytes follow the last component")]
    Trailing(usize),
    /// An escape sequence that is never written.
    #[error("byte {0:#04x} cannot follow a zero byte")]
    Escape(u8),
    /// A number outside the range of its type.
    #[error("number {0} is out of range")]
    Range(u64),
    /// A name or object key that breaks the rules of its kind.
    #[error("a name in the key breaks the rules of its kind")]
    Name,
}

/// Takes the components of a key one after the other.
#[derive(Debug)]
pub struct KeyReader<'a> {
    rest: &'a [u8],
}

impl<'a> KeyReader<'a> {
    /// A reader at the first byte of `key`.
    pub fn new(key: &'a [u8]) -> Self {
        KeyReader { rest: key }
    }

    /// The next byte.
    pub fn byte(&mut self) -> Result<u8, KeyError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], KeyError> {
        let (array, rest) = self.rest.split_first_chunk::<N>().ok_or(KeyError::Truncated)?;
        self.rest = rest;
        Ok(*array)
    }

    /// Everything that is left: the component that ends the key.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// The bytes of an escaped component.
    pub fn escaped(&mut self) -> Result<Vec<u8>, KeyError> {
        let mut bytes = Vec::with_capacity(self.rest.len());
        loop {
            let zero = self
                .rest
                .iter()
                .position(|&byte| byte == 0)
                .ok_or(KeyError::Truncated)?;
            let (plain, rest) = self.rest.split_at(zero);
            bytes.extend_from_slice(plain);
            self.rest = rest;
            match self.array::<2>()? {
                [_, ESCAPED_ZERO] => bytes.push(0),
                [_, TERMINATOR] => return Ok(bytes),
                [_, other] => return Err(KeyError::Escape(other)),
            }
        }
    }

    /// Checks that nothing is left.
    pub fn end(&self) -> Result<(), KeyError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(KeyError::Trailing(self.rest.len()))
        }
    }
}

/// Follows a zero byte that belongs to the component.
const ESCAPED_ZERO: u8 = 0xff;
/// Follows the zero byte that ends the component; lower than any continuation, so that prefixes sort first.
const TERMINATOR: u8 = 0x01;

/// Appends a component that something follows.
pub(crate) fn write_escaped(bytes: &[u8], out: &mut Vec<u8>) {
    write_escaped_open(bytes, out);
    out.extend_from_slice(&[0, TERMINATOR]);
}

/// Appends the beginning of an escaped component: all components that begin with `bytes` have this prefix.
pub(crate) fn write_escaped_open(bytes: &[u8], out: &mut Vec<u8>) {
    for &byte in bytes {
        out.push(byte);
        if byte == 0 {
            out.push(ESCAPED_ZERO);
        }
    }
}
