//! Who may do what. Everything that is not granted is denied.

use std::sync::Arc;

use api::port::{BucketName, Caller, Credential, Error};
use raft_machine::{ReadTables, queries};
use raft_types::BucketId;
use raft_types::records::BucketRecord;

use super::errors::state_fault;
use super::gateway::Gateway;
use super::translate;
use crate::metadata::RequestView;

/// Whether a user may create buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CreateBuckets {
    /// It may, and owns what it creates.
    Allowed,
    /// It may not.
    Denied,
}

/// What the users' configuration grants. An implementation is immutable; a reload puts another in its
/// place.
pub(crate) trait AccessPolicy: std::fmt::Debug + Send + Sync + 'static {
    /// The credential of an active access key.
    fn credential(&self, access_key: &str) -> Option<Arc<Credential>>;

    /// Whether the access key's grants name the bucket, whoever owns it.
    fn grants(&self, access_key: &str, bucket: &str) -> bool;

    /// Whether the access key's user may create buckets.
    fn create_buckets(&self, access_key: &str) -> CreateBuckets;

    /// Whether the configuration has a bucket of this name, which then only the operator removes.
    fn is_configured(&self, bucket: &str) -> bool;
}

/// A bucket that the caller may use.
#[derive(Debug, Clone)]
pub(crate) struct UsableBucket {
    /// Its number.
    pub(crate) id: BucketId,
    /// Its row.
    pub(crate) record: BucketRecord,
}

/// Whether the caller may use a bucket of this name and, where it exists, this owner.
pub(crate) fn may_use(policy: &dyn AccessPolicy, caller: &Caller, name: &str, owner: Option<&str>) -> bool {
    policy.grants(caller.access_key(), name) || owner.is_some_and(|owner| owner == &**caller.user())
}

/// The bucket, if the caller may use it.
///
/// # Errors
/// [`Error::AccessDenied`] where the caller may not use a bucket of this name, whether or not there is
/// one; [`Error::NoSuchBucket`] only to those who may.
pub(crate) fn usable_bucket(
    policy: &dyn AccessPolicy,
    tables: &impl ReadTables,
    caller: &Caller,
    bucket: &BucketName,
) -> Result<UsableBucket, Error> {
    let Some(name) = translate::bucket_name(bucket) else {
        return Err(missing(policy, caller, bucket));
    };
    let Some((id, record)) = queries::bucket_by_name(tables, &name).map_err(state_fault)? else {
        return Err(missing(policy, caller, bucket));
    };
    if !may_use(policy, caller, bucket.as_str(), Some(record.owner.as_str())) {
        return Err(Error::AccessDenied);
    }
    Ok(UsableBucket { id, record })
}

/// The bucket, if the caller may delete it: it owns it, and the configuration does not name it. Being
/// allowed to use a bucket is not being allowed to take it away from all others who are.
///
/// # Errors
/// [`Error::AccessDenied`] where somebody else owns the bucket.
pub(crate) fn owned_bucket(
    policy: &dyn AccessPolicy,
    caller: &Caller,
    usable: UsableBucket,
) -> Result<UsableBucket, Error> {
    let owned = usable.record.owner.as_str() == &**caller.user();
    if owned && !policy.is_configured(usable.record.name.as_str()) {
        Ok(usable)
    } else {
        Err(Error::AccessDenied)
    }
}

impl Gateway {
    /// The bucket, if the caller may use it; its name is handed back. See [`usable_bucket`].
    pub(super) async fn usable(
        &self,
        view: &RequestView,
        caller: &Caller,
        bucket: BucketName,
    ) -> Result<(BucketName, UsableBucket), Error> {
        let context = (self.policy(), caller.clone(), bucket);
        let ((.., bucket), usable) = view
            .decide(context, |view, (policy, caller, bucket)| {
                usable_bucket(&**policy, view.tables(), caller, bucket)
            })
            .await?;
        Ok((bucket, usable))
    }
}

fn missing(policy: &dyn AccessPolicy, caller: &Caller, bucket: &BucketName) -> Error {
    if may_use(policy, caller, bucket.as_str(), None) {
        Error::NoSuchBucket
    } else {
        Error::AccessDenied
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
    use api::port::SecretKey;
    use bytes::Bytes;
    use raft_machine::MemoryTables;
    use raft_types::keys::{BucketKey, BucketNameKey, TableKey};
    use raft_types::records::{BucketNameRecord, Versioning};
    use raft_types::{MillisUtc, PrincipalName, Record};

    use super::*;
    use crate::config::{ClusterSettings, Loader, OPERATOR};
    use crate::identity_access::Grants;

    const CONFIGURATION: &str = "
backends: [{name: disk, path: /srv/holdfast}]
buckets:
  - {name: photos, credentials: [{access_key_id: photos-key, secret_access_key: secret-of-photos}]}
  - {name: taken, credentials: []}
users:
  - {name: admin, access_key: admin-key, secret_key: secret-of-admin, allowed_buckets: ['*']}
  - {name: maker, access_key: maker-key, secret_key: secret-of-maker, create_buckets: true}
  - {name: guest, access_key: guest-key, secret_key: secret-of-guest, allowed_buckets: [makers-own, absent]}
";

    fn settings() -> ClusterSettings {
        Loader::new()
            .text("test", CONFIGURATION)
            .load()
            .unwrap()
            .config
            .cluster
    }

    fn tables(buckets: &[(&str, &str)]) -> MemoryTables {
        let mut tables = MemoryTables::new();
        for (number, (name, owner)) in (1..).zip(buckets) {
            let (id, name) = (BucketId(number), raft_types::BucketName::new(*name).unwrap());
            let record = BucketRecord {
                name: name.clone(),
                owner: PrincipalName::new(*owner).unwrap(),
                created: MillisUtc(1),
                versioning: Versioning::Off,
                key_version: None,
            };
            let row = |key: Bytes, value: Bytes| (key, Some(value));
            tables.write([
                row(
                    BucketNameKey { name }.to_bytes(),
                    BucketNameRecord { bucket: id }.encode(),
                ),
                row(BucketKey { bucket: id }.to_bytes(), record.encode()),
            ]);
        }
        tables
    }

    fn caller(access_key: &str, user: &str) -> Caller {
        Caller::verified(Arc::new(Credential {
            access_key: access_key.into(),
            user: user.into(),
            secret: SecretKey::new("secret".to_owned()),
        }))
    }

    /// Buckets of the configuration, of a user, and of one user that the configuration names by now.
    const BUCKETS: [(&str, &str); 4] = [
        ("photos", OPERATOR),
        ("makers-own", "maker"),
        ("admins-own", "admin"),
        ("taken", "maker"),
    ];

    fn owned(
        policy: &dyn AccessPolicy,
        tables: &impl ReadTables,
        caller: &Caller,
        bucket: &BucketName,
    ) -> Result<UsableBucket, Error> {
        owned_bucket(policy, caller, usable_bucket(policy, tables, caller, bucket)?)
    }

    #[test]
    fn only_its_owner_deletes_a_bucket_and_nobody_one_of_the_configuration() {
        let (grants, tables) = (Grants::of(&settings()), tables(&BUCKETS));
        let delete = |key, user, bucket| {
            owned(
                &grants,
                &tables,
                &caller(key, user),
                &BucketName::new(bucket).unwrap(),
            )
            .map(|owned| owned.record.name.as_str().to_owned())
        };
        for (key, user, own) in [
            ("maker-key", "maker", "makers-own"),
            ("admin-key", "admin", "admins-own"),
        ] {
            for (bucket, _) in BUCKETS {
                let expected = if bucket == own {
                    Ok(own.to_owned())
                } else {
                    Err(Error::AccessDenied)
                };
                assert_eq!(delete(key, user, bucket), expected, "{user} {bucket}");
            }
        }
        for (key, user) in [
            ("photos-key", "photos-key"),
            ("guest-key", "guest"),
            ("unknown", "maker "),
        ] {
            for (bucket, _) in BUCKETS {
                assert_eq!(
                    delete(key, user, bucket),
                    Err(Error::AccessDenied),
                    "{user} {bucket}"
                );
            }
        }
    }

    #[test]
    fn that_there_is_no_bucket_is_told_to_those_who_could_use_it() {
        let (grants, tables) = (Grants::of(&settings()), tables(&BUCKETS));
        let absent = BucketName::new("absent").unwrap();
        for (key, user, error) in [
            ("admin-key", "admin", Error::NoSuchBucket),
            ("guest-key", "guest", Error::NoSuchBucket),
            ("maker-key", "maker", Error::AccessDenied),
            ("photos-key", "photos-key", Error::AccessDenied),
        ] {
            let caller = caller(key, user);
            assert_eq!(
                owned(&grants, &tables, &caller, &absent).err(),
                Some(error.clone())
            );
            assert_eq!(
                usable_bucket(&grants, &tables, &caller, &absent).err(),
                Some(error)
            );
        }
    }

    #[test]
    fn what_is_granted_is_used_whoever_owns_it_and_nothing_else() {
        let (grants, tables) = (Grants::of(&settings()), tables(&BUCKETS));
        for (key, user, usable) in [
            (
                "admin-key",
                "admin",
                &["photos", "makers-own", "admins-own", "taken"][..],
            ),
            ("maker-key", "maker", &["makers-own", "taken"]),
            ("guest-key", "guest", &["makers-own"]),
            ("photos-key", "photos-key", &["photos"]),
        ] {
            let caller = caller(key, user);
            for (bucket, _) in BUCKETS {
                let found = usable_bucket(&grants, &tables, &caller, &BucketName::new(bucket).unwrap());
                assert_eq!(found.is_ok(), usable.contains(&bucket), "{user} {bucket}");
            }
        }
    }
}
