//! Bytes of every kind: no panic, and nothing verified that was not signed.

use api::s3::auth::{AuthConfig, SigningKeys, parse};
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use proptest::prelude::*;

use crate::signer::{ACCESS_KEY, Draft, Sent, now, secret};

fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "authorization",
            "host",
            "date",
            "x-amz-date",
            "x-amz-content-sha256",
            "x-amz-meta-a",
            "x-amz-security-token",
        ])
        .prop_map(str::to_owned),
        "[a-z-]{1,12}",
    ]
}

fn values() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        "AWS4-HMAC-SHA256 [A-Za-z=/;, 0-9-]{0,80}".prop_map(String::into_bytes),
        "AWS4-HMAC-SHA256 Credential=[a-z/]{0,9}/20130524/[a-z]{0,4}/s3/aws4_request, \
         SignedHeaders=(host|date|x-amz-date|;){0,5}, Signature=[0-9a-f]{0,64}"
            .prop_map(String::into_bytes),
        Just(b"20130524T000000Z".to_vec()),
        Just(b"UNSIGNED-PAYLOAD".to_vec()),
    ]
}

fn targets() -> impl Strategy<Value = String> {
    prop_oneof![
        "/[ -~]{0,60}",
        any::<String>().prop_map(|text| format!("/{text}")),
        "/b\\?(X-Amz-(Algorithm|Credential|Date|Expires|SignedHeaders|Signature)=[ -~]{0,20}&){0,8}",
    ]
}

proptest! {
    #[test]
    fn sec_24_no_request_panics_and_none_is_verified_by_chance(
        target in targets(),
        headers in prop::collection::vec((names(), values()), 0..8),
    ) {
        let Ok(uri) = Uri::try_from(target) else { return Ok(()) };
        let mut request = Request::builder().method(Method::PUT).uri(uri).body(()).unwrap();
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                request.headers_mut().append(HeaderName::try_from(name).unwrap(), value);
            }
        }
        let (parts, ()) = request.into_parts();
        let keys = SigningKeys::new();
        match parse(&parts, &AuthConfig::default(), now()) {
            Ok(auth) => {
                let verified = auth.verify(Some(&secret()), &keys);
                prop_assert_eq!(verified.is_ok(), auth.access_key().is_none());
                let error = auth.verify(None, &keys).err();
                prop_assert_eq!(error.is_none(), auth.access_key().is_none());
                drop(error.map(|error| (error.to_string(), error.details(), error.code(), error.reason())));
            }
            Err(error) => drop((error.to_string(), error.details(), error.code(), error.reason())),
        }
    }

    /// One changed byte anywhere that is signed is noticed.
    #[test]
    fn a_changed_byte_is_refused(position in any::<prop::sample::Index>(), bit in 0u8..7, presigned in any::<bool>()) {
        let draft = Draft::new("PUT", "/bucket/key-of-an-object")
            .query("partNumber", "7")
            .header("x-amz-meta-colour", "ultramarine");
        let sent = if presigned { draft.presign("600") } else { draft.sign_header().0 };
        // All that is signed, in one string, with the signature itself.
        let mut fields: Vec<(Option<usize>, String)> = vec![(None, sent.target.clone())];
        fields.extend(sent.headers.iter().enumerate().map(|(index, (_, value))| (Some(index), value.clone())));
        let total: usize = fields.iter().map(|(_, text)| text.len()).sum();
        let mut position = position.index(total);
        let mut changed = sent.clone();
        for (header, text) in fields {
            if position >= text.len() {
                position -= text.len();
                continue;
            }
            let mut bytes = text.into_bytes();
            bytes[position] ^= 1 << bit;
            let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
            match header {
                None => changed.target = text,
                Some(index) => changed.headers[index].1 = text,
            }
            break;
        }
        let Ok(parts) = changed.try_parts() else { return Ok(()) };
        // The access key is not part of what is signed by header; it finds the secret.
        let secret = secret();
        let verified = parse(&parts, &AuthConfig::default(), now()).and_then(|auth| {
            let known = auth.access_key().filter(|key| *key == ACCESS_KEY).map(|_| &secret);
            auth.verify(known, &SigningKeys::new())
        });
        if means_the_same(&sent, &changed) {
            return Ok(());
        }
        // A request whose signature is no longer seen is anonymous, and has proved nothing.
        if let Ok(verified) = verified {
            prop_assert_eq!(verified.scheme, api::s3::auth::AuthScheme::Anonymous, "{:?}", changed);
        }
    }
}

/// Changes that alter the spelling and nothing else: the case of an escape, a blank between fields.
fn means_the_same(sent: &Sent, changed: &Sent) -> bool {
    let decoded = |sent: &Sent| {
        let plain =
            percent_encoding::percent_decode_str(&sent.target.replace('+', "%20")).collect::<Vec<u8>>();
        let headers: Vec<String> = sent
            .headers
            .iter()
            .map(|(name, value)| {
                if name == "authorization" {
                    value.replace(", ", ",")
                } else {
                    value.trim().to_owned()
                }
            })
            .collect();
        (plain, headers)
    };
    decoded(sent) == decoded(changed)
}
