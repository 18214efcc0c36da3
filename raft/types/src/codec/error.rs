use thiserror::Error;

/// Bytes that are not an encoding of the expected record.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{record}.{field}: {problem}")]
pub struct DecodeError {
    /// Name of the record that was being read.
    pub record: &'static str,
    /// Name of the field, or `tag` where the field itself is unknown.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with an encoded field.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Problem {
    /// The bytes end within a field, or a length points beyond the end.
    #[error("the bytes end within the field")]
    Truncated,
    /// The key of a field is not one that protobuf allows here.
    #[error("wire type {0} is not used by this format")]
    WireType(u64),
    /// The field has another wire type than its declaration.
    #[error("the wire type does not fit the declaration")]
    Mismatch,
    /// No field of this number is declared.
    #[error("field number {0} is unknown")]
    UnknownField(u64),
    /// An enum has no such number.
    #[error("number {0} is unknown")]
    UnknownNumber(u64),
    /// A value outside the range of its type.
    #[error("value {0} is out of range")]
    Range(u64),
    /// A byte string of another length than its type has.
    #[error("length {0} does not fit the type")]
    Length(usize),
    /// A text that breaks the rules of its type.
    #[error("{0}")]
    Invalid(String),
    /// A field that may stand once stands twice.
    #[error("the field stands twice")]
    Repeated,
    /// A field without a default is missing.
    #[error("the field is missing")]
    Missing,
    /// The field is itself a record, and that is wrong.
    #[error(transparent)]
    Nested(Box<DecodeError>),
}

impl Problem {
    /// Says in which field the problem lies.
    pub(crate) fn within(self, record: &'static str, field: &'static str) -> DecodeError {
        DecodeError {
            record,
            field,
            problem: self,
        }
    }
}

impl From<DecodeError> for Problem {
    fn from(error: DecodeError) -> Self {
        Problem::Nested(Box::new(error))
    }
}
