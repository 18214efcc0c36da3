//! The query of a request.

use std::borrow::Cow;

use crate::s3::code::ErrorCode;
use crate::s3::error::S3Error;
use crate::s3::percent::{Plus, decode};

/// Decoded parameters, each name once. Borrows from the request line where nothing is escaped.
#[derive(Debug)]
pub(crate) struct Query<'r> {
    parameters: Vec<Parameter<'r>>,
}

#[derive(Debug)]
struct Parameter<'r> {
    name: Cow<'r, str>,
    value: Cow<'r, str>,
    part: Part,
}

/// What a parameter is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The signature; its own reader decides about it.
    Signature,
    /// The headers of a presigned request, which some clients move to the query.
    Headers,
    /// What the request asks for.
    Request,
}

/// More than any request of S3 has, presigned ones with all their headers hoisted included.
const MAX_PARAMETERS: usize = 100;

/// Makes a request a presigned one.
const PRESIGNED: &str = "x-amz-signature";

/// The parameters that sign a request.
const SIGNATURE: [&str; 7] = [
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-signedheaders",
    PRESIGNED,
    "x-amz-security-token",
];

/// Says how a presigned payload proves itself; it has no such meaning in any other request.
const PAYLOAD: &str = "x-amz-content-sha256";

impl<'r> Query<'r> {
    /// Reads a query. A name without `=` has an empty value.
    pub(crate) fn parse(query: Option<&'r str>) -> Result<Self, S3Error> {
        let mut parameters: Vec<Parameter<'r>> = Vec::new();
        let raw = query.unwrap_or_default();
        for parameter in raw.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let malformed = |_| S3Error::from(ErrorCode::InvalidUri);
            let name = decode(name, Plus::Space).map_err(malformed)?;
            let value = decode(value, Plus::Space).map_err(malformed)?;
            if parameters.iter().any(|known| known.name == name) {
                let message = "A query parameter was given more than once.";
                return Err(S3Error::invalid_argument(&name, &value, message));
            }
            if parameters.len() == MAX_PARAMETERS {
                return Err(S3Error::with_message(
                    ErrorCode::InvalidRequest,
                    "There are too many query parameters.",
                ));
            }
            parameters.push(Parameter {
                part: Part::Request,
                name,
                value,
            });
        }
        let presigned = parameters
            .iter()
            .any(|parameter| parameter.name.eq_ignore_ascii_case(PRESIGNED));
        for parameter in &mut parameters {
            parameter.part = Part::of(&parameter.name, presigned);
        }
        Ok(Self { parameters })
    }

    /// The value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|known| known.name == name)
            .map(|known| known.value.as_ref())
    }

    /// The value of a parameter, `None` when it is empty too.
    pub(crate) fn non_empty(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// Whether a parameter is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The names and values of the parameters that say what a request asks for.
    pub(crate) fn asked(&self) -> impl Iterator<Item = (&str, &str)> {
        self.of(Part::Request)
    }

    /// The headers that a presigned request carries in its query: every `x-amz-` name that does not
    /// belong to the signature. Empty unless the request is presigned.
    pub(crate) fn hoisted(&self) -> impl Iterator<Item = (&str, &str)> {
        self.of(Part::Headers)
    }

    fn of(&self, part: Part) -> impl Iterator<Item = (&str, &str)> {
        self.parameters
            .iter()
            .filter(move |parameter| parameter.part == part)
            .map(|parameter| (parameter.name.as_ref(), parameter.value.as_ref()))
    }
}

impl Part {
    fn of(name: &str, presigned: bool) -> Self {
        let is = |known: &&str| known.eq_ignore_ascii_case(name);
        if !is_amz(name) {
            Self::Request
        } else if SIGNATURE.iter().any(is) || (presigned && is(&PAYLOAD)) {
            Self::Signature
        } else if presigned {
            Self::Headers
        } else {
            Self::Request
        }
    }
}

/// Whether a name begins with `x-amz-`, whatever its case.
pub(super) fn is_amz(name: &str) -> bool {
    name.as_bytes()
        .get(..6)
        .is_some_and(|head| head.eq_ignore_ascii_case(b"x-amz-"))
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use proptest::prelude::*;

    use super::Query;
    use crate::s3::code::ErrorCode;

    #[test]
    fn parameters_are_decoded_once() {
        let query = Query::parse(Some("prefix=a%2Fb+c%2B%252F&delete&empty=&=x&&k=v=w")).unwrap();
        assert_eq!(query.get("prefix"), Some("a/b c+%2F"));
        assert_eq!(query.get("delete"), Some(""));
        assert_eq!(query.get("empty"), Some(""));
        assert_eq!(query.non_empty("empty"), None);
        assert_eq!(query.get(""), Some("x"));
        assert_eq!(query.get("k"), Some("v=w"));
        assert_eq!(query.get("Prefix"), None);
        assert!(!query.has("absent"));
    }

    #[test]
    fn a_parameter_given_twice_is_refused_however_it_is_escaped() {
        for query in ["a=1&a=1", "uploadId=1&upload%49d=2", "delete&delete="] {
            assert_eq!(
                Query::parse(Some(query)).unwrap_err().code(),
                ErrorCode::InvalidArgument,
                "{query}"
            );
        }
    }

    #[test]
    fn a_query_that_cannot_be_read_is_refused() {
        for query in ["a=%", "%zz", "a=%ff"] {
            assert_eq!(
                Query::parse(Some(query)).unwrap_err().code(),
                ErrorCode::InvalidUri,
                "{query}"
            );
        }
        let many: Vec<String> = (0..101).map(|n| format!("p{n}")).collect();
        assert_eq!(
            Query::parse(Some(&many.join("&"))).unwrap_err().code(),
            ErrorCode::InvalidRequest
        );
    }

    #[test]
    fn headers_are_hoisted_into_presigned_queries_only() {
        let query = "X-Amz-Signature=s&X-Amz-Date=d&x-amz-meta-a=1&X-Amz-Storage-Class=STANDARD&prefix=p";
        let hoisted: Vec<_> = Query::parse(Some(query))
            .unwrap()
            .hoisted()
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .collect();
        let expected = [("x-amz-meta-a", "1"), ("X-Amz-Storage-Class", "STANDARD")];
        assert_eq!(hoisted, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert_eq!(Query::parse(Some("x-amz-meta-a=1")).unwrap().hoisted().count(), 0);
    }

    proptest! {
        #[test]
        fn no_query_makes_it_panic(query in "[ -~]{0,200}") {
            if let Ok(query) = Query::parse(Some(&query)) {
                let _ = query.hoisted().count();
            }
        }
    }
}
