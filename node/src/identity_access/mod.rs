//! Users and credentials of the configuration: who an access key is, and what it may use. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use api::port::{Credential, SecretKey};

use crate::config::{AllowedBuckets, BucketCreation, ClusterSettings, CredentialSettings};
use crate::objects::{AccessPolicy, CreateBuckets};

/// What the configuration grants to each access key. Immutable; a reload makes another.
#[derive(Debug)]
pub struct Grants {
    by_key: HashMap<String, Grant>,
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
        Self { by_key }
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
}
