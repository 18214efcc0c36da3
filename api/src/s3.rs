//! The S3 front end.

pub mod auth;
pub mod body;
