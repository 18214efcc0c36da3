//! A signer written straight from the specification, with implementations of SHA-256 and HMAC other
//! than those in use: slow, obvious, and the judge of the fast one.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use api::port::SecretKey;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::Request;
use http::request::Parts;
use sha2::{Digest as _, Sha256};

pub(crate) const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
pub(crate) const DATE: &str = "20130524T000000Z";
pub(crate) const DAY: &str = "20130524";
pub(crate) const REGION: &str = "us-east-1";
pub(crate) const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The time of [`DATE`].
pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_369_353_600)
}

pub(crate) fn secret() -> SecretKey {
    SecretKey::new(SECRET_KEY.to_owned())
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

pub(crate) fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

pub(crate) fn signing_key(secret: &str, day: &str, region: &str) -> Vec<u8> {
    let mut key = format!("AWS4{secret}").into_bytes();
    for step in [day, region, "s3", "aws4_request"] {
        key = hmac(&key, step.as_bytes());
    }
    key
}

pub(crate) fn scope() -> String {
    format!("{DAY}/{REGION}/s3/aws4_request")
}

/// The signature over a canonical request.
pub(crate) fn sign(canonical: &str) -> String {
    let text = format!(
        "AWS4-HMAC-SHA256\n{DATE}\n{}\n{}",
        scope(),
        sha256_hex(canonical.as_bytes())
    );
    hex::encode(hmac(&signing_key(SECRET_KEY, DAY, REGION), text.as_bytes()))
}

/// The signature of a chunk after `previous`.
pub(crate) fn sign_chunk(previous: &str, data: &[u8]) -> String {
    let text = format!(
        "AWS4-HMAC-SHA256-PAYLOAD\n{DATE}\n{}\n{previous}\n{EMPTY_SHA256}\n{}",
        scope(),
        sha256_hex(data)
    );
    hex::encode(hmac(&signing_key(SECRET_KEY, DAY, REGION), text.as_bytes()))
}

/// The signature of a trailer after `previous`.
pub(crate) fn sign_trailer(previous: &str, lines: &str) -> String {
    let text = format!(
        "AWS4-HMAC-SHA256-TRAILER\n{DATE}\n{}\n{previous}\n{}",
        scope(),
        sha256_hex(lines.as_bytes())
    );
    hex::encode(hmac(&signing_key(SECRET_KEY, DAY, REGION), text.as_bytes()))
}

/// Percent-encodes all but unreserved characters and, in a path, slashes.
pub(crate) fn encode(text: &str, keep_slash: bool) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if unreserved || (keep_slash && byte == b'/') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// A request to be signed. Fields say what is signed; what is sent may be changed afterwards.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) method: String,
    /// Encoded.
    pub(crate) path: String,
    /// Decoded names and values.
    pub(crate) query: Vec<(String, String)>,
    /// Names in lower case; `host` and the dates are added.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) payload: String,
}

impl Draft {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: Vec::new(),
            headers: vec![("host".to_owned(), "s3.example.com".to_owned())],
            payload: EMPTY_SHA256.to_owned(),
        }
    }

    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn payload(mut self, payload: &str) -> Self {
        self.payload = payload.to_owned();
        self
    }

    pub(crate) fn canonical_query(&self) -> String {
        let mut pairs: Vec<_> = self
            .query
            .iter()
            .map(|(name, value)| (encode(name, false), encode(value, false)))
            .collect();
        pairs.sort();
        pairs
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join("&")
    }

    /// The signed headers as a map from name to canonical value.
    pub(crate) fn canonical_headers(&self) -> BTreeMap<String, String> {
        let mut map: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in &self.headers {
            let folded = value
                .split([' ', '\t'])
                .filter(|word| !word.is_empty())
                .collect::<Vec<_>>()
                .join(" ");
            map.entry(name.to_lowercase()).or_default().push(folded);
        }
        map.into_iter()
            .map(|(name, values)| (name, values.join(",")))
            .collect()
    }

    pub(crate) fn canonical(&self) -> String {
        let headers = self.canonical_headers();
        let lines: String = headers
            .iter()
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();
        let names = headers.keys().cloned().collect::<Vec<_>>().join(";");
        format!(
            "{}\n{}\n{}\n{lines}\n{names}\n{}",
            self.method,
            self.path,
            self.canonical_query(),
            self.payload
        )
    }

    pub(crate) fn signed_headers(&self) -> String {
        self.canonical_headers().into_keys().collect::<Vec<_>>().join(";")
    }

    /// Signs by header. The answer is what is sent, and the signature.
    pub(crate) fn sign_header(mut self) -> (Sent, String) {
        let payload = self.payload.clone();
        self = self
            .header("x-amz-date", DATE)
            .header("x-amz-content-sha256", &payload);
        let signature = sign(&self.canonical());
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{}, SignedHeaders={}, Signature={signature}",
            scope(),
            self.signed_headers()
        );
        let mut sent = Sent::of(&self);
        sent.headers.push(("authorization".to_owned(), authorization));
        (sent, signature)
    }

    /// Signs by query.
    pub(crate) fn presign(mut self, expires: &str) -> Sent {
        self.payload = self
            .headers
            .iter()
            .find(|(name, _)| name == "x-amz-content-sha256")
            .map_or_else(|| "UNSIGNED-PAYLOAD".to_owned(), |(_, value)| value.clone());
        self = self
            .query("X-Amz-Algorithm", "AWS4-HMAC-SHA256")
            .query("X-Amz-Credential", &format!("{ACCESS_KEY}/{}", scope()))
            .query("X-Amz-Date", DATE)
            .query("X-Amz-Expires", expires);
        let names = self.signed_headers();
        self = self.query("X-Amz-SignedHeaders", &names);
        let signature = sign(&self.canonical());
        self = self.query("X-Amz-Signature", &signature);
        Sent::of(&self)
    }
}

/// A request on the wire.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Sent {
    pub(crate) fn of(draft: &Draft) -> Self {
        let query = draft.canonical_query();
        let target = if query.is_empty() {
            draft.path.clone()
        } else {
            format!("{}?{query}", draft.path)
        };
        Self {
            method: draft.method.clone(),
            target,
            headers: draft.headers.clone(),
        }
    }

    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(given, _)| given != name);
        self.add(name, value)
    }

    pub(crate) fn add(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(given, _)| given != name);
        self
    }

    pub(crate) fn replace(mut self, from: &str, to: &str) -> Self {
        let before = (self.target.clone(), self.headers.clone());
        self.target = self.target.replace(from, to);
        for (_, value) in &mut self.headers {
            *value = value.replace(from, to);
        }
        assert_ne!(
            before,
            (self.target.clone(), self.headers.clone()),
            "{from:?} is there"
        );
        self
    }

    pub(crate) fn parts(&self) -> Parts {
        self.try_parts().expect("a request that HTTP allows")
    }

    pub(crate) fn try_parts(&self) -> Result<Parts, http::Error> {
        let mut request = Request::builder().method(self.method.as_str()).uri(&self.target);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        Ok(request.body(())?.into_parts().0)
    }
}
