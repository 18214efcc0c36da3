//! Conditions of requests, decided where the command is applied (L2).

use raft_types::commands::{Conditions, ETagCondition};
use raft_types::{ETag, MillisUtc, Rejection};

/// The version that conditions speak of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject {
    pub(super) etag: ETag,
    pub(super) modified: MillisUtc,
}

fn includes(condition: &ETagCondition, etag: &ETag) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::OneOf(list) => list.etags.contains(etag),
    }
}

/// Whether all conditions hold of a version, or of its absence. By RFC 9110, section 13.2.2, a condition on
/// time counts only where the one on ETags that it weakens is absent.
pub(super) fn check(conditions: Option<&Conditions>, subject: Option<Subject>) -> Result<(), Rejection> {
    let Some(conditions) = conditions else {
        return Ok(());
    };
    let Some(subject) = subject else {
        // What is absent has no ETag and was never modified.
        return if conditions.if_match.is_some() {
            Err(Rejection::NoSuchKey)
        } else {
            Ok(())
        };
    };
    let matches = match &conditions.if_match {
        Some(condition) => includes(condition, &subject.etag),
        None => conditions
            .if_unmodified_since
            .is_none_or(|time| subject.modified.seconds() <= time.seconds()),
    };
    let differs = match &conditions.if_none_match {
        Some(condition) => !includes(condition, &subject.etag),
        None => conditions
            .if_modified_since
            .is_none_or(|time| subject.modified.seconds() > time.seconds()),
    };
    if matches && differs {
        Ok(())
    } else {
        Err(Rejection::PreconditionFailed)
    }
}

#[cfg(test)]
mod tests {
    use raft_types::commands::ETags;

    use super::*;

    const ETAG: ETag = ETag::of_whole([1; 16]);
    const OTHER: ETag = ETag::of_whole([2; 16]);

    fn subject() -> Option<Subject> {
        Some(Subject {
            etag: ETAG,
            modified: MillisUtc(10_500),
        })
    }

    fn one_of(etags: &[ETag]) -> Option<ETagCondition> {
        Some(ETagCondition::OneOf(ETags {
            etags: etags.to_vec(),
        }))
    }

    #[test]
    fn if_match_needs_a_version_with_one_of_the_etags() {
        let any = Conditions {
            if_match: Some(ETagCondition::Any),
            ..Conditions::default()
        };
        assert_eq!(check(Some(&any), subject()), Ok(()));
        assert_eq!(check(Some(&any), None), Err(Rejection::NoSuchKey));
        let listed = Conditions {
            if_match: one_of(&[OTHER, ETAG]),
            ..Conditions::default()
        };
        assert_eq!(check(Some(&listed), subject()), Ok(()));
        let unlisted = Conditions {
            if_match: one_of(&[OTHER]),
            ..Conditions::default()
        };
        assert_eq!(
            check(Some(&unlisted), subject()),
            Err(Rejection::PreconditionFailed)
        );
        let unknown = Conditions {
            if_match: one_of(&[]),
            ..Conditions::default()
        };
        assert_eq!(
            check(Some(&unknown), subject()),
            Err(Rejection::PreconditionFailed)
        );
    }

    #[test]
    fn if_none_match_needs_the_absence_of_the_etags() {
        let any = Conditions {
            if_none_match: Some(ETagCondition::Any),
            ..Conditions::default()
        };
        assert_eq!(check(Some(&any), subject()), Err(Rejection::PreconditionFailed));
        assert_eq!(check(Some(&any), None), Ok(()));
        let listed = Conditions {
            if_none_match: one_of(&[ETAG]),
            ..Conditions::default()
        };
        assert_eq!(
            check(Some(&listed), subject()),
            Err(Rejection::PreconditionFailed)
        );
        let unlisted = Conditions {
            if_none_match: one_of(&[OTHER]),
            ..Conditions::default()
        };
        assert_eq!(check(Some(&unlisted), subject()), Ok(()));
    }

    #[test]
    fn times_are_compared_in_whole_seconds() {
        let unmodified = |time| Conditions {
            if_unmodified_since: Some(MillisUtc(time)),
            ..Conditions::default()
        };
        assert_eq!(check(Some(&unmodified(10_000)), subject()), Ok(()));
        assert_eq!(
            check(Some(&unmodified(9_999)), subject()),
            Err(Rejection::PreconditionFailed)
        );
        let modified = |time| Conditions {
            if_modified_since: Some(MillisUtc(time)),
            ..Conditions::default()
        };
        assert_eq!(check(Some(&modified(9_999)), subject()), Ok(()));
        assert_eq!(
            check(Some(&modified(10_000)), subject()),
            Err(Rejection::PreconditionFailed)
        );
    }

    #[test]
    fn an_etag_condition_silences_the_time_that_it_is_stronger_than() {
        let conditions = Conditions {
            if_match: one_of(&[ETAG]),
            if_unmodified_since: Some(MillisUtc(0)),
            ..Conditions::default()
        };
        assert_eq!(check(Some(&conditions), subject()), Ok(()));
        let conditions = Conditions {
            if_none_match: one_of(&[OTHER]),
            if_modified_since: Some(MillisUtc(u64::MAX)),
            ..Conditions::default()
        };
        assert_eq!(check(Some(&conditions), subject()), Ok(()));
    }
}
