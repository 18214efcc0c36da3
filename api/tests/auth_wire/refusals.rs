//! What is refused without asking whose key it is, and with which code.

use api::s3::ErrorCode;
use api::s3::auth::{AuthConfig, AuthError, AuthScheme, SigningKeys, parse};

use crate::signer::{ACCESS_KEY, Draft, EMPTY_SHA256, Sent, now, secret};

fn header() -> Sent {
    Draft::new("PUT", "/bucket/key")
        .header("x-amz-meta-a", "1")
        .sign_header()
        .0
}

fn presigned() -> Sent {
    Draft::new("PUT", "/bucket/key").presign("60")
}

fn anonymous() -> Sent {
    Sent::of(&Draft::new("PUT", "/bucket/key"))
}

fn verify(sent: &Sent) -> Result<AuthScheme, AuthError> {
    verify_with(sent, &AuthConfig::default())
}

fn verify_with(sent: &Sent, config: &AuthConfig) -> Result<AuthScheme, AuthError> {
    let parts = sent.parts();
    let auth = parse(&parts, config, now())?;
    auth.verify(Some(&secret()), &SigningKeys::new())
        .map(|verified| verified.scheme)
}

fn code(sent: &Sent) -> ErrorCode {
    verify(sent).expect_err("refused").code()
}

#[test]
fn each_mechanism_is_told_apart() {
    assert_eq!(verify(&header()), Ok(AuthScheme::Header));
    assert_eq!(verify(&presigned()), Ok(AuthScheme::Presigned));
    assert_eq!(verify(&anonymous()), Ok(AuthScheme::Anonymous));
}

#[test]
fn two_mechanisms_at_once_are_refused() {
    let authorization = header().headers.pop().expect("the last header").1;
    for both in [
        presigned().add("authorization", &authorization),
        header().replace("/bucket/key", "/bucket/key?X-Amz-Signature=00"),
        header().replace("/bucket/key", "/bucket/key?x-amz-credential=00"),
        header().replace("/bucket/key", "/bucket/key?X-Amz-Algorithm"),
        header().replace(
            "/bucket/key",
            "/bucket/key?AWSAccessKeyId=A&Signature=B&Expires=1",
        ),
    ] {
        assert_eq!(
            verify(&both),
            Err(AuthError::SeveralMechanisms),
            "{}",
            both.target
        );
        assert_eq!(code(&both), ErrorCode::InvalidArgument);
    }
}

#[test]
fn a_half_of_a_signature_never_makes_a_request_anonymous() {
    for name in [
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-SignedHeaders",
        "X-Amz-Signature",
    ] {
        let alone = anonymous().replace("/bucket/key", &format!("/bucket/key?{name}=x"));
        assert_eq!(
            code(&alone),
            ErrorCode::AuthorizationQueryParametersError,
            "{name} alone"
        );
        let streaming = alone.add("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
        assert_eq!(
            code(&streaming),
            ErrorCode::AuthorizationQueryParametersError,
            "{name}, streaming"
        );
        let missing = presigned().replace(&format!("{name}="), &format!("{}=", &name[2..]));
        assert_eq!(
            code(&missing),
            ErrorCode::AuthorizationQueryParametersError,
            "without {name}"
        );
        let lower = presigned().replace(name, &name.to_lowercase());
        assert_eq!(
            code(&lower),
            ErrorCode::AuthorizationQueryParametersError,
            "{name} in lower case"
        );
    }
}

#[test]
fn a_parameter_given_twice_is_refused() {
    for name in [
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-SignedHeaders",
        "X-Amz-Signature",
        "X-Amz-Content-Sha256",
    ] {
        let sent = presigned();
        for again in [name.to_owned(), name.to_lowercase()] {
            let twice = if name == "X-Amz-Content-Sha256" {
                format!("{}&{name}=UNSIGNED-PAYLOAD&{again}=UNSIGNED-PAYLOAD", sent.target)
            } else {
                format!("{}&{again}=x", sent.target)
            };
            assert_eq!(
                verify(&Sent {
                    target: twice,
                    ..sent.clone()
                }),
                Err(AuthError::DuplicateParameter(name))
            );
        }
    }
}

#[test]
fn other_mechanisms_are_refused_by_name() {
    let with = |value: &str| anonymous().add("authorization", value);
    assert_eq!(
        verify(&with("AWS AKIA:frJIUN8DYpKDtOLCwo//yllqDzg=")),
        Err(AuthError::VersionTwo)
    );
    let version_two = anonymous().replace(
        "/bucket/key",
        "/bucket/key?AWSAccessKeyId=A&Signature=B&Expires=1",
    );
    assert_eq!(verify(&version_two), Err(AuthError::VersionTwo));
    let ecdsa = header().replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256");
    assert_eq!(verify(&ecdsa), Err(AuthError::EcdsaNotImplemented));
    let ecdsa = presigned().replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256");
    assert_eq!(verify(&ecdsa), Err(AuthError::EcdsaNotImplemented));
    for other in [
        "",
        "Bearer abc",
        "Basic QTpC",
        "aws4-hmac-sha256 x",
        "AWS4-HMAC-SHA512 x",
        "AWS4-HMAC-SHA256x",
    ] {
        assert_eq!(verify(&with(other)), Err(AuthError::UnsupportedType), "{other:?}");
    }
    let other = presigned().replace(
        "X-Amz-Algorithm=AWS4-HMAC-SHA256",
        "X-Amz-Algorithm=AWS4-HMAC-SHA512",
    );
    assert_eq!(code(&other), ErrorCode::AuthorizationQueryParametersError);
}

#[test]
fn session_tokens_are_refused_whatever_else_is_there() {
    for sent in [header(), presigned(), anonymous()] {
        let sent = sent.add("x-amz-security-token", "token");
        assert_eq!(verify(&sent), Err(AuthError::SessionToken));
        assert_eq!(code(&sent), ErrorCode::InvalidToken);
    }
    let sent = presigned().replace("X-Amz-Date", "X-Amz-Security-Token=token&X-Amz-Date");
    assert_eq!(verify(&sent), Err(AuthError::SessionToken));
}

#[test]
fn an_authorization_header_is_read_strictly() {
    let good = header();
    let changes = [
        ("Credential=", "Credentials="),
        (", SignedHeaders=", ", Signed="),
        (", Signature=", ", Credential=x, Signature="),
        (", Signature=", ", Signature=00, Signature="),
        (", Signature=", ", Extra=1, Signature="),
        (", Signature=", ",, Signature="),
        (", Signature=", "; Signature="),
        ("/s3/aws4_request", "/s3"),
        ("/s3/aws4_request", "/sts/aws4_request"),
        ("/s3/aws4_request", "/s3/aws4_request2"),
        ("/us-east-1/", "//"),
        ("/us-east-1/", "/us east/"),
        (ACCESS_KEY, ""),
        ("SignedHeaders=host;", "SignedHeaders="),
        ("SignedHeaders=host;", "SignedHeaders=Host;"),
        ("SignedHeaders=host;", "SignedHeaders=;host;"),
        ("SignedHeaders=host;", "SignedHeaders=host;;"),
        ("SignedHeaders=host;", "SignedHeaders=host;host;"),
        (
            "host;x-amz-content-sha256;x-amz-date",
            "host;x-amz-date;x-amz-content-sha256",
        ),
        ("x-amz-meta-a,", "x-amz-meta-a;,"),
    ];
    for (from, to) in changes {
        let changed = good.clone().replace(from, to);
        let expected = match (from, to) {
            // That is a list, without the host.
            ("SignedHeaders=host;", "SignedHeaders=") => ErrorCode::AccessDenied,
            _ => ErrorCode::AuthorizationHeaderMalformed,
        };
        assert_eq!(code(&changed), expected, "{from:?} as {to:?}");
    }
    for blanks in [(", ", ","), (", ", " ,  ")] {
        assert_eq!(
            verify(&good.clone().replace(blanks.0, blanks.1)),
            Ok(AuthScheme::Header)
        );
    }
}

#[test]
fn a_signature_that_cannot_be_read_does_not_match() {
    for sent in [header(), presigned()] {
        let parameter = if sent.target.contains("X-Amz-Signature=") {
            "X-Amz-Signature="
        } else {
            "Signature="
        };
        let text = format!("{}{:?}", sent.target, sent.headers);
        let start = text.find(parameter).expect("signed") + parameter.len();
        let signature = &text[start..start + 64];
        for other in [
            "",
            "00",
            &signature[..63],
            &signature.to_uppercase(),
            &"0".repeat(64),
            &"g".repeat(64),
        ] {
            assert_eq!(
                code(&sent.clone().replace(signature, other)),
                ErrorCode::SignatureDoesNotMatch,
                "{other}"
            );
        }
    }
}

#[test]
fn headers_that_decide_something_are_given_once() {
    for name in ["authorization", "x-amz-date", "x-amz-content-sha256", "host"] {
        let sent = header();
        let value = sent
            .headers
            .iter()
            .find(|(given, _)| given == name)
            .expect("there")
            .1
            .clone();
        assert_eq!(
            verify(&sent.add(name, &value)),
            Err(AuthError::DuplicateHeader(name))
        );
    }
    let sent = presigned().add("host", "s3.example.com");
    assert_eq!(verify(&sent), Err(AuthError::DuplicateHeader("host")));
}

#[test]
fn sec_8_every_amazon_header_and_the_host_are_signed() {
    for (sent, host) in [
        (header(), "SignedHeaders=host;"),
        (presigned(), "X-Amz-SignedHeaders=host"),
    ] {
        for name in [
            "x-amz-copy-source",
            "x-amz-meta-b",
            "x-amz-acl",
            "x-amz-tagging",
            "x-amz-checksum-crc32",
        ] {
            let added = sent.clone().add(name, "x");
            assert_eq!(verify(&added), Err(AuthError::HeadersNotSigned(name.into())));
            assert_eq!(code(&added), ErrorCode::AccessDenied);
        }
        let without = sent
            .replace(host, &host.replace("host", "accept"))
            .add("accept", "*/*");
        assert!(matches!(verify(&without), Err(AuthError::HeadersNotSigned(names)) if &*names == "host"));
    }
    for name in [
        "content-type",
        "content-md5",
        "accept",
        "x-forwarded-for",
        "user-agent",
    ] {
        assert_eq!(
            verify(&header().add(name, "x")),
            Ok(AuthScheme::Header),
            "{name} need not be signed"
        );
    }
}

#[test]
fn sec_8_a_header_declared_as_signed_and_absent_is_refused() {
    let declared = header().replace(";x-amz-meta-a", ";x-amz-meta-a;x-amz-meta-b");
    assert_eq!(
        verify(&declared),
        Err(AuthError::SignedHeaderAbsent("x-amz-meta-b".into()))
    );
    assert_eq!(code(&declared), ErrorCode::AccessDenied);
    assert_eq!(code(&header().without("x-amz-meta-a")), ErrorCode::AccessDenied);
    let missing = presigned().replace(
        "X-Amz-SignedHeaders=host",
        "X-Amz-SignedHeaders=content-type%3Bhost",
    );
    assert_eq!(code(&missing), ErrorCode::AccessDenied);
    assert_eq!(verify(&header().without("host")), Err(AuthError::MissingHost));
    assert_eq!(verify(&header().set("host", "")), Err(AuthError::MissingHost));
}

#[test]
fn only_the_configured_region_is_served_when_one_is() {
    let here = AuthConfig {
        region: Some("us-east-1".into()),
    };
    let there = AuthConfig {
        region: Some("eu-central-1".into()),
    };
    for (sent, code) in [
        (header(), ErrorCode::AuthorizationHeaderMalformed),
        (presigned(), ErrorCode::AuthorizationQueryParametersError),
    ] {
        assert!(verify_with(&sent, &here).is_ok());
        let error = verify_with(&sent, &there).expect_err("another region");
        assert_eq!(error.code(), code);
        assert!(
            error
                .to_string()
                .contains("'us-east-1' is wrong; expecting 'eu-central-1'"),
            "{error}"
        );
        assert_eq!(error.details(), [("Region", "eu-central-1".to_owned())]);
    }
}

#[test]
fn a_payload_is_declared_in_one_of_the_known_ways() {
    assert_eq!(
        verify(&header().without("x-amz-content-sha256")),
        Err(AuthError::MissingContentSha256)
    );
    let wrong = [
        "",
        "unsigned-payload",
        "STREAMING-",
        "STREAMING-UNSIGNED-PAYLOAD",
        "abc",
        &EMPTY_SHA256[1..],
    ];
    for value in wrong {
        let refused = verify(&header().set("x-amz-content-sha256", value));
        assert_eq!(refused, Err(AuthError::InvalidContentSha256), "{value:?}");
        let refused = verify(&anonymous().set("x-amz-content-sha256", value));
        assert_eq!(
            refused,
            Err(AuthError::InvalidContentSha256),
            "{value:?}, anonymous"
        );
    }
    for ecdsa in [
        "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
        "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER",
    ] {
        let refused = verify(&header().set("x-amz-content-sha256", ecdsa));
        assert_eq!(refused, Err(AuthError::EcdsaNotImplemented));
        assert_eq!(refused.expect_err("refused").code(), ErrorCode::NotImplemented);
    }
}

#[test]
fn sec_2_chunks_need_a_signature_in_the_header() {
    for value in [
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    ] {
        let draft = Draft::new("PUT", "/bucket/key");
        assert_eq!(
            verify(&draft.clone().payload(value).sign_header().0),
            Ok(AuthScheme::Header)
        );
        let in_header = draft.clone().header("x-amz-content-sha256", value).presign("60");
        assert_eq!(verify(&in_header), Err(AuthError::StreamingNotSigned), "{value}");
        let in_query = draft.query("X-Amz-Content-Sha256", value).presign("60");
        assert_eq!(verify(&in_query), Err(AuthError::StreamingNotSigned), "{value}");
        let nobody = anonymous().add("x-amz-content-sha256", value);
        assert_eq!(verify(&nobody), Err(AuthError::StreamingNotSigned), "{value}");
    }
}

#[test]
fn a_presigned_payload_is_what_header_or_query_say_and_both_agree() {
    let signed = |draft: Draft| verify(&draft.presign("60"));
    let draft = Draft::new("PUT", "/bucket/key");
    assert_eq!(
        signed(draft.clone().header("x-amz-content-sha256", EMPTY_SHA256)),
        Ok(AuthScheme::Presigned)
    );
    let unsigned = draft.query("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD");
    assert_eq!(signed(unsigned.clone()), Ok(AuthScheme::Presigned));
    let contradiction = unsigned.header("x-amz-content-sha256", EMPTY_SHA256);
    assert_eq!(signed(contradiction), Err(AuthError::InvalidContentSha256));
}

#[test]
fn sec_1_a_bad_signature_is_refused_for_every_kind_of_payload() {
    for payload in [
        EMPTY_SHA256,
        "UNSIGNED-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    ] {
        for method in ["GET", "HEAD", "PUT", "POST", "DELETE"] {
            let (sent, signature) = Draft::new(method, "/bucket/key").payload(payload).sign_header();
            let flipped = if signature.starts_with('0') { '1' } else { '0' };
            let sent = sent.replace(&signature, &format!("{flipped}{}", &signature[1..]));
            assert_eq!(
                code(&sent),
                ErrorCode::SignatureDoesNotMatch,
                "{method} {payload}"
            );
        }
    }
}

#[test]
fn sec_9_a_presigned_request_is_good_for_one_method_path_and_query_only() {
    let good = Draft::new("GET", "/bucket/key")
        .query("response-content-type", "text/plain")
        .presign("60");
    assert_eq!(verify(&good), Ok(AuthScheme::Presigned));
    for method in ["PUT", "DELETE", "HEAD", "POST"] {
        let sent = Sent {
            method: method.to_owned(),
            ..good.clone()
        };
        assert_eq!(code(&sent), ErrorCode::SignatureDoesNotMatch, "{method}");
    }
    for (from, to) in [
        ("/bucket/key", "/bucket/key2"),
        ("text%2Fplain", "text%2Fhtml"),
        ("X-Amz-Expires=60", "X-Amz-Expires=61"),
        ("response-content-type=", "response-content-encoding="),
        ("us-east-1", "us-east-2"),
        ("X-Amz-Algorithm", "versionId=1&X-Amz-Algorithm"),
    ] {
        assert_eq!(
            code(&good.clone().replace(from, to)),
            ErrorCode::SignatureDoesNotMatch,
            "{to}"
        );
    }
}

#[test]
fn an_unknown_key_is_told_from_a_wrong_secret() {
    let sent = header();
    let parts = sent.parts();
    let auth = parse(&parts, &AuthConfig::default(), now()).expect("well-formed");
    let keys = SigningKeys::new();
    let error = auth.verify(None, &keys).expect_err("nobody's");
    assert_eq!(error, AuthError::InvalidAccessKeyId(ACCESS_KEY.into()));
    assert_eq!(error.details(), [("AWSAccessKeyId", ACCESS_KEY.to_owned())]);
    let wrong = api::port::SecretKey::new("another".to_owned());
    assert_eq!(
        auth.verify(Some(&wrong), &keys).expect_err("wrong").code(),
        ErrorCode::SignatureDoesNotMatch
    );
    assert!(
        auth.verify(Some(&secret()), &keys).is_ok(),
        "asking with another secret changes nothing"
    );
}

#[test]
fn a_signature_made_with_the_secret_of_unknown_keys_is_refused_too() {
    // Whatever stands in for the secret of a key that does not exist must open nothing.
    for guess in ["", "0000000000000000000000000000000000000000"] {
        let draft = Draft::new("GET", "/bucket/key").header("x-amz-date", crate::signer::DATE);
        let draft = draft.header("x-amz-content-sha256", EMPTY_SHA256);
        let key = crate::signer::signing_key(guess, crate::signer::DAY, crate::signer::REGION);
        let text = format!(
            "AWS4-HMAC-SHA256\n{}\n{}\n{}",
            crate::signer::DATE,
            crate::signer::scope(),
            crate::signer::sha256_hex(draft.canonical().as_bytes())
        );
        let signature = hex::encode(crate::signer::hmac(&key, text.as_bytes()));
        let (sent, genuine) = Draft::new("GET", "/bucket/key").sign_header();
        let sent = sent.replace(&genuine, &signature);
        let parts = sent.parts();
        let auth = parse(&parts, &AuthConfig::default(), now()).expect("well-formed");
        let refused = auth.verify(None, &SigningKeys::new()).expect_err("refused");
        assert_eq!(refused.code(), ErrorCode::InvalidAccessKeyId);
    }
}

#[test]
fn a_malformed_escape_is_refused() {
    for target in [
        "/bucket/%",
        "/bucket/%4",
        "/bucket/%zz",
        "/bucket?prefix=%",
        "/bucket?%f=1",
    ] {
        let (sent, _) = Draft::new("GET", "/bucket").sign_header();
        let sent = Sent {
            target: target.to_owned(),
            ..sent
        };
        assert_eq!(verify(&sent), Err(AuthError::MalformedUri), "{target}");
    }
}
