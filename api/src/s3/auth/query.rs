//! The query of a request, as signatures see it.

use std::borrow::Cow;

use super::encoding::{Component, decode, normalise};
use super::error::AuthError;

/// The parameters of a query, sorted by encoded name, then by encoded value.
pub(super) struct Query<'r> {
    parameters: Vec<Parameter<'r>>,
}

/// One parameter, as it was sent and in the one form that S3 prescribes.
pub(super) struct Parameter<'r> {
    pub(super) name: Cow<'r, str>,
    pub(super) value: Cow<'r, str>,
    pub(super) sent: (&'r str, &'r str),
}

/// How many of the parameters that sign a request are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SignedQuery {
    /// None.
    No,
    /// One at least of Signature Version 4.
    VersionFour,
    /// One at least of Signature Version 2.
    VersionTwo,
}

/// The parameters of Signature Version 4. One of them, in whatever case, makes a request a presigned
/// one: a half of a signature is never taken for an anonymous request.
const VERSION_FOUR: [&str; 7] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
    "X-Amz-Security-Token",
];
/// Those of Signature Version 2 that no other request has.
const VERSION_TWO: [&str; 2] = ["AWSAccessKeyId", "Signature"];

impl<'r> Query<'r> {
    /// Reads a query; a name without `=` has an empty value.
    pub(super) fn parse(query: Option<&'r str>) -> Result<Self, AuthError> {
        let Some(query) = query.filter(|query| !query.is_empty()) else {
            return Ok(Self {
                parameters: Vec::new(),
            });
        };
        let mut parameters = Vec::with_capacity(1 + query.bytes().filter(|byte| *byte == b'&').count());
        for sent in query.split('&').filter(|sent| !sent.is_empty()) {
            let sent = sent.split_once('=').unwrap_or((sent, ""));
            let name = normalise(sent.0, Component::Query).ok_or(AuthError::MalformedUri)?;
            let value = normalise(sent.1, Component::Query).ok_or(AuthError::MalformedUri)?;
            parameters.push(Parameter { name, value, sent });
        }
        parameters.sort_unstable_by(|a, b| (&a.name, &a.value).cmp(&(&b.name, &b.value)));
        Ok(Self { parameters })
    }

    /// All parameters, sorted.
    pub(super) fn parameters(&self) -> &[Parameter<'r>] {
        &self.parameters
    }

    /// Which signature, if any, the query is part of.
    pub(super) fn signed(&self) -> SignedQuery {
        let holds = |names: &[&str]| {
            self.parameters
                .iter()
                .any(|given| names.iter().any(|name| name.eq_ignore_ascii_case(&given.name)))
        };
        match (holds(&VERSION_FOUR), holds(&VERSION_TWO)) {
            (true, _) => SignedQuery::VersionFour,
            (false, true) => SignedQuery::VersionTwo,
            (false, false) => SignedQuery::No,
        }
    }

    /// The value of a parameter that a presigned query has at most once, decoded. In another case the
    /// name counts as a second one.
    pub(super) fn single(&self, name: &'static str) -> Result<Option<Cow<'r, str>>, AuthError> {
        let mut given = self
            .parameters
            .iter()
            .filter(|given| given.name.eq_ignore_ascii_case(name));
        let Some(first) = given.next() else {
            return Ok(None);
        };
        if given.next().is_some() || first.name != name {
            return Err(AuthError::DuplicateParameter(name));
        }
        decode(&first.value).map(Some).ok_or(AuthError::MalformedUri)
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use super::*;

    fn names_and_values(query: &str) -> Vec<(String, String)> {
        let query = Query::parse(Some(query)).expect("well-formed");
        query
            .parameters()
            .iter()
            .map(|given| (given.name.to_string(), given.value.to_string()))
            .collect()
    }

    fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn parameters_are_sorted_by_name_and_then_by_value() {
        let expected = pairs([("a", ""), ("a", "1"), ("a", "2"), ("a-b", "0"), ("b", "")]);
        assert_eq!(names_and_values("b&a-b=0&a=2&a=1&&a"), expected);
    }

    #[test]
    fn only_the_first_equals_sign_separates() {
        assert_eq!(names_and_values("a=b=c"), pairs([("a", "b%3Dc")]));
        assert_eq!(names_and_values("=x"), pairs([("", "x")]));
    }

    #[test]
    fn a_half_of_a_signature_is_a_signature() {
        let signed = |query: &str| Query::parse(Some(query)).expect("well-formed").signed();
        assert_eq!(signed("list-type=2&prefix=X-Amz-Date"), SignedQuery::No);
        assert_eq!(signed("x-amz-credential=AKIA"), SignedQuery::VersionFour);
        assert_eq!(signed("X-Amz-Sign%61ture=00"), SignedQuery::VersionFour);
        assert_eq!(signed("AWSAccessKeyId=AKIA"), SignedQuery::VersionTwo);
        assert_eq!(signed("Signature=x&X-Amz-Expires=1"), SignedQuery::VersionFour);
    }

    #[test]
    fn a_parameter_given_twice_is_refused_in_whatever_case() {
        let twice = |query: &str| {
            Query::parse(Some(query))
                .expect("well-formed")
                .single("X-Amz-Date")
                .err()
        };
        assert_eq!(twice("X-Amz-Date=1"), None);
        assert_eq!(
            twice("X-Amz-Date=1&X-Amz-Date=1"),
            Some(AuthError::DuplicateParameter("X-Amz-Date"))
        );
        assert_eq!(
            twice("X-Amz-Date=1&x-amz-date=1"),
            Some(AuthError::DuplicateParameter("X-Amz-Date"))
        );
        assert_eq!(
            twice("x-amz-date=1"),
            Some(AuthError::DuplicateParameter("X-Amz-Date"))
        );
    }
}
