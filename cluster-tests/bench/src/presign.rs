//! Presigned URLs (AWS Signature Version 4, query form), made before a measurement begins so that
//! no signature is computed while it runs.

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

/// What AWS leaves unescaped in a canonical query.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');
/// What AWS leaves unescaped in a canonical path.
const PATH: &AsciiSet = &QUERY.remove(b'/');
/// Validity of the URLs in seconds: longer than any measurement, within the protocol's seven days.
const EXPIRES: u32 = 86_400;

/// Signs requests of one access key for one host and one point in time.
pub(crate) struct Presigner {
    access_key: String,
    host: String,
    date: String,
    timestamp: String,
    key: [u8; 32],
}

impl Presigner {
    /// `timestamp` is the time of signing in the form `20260131T235959Z`.
    pub(crate) fn new(access_key: &str, secret_key: &str, host: &str, timestamp: &str) -> Presigner {
        let date = timestamp.get(..8).unwrap_or(timestamp).to_owned();
        let mut key = mac(format!("AWS4{secret_key}").as_bytes(), date.as_bytes());
        for step in ["us-east-1", "s3", "aws4_request"] {
            key = mac(&key, step.as_bytes());
        }
        Presigner {
            access_key: access_key.to_owned(),
            host: host.to_owned(),
            date,
            timestamp: timestamp.to_owned(),
            key,
        }
    }

    /// The request target (path and query) of `method` on `path` with the given query parameters.
    pub(crate) fn target(&self, method: &str, path: &str, parameters: &[(&str, &str)]) -> String {
        let path = utf8_percent_encode(path, PATH).to_string();
        let credential = format!("{}/{}/us-east-1/s3/aws4_request", self.access_key, self.date);
        let expires = EXPIRES.to_string();
        let mut query: Vec<(String, String)> = [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", credential.as_str()),
            ("X-Amz-Date", self.timestamp.as_str()),
            ("X-Amz-Expires", expires.as_str()),
            ("X-Amz-SignedHeaders", "host"),
        ]
        .iter()
        .chain(parameters)
        .map(|(name, value)| (escape(name), escape(value)))
        .collect();
        query.sort();
        let query = query
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect::<Vec<_>>()
            .join("&");
        let canonical = format!(
            "{method}\n{path}\n{query}\nhost:{}\n\nhost\nUNSIGNED-PAYLOAD",
            self.host
        );
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{}\n{}/us-east-1/s3/aws4_request\n{}",
            self.timestamp,
            self.date,
            hex::encode(Sha256::digest(canonical.as_bytes())),
        );
        let signature = hex::encode(mac(&self.key, to_sign.as_bytes()));
        format!("{path}?{query}&X-Amz-Signature={signature}")
    }
}

fn escape(text: &str) -> String {
    utf8_percent_encode(text, QUERY).to_string()
}

fn mac(key: &[u8], message: &[u8]) -> [u8; 32] {
    // HMAC takes keys of every length, so the fallback to an empty key is never used.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default()));
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the S3 documentation, "Authenticating Requests: Using Query Parameters".
    #[test]
    fn the_published_example_has_the_published_signature() {
        let signer = Presigner::new(
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "examplebucket.s3.amazonaws.com",
            "20130524T000000Z",
        );
        let target = signer.target("GET", "/test.txt", &[]);
        assert!(
            target.ends_with("aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"),
            "{target}"
        );
    }
}
