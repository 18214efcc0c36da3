//! Buckets, users and their keys.

use std::collections::BTreeMap;

use raft_types::{BucketName, PrincipalName};

use super::{Findings, invalid_name};
use crate::config::cluster::{
    AllowedBuckets, BucketCreation, BucketSettings, CredentialSettings, OPERATOR, UserSettings,
};
use crate::config::secret::Secret;
use crate::config::tree::Section;

/// Stands for every bucket in `allowed_buckets`.
const EVERY_BUCKET: &str = "*";

/// Longest access key: that of AWS, which appears in every signature.
const MAX_ACCESS_KEY_BYTES: usize = 128;

/// Shortest secret. Anything shorter is guessed offline from one captured request.
const MIN_SECRET_BYTES: usize = 8;

/// Pairs that other programs ship with and everybody tries first.
const WELL_KNOWN: [(&str, &str); 2] = [("minioadmin", "minioadmin"), ("rustfsadmin", "rustfsadmin")];

const RESERVED: &str = "is reserved: the buckets of the configuration belong to it";

/// Where each access key and name was seen first.
#[derive(Default)]
struct Seen {
    access_keys: BTreeMap<String, String>,
    users: BTreeMap<String, String>,
}

pub(super) fn build(
    root: &Section,
    reserved: &[String],
    findings: &mut Findings,
) -> (Vec<BucketSettings>, Vec<UserSettings>) {
    let mut seen = Seen::default();
    let buckets = buckets(root.sections("buckets"), reserved, &mut seen, findings);
    let users: Vec<_> = root
        .sections("users")
        .iter()
        .filter_map(|section| user(section, &mut seen, findings))
        .collect();
    own_names(&seen, findings);
    if seen.access_keys.is_empty() && findings.problems.is_empty() {
        findings.warning(
            "users",
            "nobody can sign a request: there is neither a user nor a key of a bucket",
        );
    }
    (buckets, users)
}

fn buckets(
    sections: &[Section],
    reserved: &[String],
    seen: &mut Seen,
    findings: &mut Findings,
) -> Vec<BucketSettings> {
    let mut built: Vec<BucketSettings> = Vec::new();
    for section in sections {
        let credentials: Vec<_> = section
            .sections("credentials")
            .iter()
            .filter_map(|credential_section| credential(credential_section, seen, findings))
            .collect();
        let Some(text) = section.text("name") else {
            continue;
        };
        let path = section.path_of("name");
        match BucketName::new(text) {
            Err(invalid) => findings.problem(path, invalid_name(&invalid)),
            Ok(name) if reserved.iter().any(|reserved| reserved == name.as_str()) => findings.problem(
                path,
                "is a path that the S3 listener answers itself; choose another name",
            ),
            Ok(name) if built.iter().any(|other| other.name == name) => {
                findings.problem(path, "is the name of another bucket already");
            }
            Ok(name) => built.push(BucketSettings { name, credentials }),
        }
    }
    built
}

fn user(section: &Section, seen: &mut Seen, findings: &mut Findings) -> Option<UserSettings> {
    let allowed = allowed(section, findings);
    let creation = match (section.flag("create_buckets"), &allowed) {
        (Some(true), _) | (None, AllowedBuckets::All) => BucketCreation::Allowed,
        _ => BucketCreation::Denied,
    };
    let is_useless =
        |allowed: &AllowedBuckets| matches!(allowed, AllowedBuckets::Named(names) if names.is_empty());
    if is_useless(&allowed) && creation == BucketCreation::Denied && !has_problem_below(findings, section) {
        findings.problem(
            section.path_of("allowed_buckets"),
            "names no bucket (`*` stands for all), and the user may not create one",
        );
    }
    let credential = credential(section, seen, findings)?;
    let (name, path) = match section.text("name") {
        Some(name) => (name, section.path_of("name")),
        None if section.gives("name") => return None,
        None => (
            credential.access_key_id.as_str(),
            section.path_of("access_key_id"),
        ),
    };
    if name == OPERATOR {
        findings.problem(path, RESERVED);
        return None;
    }
    if let Some(first) = seen.users.insert(name.to_owned(), path.clone()) {
        findings.problem(path, format!("is the name of another user already, at {first}"));
        return None;
    }
    match PrincipalName::new(name) {
        Ok(name) => Some(UserSettings {
            name,
            credential,
            allowed,
            creation,
        }),
        Err(invalid) => {
            findings.problem(path, invalid_name(&invalid));
            None
        }
    }
}

/// A name owns buckets. A key without a user bears its own text as name, so no user may bear that.
fn own_names(seen: &Seen, findings: &mut Findings) {
    let given = |path: &&String| path.ends_with(".name");
    for (name, path) in seen.users.iter().filter(|(_, path)| given(path)) {
        let section = |path: &str| path.rsplit_once('.').map(|(section, _)| section.to_owned());
        if let Some(key) = seen.access_keys.get(name)
            && section(key) != section(path)
        {
            let message = format!("is the access key at {key}, which would own what this user owns");
            findings.problem(path, message);
        }
    }
}

fn has_problem_below(findings: &Findings, section: &Section) -> bool {
    section.is_wrong("allowed_buckets")
        || findings
            .problems
            .iter()
            .any(|problem| problem.path.starts_with(&section.path_of("allowed_buckets")))
}

fn allowed(section: &Section, findings: &mut Findings) -> AllowedBuckets {
    let texts = section.texts("allowed_buckets").unwrap_or_default();
    if texts.iter().any(|text| text == EVERY_BUCKET) {
        return AllowedBuckets::All;
    }
    let mut names = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let path = format!("{}[{index}]", section.path_of("allowed_buckets"));
        if text.contains('*') {
            findings.problem(
                path,
                "is a pattern; only `*` alone stands for more than one bucket",
            );
            continue;
        }
        match BucketName::new(text.to_ascii_lowercase()) {
            Ok(name) => names.push(name),
            Err(invalid) => findings.problem(path, invalid_name(&invalid)),
        }
    }
    AllowedBuckets::Named(names)
}

fn credential(section: &Section, seen: &mut Seen, findings: &mut Findings) -> Option<CredentialSettings> {
    let access_key = section.text("access_key_id");
    let secret = section.secret("secret_access_key");
    if let Some(access_key) = access_key {
        let path = section.path_of("access_key_id");
        if let Some(why) = wrong_access_key(access_key) {
            findings.problem(&path, why);
        } else if access_key == OPERATOR {
            findings.problem(&path, RESERVED);
        }
        if let Some(first) = seen.access_keys.get(access_key) {
            findings.problem(&path, format!("is used already, at {first}"));
        } else {
            seen.access_keys.insert(access_key.to_owned(), path);
        }
    }
    if let Some(why) = secret.and_then(wrong_secret) {
        findings.problem(section.path_of("secret_access_key"), why);
    }
    let (access_key, secret) = (access_key?, secret?);
    if WELL_KNOWN.contains(&(access_key, secret.expose())) {
        findings.problem(
            section.path_of("secret_access_key"),
            "is a pair that other programs ship with; draw your own",
        );
    }
    Some(CredentialSettings {
        access_key_id: access_key.to_owned(),
        secret_access_key: secret.clone(),
    })
}

/// An access key stands in headers and query strings, before a slash.
fn wrong_access_key(key: &str) -> Option<&'static str> {
    if key.len() > MAX_ACCESS_KEY_BYTES {
        return Some("has more than 128 bytes");
    }
    let fine = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b',' | b'=' | b'&');
    (!key.bytes().all(fine)).then_some("consists of visible ASCII without / , = &")
}

fn wrong_secret(secret: &Secret) -> Option<&'static str> {
    let text = secret.expose();
    if text.len() < MIN_SECRET_BYTES {
        return Some("has fewer than 8 bytes; `openssl rand -base64 30` makes a good one");
    }
    (text.trim() != text).then_some("begins or ends with white space")
}
