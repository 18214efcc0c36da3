//! The S3 front end.

pub mod auth;
pub mod body;

mod checksum;
mod code;
mod error;
mod percent;
mod time;
mod xml;

pub use code::ErrorCode;
pub use error::S3Error;
