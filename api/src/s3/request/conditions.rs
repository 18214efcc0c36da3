//! Conditional headers, read. What they decide stands in [`crate::port`].

use http::HeaderName;
use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};

use super::headers::Headers;
use crate::port::{ETag, ETagMatch, ReadConditions, WriteConditions};
use crate::s3::error::S3Error;
use crate::s3::time::parse_http_date;

/// How weak tags (`W/"…"`) compare. Ours are strong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// `If-Match`: a weak tag matches nothing.
    Strong,
    /// `If-None-Match`: a weak tag matches what it names.
    Weak,
}

/// The conditions of a GET or HEAD. A date that is none counts as absent, as HTTP demands.
pub(crate) fn read_conditions(headers: &Headers<'_>) -> Result<ReadConditions, S3Error> {
    Ok(ReadConditions {
        if_match: tags(headers, &IF_MATCH, Comparison::Strong)?,
        if_none_match: tags(headers, &IF_NONE_MATCH, Comparison::Weak)?,
        if_modified_since: headers.get(&IF_MODIFIED_SINCE)?.and_then(parse_http_date),
        if_unmodified_since: headers.get(&IF_UNMODIFIED_SINCE)?.and_then(parse_http_date),
    })
}

/// The conditions of a write that knows those in `known`. Any other is 501: a write is never carried
/// out without a condition that came with it.
pub(crate) fn write_conditions(
    headers: &Headers<'_>,
    known: &[HeaderName],
) -> Result<WriteConditions, S3Error> {
    refuse_conditions(headers, known)?;
    Ok(WriteConditions {
        if_match: tags(headers, &IF_MATCH, Comparison::Strong)?,
        if_none_match: tags(headers, &IF_NONE_MATCH, Comparison::Weak)?,
    })
}

/// Refuses every condition that is not `known`.
pub(crate) fn refuse_conditions(headers: &Headers<'_>, known: &[HeaderName]) -> Result<(), S3Error> {
    for name in [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE] {
        if headers.get(&name)?.is_some() && !known.contains(&name) {
            return Err(S3Error::header_not_implemented(name.as_str()));
        }
    }
    Ok(())
}

fn tags(
    headers: &Headers<'_>,
    name: &HeaderName,
    comparison: Comparison,
) -> Result<Option<ETagMatch>, S3Error> {
    let Some(value) = headers.get(name)? else {
        return Ok(None);
    };
    match parse_tags(value, comparison) {
        Some(tags) => Ok(Some(tags)),
        None => Err(S3Error::invalid_argument(
            name.as_str(),
            value,
            "The header is not a list of entity tags.",
        )),
    }
}

/// Reads `*` or a list of tags. S3 takes tags without quotes, too; many clients send them so.
fn parse_tags(value: &str, comparison: Comparison) -> Option<ETagMatch> {
    let mut rest = value.trim();
    if rest == "*" {
        return Some(ETagMatch::Any);
    }
    let mut tags = Vec::new();
    while !rest.is_empty() {
        let (weak, tail) = match rest.strip_prefix("W/") {
            Some(tail) if tail.starts_with('"') => (true, tail),
            _ => (false, rest),
        };
        let (tag, tail) = match tail.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => tail.split_at(tail.find(',').unwrap_or(tail.len())),
        };
        let tag = tag.trim();
        if tag.is_empty() || tag.contains('"') {
            return None;
        }
        if !weak || comparison == Comparison::Weak {
            tags.push(ETag::new(tag));
        }
        rest = match tail.trim_start() {
            "" => "",
            tail => tail.strip_prefix(',')?.trim_start(),
        };
    }
    (!value.trim().is_empty()).then_some(ETagMatch::OneOf(tags))
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

    use super::{Comparison, parse_tags};
    use crate::port::{Condition, ETag, ETagMatch, ReadConditions, ReadVerdict, UnixMillis};

    fn list(tags: &[&str]) -> Option<ETagMatch> {
        Some(ETagMatch::OneOf(tags.iter().map(|tag| ETag::new(tag)).collect()))
    }

    #[test]
    fn tags_come_quoted_bare_weak_and_in_lists() {
        for (value, expected) in [
            ("*", Some(ETagMatch::Any)),
            (" * ", Some(ETagMatch::Any)),
            ("\"a\"", list(&["a"])),
            ("a", list(&["a"])),
            ("\"a\", \"b-2\",c", list(&["a", "b-2", "c"])),
            ("\"a,b\"", list(&["a,b"])),
            ("W/\"a\", \"b\"", list(&["b"])),
            ("W/\"a\"", list(&[])),
            ("\"a\",", list(&["a"])),
            ("", None),
            ("  ", None),
            ("\"", None),
            ("\"\"", None),
            ("\"a", None),
            ("\"a\"b", None),
            (",", None),
            ("a\"b", None),
        ] {
            assert_eq!(parse_tags(value, Comparison::Strong), expected, "{value:?}");
        }
        assert_eq!(parse_tags("W/\"a\", \"b\"", Comparison::Weak), list(&["a", "b"]));
    }

    /// Every combination of the four conditions, each absent, met or not met.
    #[test]
    fn precedence_is_that_of_rfc_9110() {
        let modified = UnixMillis(10_500);
        let (own, other) = (ETag::new("own"), ETag::new("other"));
        let one_of = |tag: &ETag| Some(ETagMatch::OneOf(vec![tag.clone()]));
        // Each list: absent, holds, does not hold.
        let matches = [None, one_of(&own), one_of(&other)];
        let none_matches = [None, one_of(&other), one_of(&own)];
        let unmodified = [None, Some(UnixMillis(10_000)), Some(UnixMillis(9_000))];
        let modified_since = [None, Some(UnixMillis(9_000)), Some(UnixMillis(10_000))];
        for case in 0..81 {
            let [m, n, u, s] = [case % 3, case / 3 % 3, case / 9 % 3, case / 27];
            let conditions = ReadConditions {
                if_match: matches[m].clone(),
                if_none_match: none_matches[n].clone(),
                if_modified_since: modified_since[s],
                if_unmodified_since: unmodified[u],
            };
            let expected = match (m, u, n, s) {
                (2, _, _, _) => ReadVerdict::Failed(Condition::IfMatch),
                (0, 2, _, _) => ReadVerdict::Failed(Condition::IfUnmodifiedSince),
                (_, _, 2, _) | (_, _, 0, 2) => ReadVerdict::NotModified,
                _ => ReadVerdict::Proceed,
            };
            assert_eq!(conditions.evaluate(&own, modified), expected, "{conditions:?}");
        }
    }

    #[test]
    fn a_star_matches_whatever_is_there() {
        let tag = ETag::new("own");
        let any = |m, n| ReadConditions {
            if_match: m,
            if_none_match: n,
            ..ReadConditions::default()
        };
        let verdict = |conditions: ReadConditions| conditions.evaluate(&tag, UnixMillis(0));
        assert_eq!(verdict(any(Some(ETagMatch::Any), None)), ReadVerdict::Proceed);
        assert_eq!(verdict(any(None, Some(ETagMatch::Any))), ReadVerdict::NotModified);
    }

    proptest! {
        #[test]
        fn no_value_makes_it_panic_or_loop(value in any::<String>(), list in "[W/\"a,* ]{0,40}") {
            for comparison in [Comparison::Strong, Comparison::Weak] {
                let _ = parse_tags(&value, comparison);
                let _ = parse_tags(&list, comparison);
            }
        }
    }
}
