//! The headers of a request that change what it means.

use http::{HeaderMap, HeaderName};

use super::query::{Query, is_amz};
use crate::s3::code::ErrorCode;
use crate::s3::error::S3Error;

/// The headers of a request, and the `x-amz-` headers that a presigned one carries in its query.
/// Each name that is looked up is there once; [`guard`](super::guard) saw to that.
#[derive(Debug)]
pub(crate) struct Headers<'r> {
    map: &'r HeaderMap,
    /// Names in lower case.
    hoisted: Vec<(HeaderName, &'r str)>,
}

impl<'r> Headers<'r> {
    /// The headers of a request with `query`.
    pub(crate) fn new(map: &'r HeaderMap, query: &'r Query<'_>) -> Result<Self, S3Error> {
        let mut hoisted = Vec::new();
        for (name, value) in query.hoisted() {
            let refuse = |message| S3Error::invalid_argument(name, value, message);
            let header = HeaderName::try_from(name)
                .map_err(|_| refuse("The parameter is not the name of a header."))?;
            if map.contains_key(&header) || hoisted.iter().any(|(known, _)| *known == header) {
                return Err(refuse("A header was given more than once."));
            }
            hoisted.push((header, value));
        }
        Ok(Self { map, hoisted })
    }

    /// The value of a header, which must be text.
    pub(crate) fn get(&self, name: &HeaderName) -> Result<Option<&'r str>, S3Error> {
        match self.map.get(name) {
            Some(value) => text(name, value).map(Some),
            None => Ok(self
                .hoisted
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| *value)),
        }
    }

    /// The value of the header with this lower-case name.
    pub(crate) fn amz(&self, name: &'static str) -> Result<Option<&'r str>, S3Error> {
        self.get(&HeaderName::from_static(name))
    }

    /// All `x-amz-` headers. One that is there several times comes several times.
    pub(crate) fn all_amz(&self) -> impl Iterator<Item = Result<(&HeaderName, &'r str), S3Error>> {
        let sent = self.map.iter().filter(|(name, _)| is_amz(name.as_str()));
        let hoisted = self.hoisted.iter().map(|(name, value)| Ok((name, *value)));
        sent.map(|(name, value)| Ok((name, text(name, value)?)))
            .chain(hoisted)
    }
}

/// A value as text. HTTP lets any byte above 0x7f into a value; what is not UTF-8 could not be stored
/// and given back.
fn text<'v>(name: &HeaderName, value: &'v http::HeaderValue) -> Result<&'v str, S3Error> {
    std::str::from_utf8(value.as_bytes()).map_err(|_| {
        S3Error::with_message(ErrorCode::InvalidArgument, "The value of a header is not UTF-8.")
            .detail("ArgumentName", name.as_str())
    })
}
