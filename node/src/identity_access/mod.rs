//! Users and credentials of the configuration: who an access key is, and what it may use. Pure.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use api::port::{Credential, SecretKey};

use crate::config::{AllowedBuckets, BucketCreation, ClusterSettings, CredentialSettings};
use crate::objects::{AccessPolicy, CreateBuckets};

/// What the configuration grants to each access key. Immutable; a reload makes another.
#[derive(Debug)]
pub struct Grants {
    by_key: HashMap<String, Grant>,
    /// The names of the buckets that the configuration has.
    configured: HashSet<String>,
}

#[derive(Debug)]
struct Grant {
    credential: Arc<Credential>,
    buckets: AllowedBuckets,
    creation: BucketCreation,
}

impl Grants {
    /// The grants of these settings.
    #[must_use]
    pub fn of(settings: &ClusterSettings) -> Self {
        let mut by_key = HashMap::new();
        for user in &settings.users {
            let grant = Grant {
                credential: credential(&user.credential, user.name.as_str()),
                buckets: user.allowed.clone(),
                creation: user.creation,
            };
            by_key.insert(user.credential.access_key_id.clone(), grant);
        }
        for bucket in &settings.buckets {
            for key in &bucket.credentials {
                let grant = Grant {
                    credential: credential(key, &key.access_key_id),
                    buckets: AllowedBuckets::Named(vec![bucket.name.clone()]),
                    creation: BucketCreation::Denied,
                };
                by_key.insert(key.access_key_id.clone(), grant);
            }
        }
        let configured = settings
            .buckets
            .iter()
            .map(|bucket| bucket.name.as_str().to_owned());
        Self {
            by_key,
            configured: configured.collect(),
        }
    }
}

fn credential(settings: &CredentialSettings, user: &str) -> Arc<Credential> {
    Arc::new(Credential {
        access_key: settings.access_key_id.as_str().into(),
        user: user.into(),
        secret: SecretKey::new(settings.secret_access_key.expose().to_owned()),
    })
}

impl AccessPolicy for Grants {
    fn credential(&self, access_key: &str) -> Option<Arc<Credential>> {
        self.by_key
            .get(access_key)
            .map(|grant| Arc::clone(&grant.credential))
    }

    fn grants(&self, access_key: &str, bucket: &str) -> bool {
        self.by_key
            .get(access_key)
            .is_some_and(|grant| match &grant.buckets {
                AllowedBuckets::All => true,
                AllowedBuckets::Named(names) => names
                    .iter()
                    .any(|name| name.as_str().eq_ignore_ascii_case(bucket)),
            })
    }

    fn create_buckets(&self, access_key: &str) -> CreateBuckets {
        match self.by_key.get(access_key).map(|grant| grant.creation) {
            Some(BucketCreation::Allowed) => CreateBuckets::Allowed,
            Some(BucketCreation::Denied) | None => CreateBuckets::Denied,
        }
    }

    fn is_configured(&self, bucket: &str) -> bool {
        self.configured.contains(bucket)
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
    use crate::config::Loader;

    const CONFIGURATION: &str = "
backends: [{name: disk, path: /srv/holdfast}]
buckets:
  - name: photos
    credentials:
      - {access_key_id: photos-one, secret_access_key: secret-of-one}
      - {access_key_id: photos-two, secret_access_key: secret-of-two}
  - name: music
    credentials: [{access_key_id: music-key, secret_access_key: secret-of-music}]
users:
  - {access_key: everything, secret_key: secret-of-all, allowed_buckets: ['*', nonsense]}
  - {access_key: reader, secret_key: secret-of-reader, allowed_buckets: ['*'], create_buckets: false}
  - {name: pair, access_key: pair-key, secret_key: secret-of-pair, allowed_buckets: [Photos, films]}
  - {name: maker, access_key: maker-key, secret_key: secret-of-maker, create_buckets: true}
";

    fn grants() -> Grants {
        Grants::of(
            &Loader::new()
                .text("test", CONFIGURATION)
                .load()
                .unwrap()
                .config
                .cluster,
        )
    }

    #[test]
    fn every_key_stands_for_its_user_and_an_unknown_one_for_nobody() {
        let grants = grants();
        for (key, user, secret) in [
            ("photos-one", "photos-one", "secret-of-one"),
            ("photos-two", "photos-two", "secret-of-two"),
            ("everything", "everything", "secret-of-all"),
            ("pair-key", "pair", "secret-of-pair"),
            ("maker-key", "maker", "secret-of-maker"),
        ] {
            let credential = grants.credential(key).unwrap();
            assert_eq!((&*credential.access_key, &*credential.user), (key, user));
            assert_eq!(credential.secret.expose(), secret);
        }
        for unknown in ["", "pair", "EVERYTHING", "photos", "nobody"] {
            assert!(grants.credential(unknown).is_none(), "{unknown}");
            assert!(!grants.grants(unknown, "photos"), "{unknown}");
            assert_eq!(grants.create_buckets(unknown), CreateBuckets::Denied, "{unknown}");
        }
    }

    #[test]
    fn keys_are_granted_the_buckets_that_name_them_and_no_other() {
        let grants = grants();
        for (key, granted, denied) in [
            (
                "photos-one",
                &["photos"][..],
                &["music", "photo", "photoss", "films"][..],
            ),
            ("photos-two", &["photos"], &["music"]),
            ("music-key", &["music"], &["photos"]),
            ("everything", &["photos", "music", "whatever"], &[]),
            ("reader", &["photos", "music", "whatever"], &[]),
            (
                "pair-key",
                &["photos", "PHOTOS", "films", "Films"],
                &["music", "film", "*"],
            ),
            ("maker-key", &[], &["photos", "music", "*", ""]),
        ] {
            assert!(granted.iter().all(|bucket| grants.grants(key, bucket)), "{key}");
            assert!(!denied.iter().any(|bucket| grants.grants(key, bucket)), "{key}");
        }
    }

    #[test]
    fn only_users_who_may_create_buckets_create_them() {
        let grants = grants();
        for (key, expected) in [
            ("everything", CreateBuckets::Allowed),
            ("maker-key", CreateBuckets::Allowed),
            ("reader", CreateBuckets::Denied),
            ("pair-key", CreateBuckets::Denied),
            ("photos-one", CreateBuckets::Denied),
        ] {
            assert_eq!(grants.create_buckets(key), expected, "{key}");
        }
    }

    #[test]
    fn buckets_of_the_configuration_are_known_by_name() {
        let grants = grants();
        assert!(
            ["photos", "music"]
                .iter()
                .all(|bucket| grants.is_configured(bucket))
        );
        assert!(
            !["films", "photo", "*", ""]
                .iter()
                .any(|bucket| grants.is_configured(bucket))
        );
    }

    #[test]
    fn nothing_of_a_secret_shows() {
        assert!(!format!("{:?}", grants()).contains("secret-of"));
    }
}
