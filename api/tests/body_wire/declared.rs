//! What the head of a request says about its body.

use api::s3::ErrorCode;
use api::s3::auth::PayloadMode;
use api::s3::body::{BodyKind, BodySpec, SpecError, stored_content_encoding};
use http::Request;

use crate::support::{MAXIMUM, SIGNED, SIGNED_TRAILER, UNSIGNED, UNSIGNED_TRAILER, Upload};

fn spec(headers: &[(&str, &str)], kind: BodyKind) -> Result<BodySpec, SpecError> {
    let mut request = Request::builder().method("PUT").uri("/bucket/key");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let parts = request.body(()).unwrap().into_parts().0;
    BodySpec::parse(&parts, PayloadMode::Unsigned, kind, MAXIMUM)
}

fn object(headers: &[(&str, &str)]) -> Result<u64, SpecError> {
    spec(headers, BodyKind::Object).map(|spec| spec.length())
}

#[test]
fn an_object_has_a_length_before_its_first_byte() {
    assert_eq!(object(&[("content-length", "5")]), Ok(5));
    assert_eq!(object(&[]), Err(SpecError::MissingLength));
    assert_eq!(
        object(&[("transfer-encoding", "chunked")]),
        Err(SpecError::MissingLength)
    );
    assert_eq!(SpecError::MissingLength.code(), ErrorCode::MissingContentLength);
    let document = |headers: &[(&str, &str)]| spec(headers, BodyKind::Document).map(|spec| spec.length());
    assert_eq!(document(&[]), Ok(0), "neither header means no body");
    assert_eq!(
        document(&[("transfer-encoding", "chunked")]),
        Err(SpecError::MissingLength)
    );
}

#[test]
fn sec_38_a_length_is_written_in_digits_once() {
    for wrong in [
        "",
        "+5",
        "-5",
        "0x5",
        "5, 5",
        "5 5",
        "5.0",
        "18446744073709551616",
        "\u{665}",
    ] {
        let refused = object(&[("content-length", wrong)]);
        assert_eq!(
            refused,
            Err(SpecError::InvalidLength("content-length")),
            "{wrong:?}"
        );
        let upload = Upload::new(UNSIGNED_TRAILER).header("x-amz-decoded-content-length", wrong);
        assert_eq!(
            upload.refused(),
            SpecError::InvalidLength("x-amz-decoded-content-length"),
            "{wrong:?}"
        );
    }
    let twice = object(&[("content-length", "5"), ("content-length", "5")]);
    assert_eq!(twice, Err(SpecError::DuplicateHeader("content-length")));
}

#[test]
fn a_framed_body_has_a_decoded_length() {
    for payload in [SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER] {
        let upload = Upload::new(payload).header("content-length", "100");
        assert_eq!(upload.refused(), SpecError::MissingDecodedLength);
        assert_eq!(upload.refused().code(), ErrorCode::MissingContentLength);
        let upload = upload.header("x-amz-decoded-content-length", "7");
        assert_eq!(upload.object().0.length(), 7);
        let without_content_length = Upload::new(payload).header("x-amz-decoded-content-length", "7");
        assert_eq!(without_content_length.object().0.length(), 7);
    }
}

#[test]
fn sec_4_framing_that_nothing_announces_is_refused() {
    for encoding in [
        "aws-chunked",
        "AWS-Chunked",
        "gzip,aws-chunked",
        "aws-chunked , gzip",
        " aws-chunked",
    ] {
        let refused = object(&[("content-length", "5"), ("content-encoding", encoding)]);
        assert_eq!(refused, Err(SpecError::UnannouncedChunks), "{encoding:?}");
        let signed = Upload::whole(&"0".repeat(64), 5).header("content-encoding", encoding);
        assert_eq!(signed.refused(), SpecError::UnannouncedChunks, "{encoding:?}");
    }
    let two = [
        ("content-length", "5"),
        ("content-encoding", "gzip"),
        ("content-encoding", "aws-chunked"),
    ];
    assert_eq!(object(&two), Err(SpecError::UnannouncedChunks));
    let decoded = object(&[("content-length", "5"), ("x-amz-decoded-content-length", "5")]);
    assert_eq!(decoded, Err(SpecError::UnannouncedChunks));
    assert_eq!(SpecError::UnannouncedChunks.code(), ErrorCode::InvalidRequest);
    for encoding in ["gzip", "aws-chunkedx", "identity", ""] {
        assert_eq!(
            object(&[("content-length", "5"), ("content-encoding", encoding)]),
            Ok(5),
            "{encoding:?}"
        );
    }
}

#[test]
fn sec_43_more_than_allowed_is_refused_before_it_is_read() {
    assert_eq!(object(&[("content-length", &MAXIMUM.to_string())]), Ok(MAXIMUM));
    let length = MAXIMUM + 1;
    let too_large = SpecError::TooLarge {
        length,
        maximum: MAXIMUM,
    };
    assert_eq!(
        object(&[("content-length", &length.to_string())]),
        Err(too_large.clone())
    );
    let framed = Upload::new(SIGNED).header("x-amz-decoded-content-length", &length.to_string());
    assert_eq!(framed.refused(), too_large);
    assert_eq!(too_large.code(), ErrorCode::EntityTooLarge);
    assert_eq!(too_large.details()[1], ("MaxSizeAllowed", MAXIMUM.to_string()));
}

#[test]
fn a_signed_empty_payload_has_no_bytes() {
    let empty = crate::signer::EMPTY_SHA256;
    assert_eq!(Upload::whole(empty, 0).object().0.length(), 0);
    assert_eq!(Upload::whole(empty, 1).refused(), SpecError::NotEmpty);
    assert_eq!(SpecError::NotEmpty.code(), ErrorCode::XAmzContentSha256Mismatch);
}

#[test]
fn content_md5_is_the_base64_of_sixteen_bytes() {
    let with = |md5: &str| object(&[("content-length", "5"), ("content-md5", md5)]);
    assert_eq!(with("1B2M2Y8AsgTpgAmY7PhCfg=="), Ok(5));
    for wrong in [
        "",
        "YWJj",
        "1B2M2Y8AsgTpgAmY7PhCfg",
        "1B2M2Y8AsgTpgAmY7PhCf===",
        "d41d8cd98f00b204e9800998ecf8427e",
    ] {
        assert_eq!(with(wrong), Err(SpecError::InvalidMd5), "{wrong:?}");
    }
    assert_eq!(with(&"A".repeat(100_000)), Err(SpecError::InvalidMd5));
    assert_eq!(SpecError::InvalidMd5.code(), ErrorCode::InvalidDigest);
    let twice = [
        ("content-length", "5"),
        ("content-md5", "x"),
        ("content-md5", "x"),
    ];
    assert_eq!(object(&twice), Err(SpecError::DuplicateHeader("content-md5")));
}

#[test]
fn a_checksum_is_the_base64_of_its_bytes() {
    let cases = [
        ("x-amz-checksum-crc32", "AAAAAA==", "AAAAAAA="),
        ("x-amz-checksum-crc32c", "AAAAAA==", "AAAA"),
        ("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=", "AAAAAA=="),
        (
            "x-amz-checksum-sha1",
            "2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
            "2jmj7l5rSw0yVb/vlWAYkK/YBw",
        ),
        (
            "x-amz-checksum-sha256",
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "not base64",
        ),
    ];
    for (name, right, wrong) in cases {
        assert_eq!(object(&[("content-length", "0"), (name, right)]), Ok(0), "{name}");
        for wrong in [wrong, "", "====", &"A".repeat(1000)] {
            let refused = object(&[("content-length", "0"), (name, wrong)]).expect_err("refused");
            assert!(matches!(refused, SpecError::InvalidChecksum(algorithm) if algorithm.header() == name));
            assert_eq!(refused.code(), ErrorCode::InvalidRequest);
        }
    }
}

#[test]
fn there_is_one_checksum_and_it_is_known() {
    let crc32 = ("x-amz-checksum-crc32", "AAAAAA==");
    let length = ("content-length", "0");
    let several = Err(SpecError::SeveralChecksums);
    assert_eq!(
        object(&[length, crc32, ("x-amz-checksum-crc32c", "AAAAAA==")]),
        several
    );
    assert_eq!(object(&[length, crc32, crc32]), several);
    let unknown = object(&[length, ("x-amz-checksum-xxhash64", "AAAAAAAAAAA=")]).expect_err("unknown");
    assert_eq!(
        unknown,
        SpecError::UnknownChecksum("x-amz-checksum-xxhash64".into())
    );
    assert_eq!(unknown.code(), ErrorCode::NotImplemented);
    for harmless in [
        "x-amz-checksum-mode",
        "x-amz-checksum-type",
        "x-amz-checksum-algorithm",
    ] {
        assert_eq!(
            object(&[length, crc32, (harmless, "ENABLED")]),
            Ok(0),
            "{harmless}"
        );
    }
    let upload = Upload::chunked(UNSIGNED_TRAILER, 0).header("x-amz-trailer", "x-amz-checksum-crc32c");
    assert_eq!(
        upload.header(crc32.0, crc32.1).refused(),
        SpecError::SeveralChecksums
    );
    let moved = Upload::whole(UNSIGNED, 0)
        .header(crc32.0, crc32.1)
        .query("x-amz-checksum-sha1", "x");
    assert!(matches!(moved.refused(), SpecError::InvalidChecksum(_)));
    let moved = Upload::whole(UNSIGNED, 0)
        .header(crc32.0, crc32.1)
        .query(crc32.0, crc32.1);
    assert_eq!(moved.refused(), SpecError::SeveralChecksums);
}

#[test]
fn a_hint_without_a_checksum_is_only_a_hint() {
    for hint in ["CRC32", "", "MD2", "SHA256"] {
        let headers = [("content-length", "5"), ("x-amz-sdk-checksum-algorithm", hint)];
        let spec = spec(&headers, BodyKind::Object).unwrap();
        assert!(!spec.has_integrity(), "{hint:?}");
    }
    let vouched = spec(
        &[("content-length", "0"), ("x-amz-checksum-crc32", "AAAAAA==")],
        BodyKind::Document,
    );
    assert!(vouched.unwrap().has_integrity());
}

#[test]
fn sec_6_a_trailer_is_announced_where_one_can_be() {
    let trailer = |payload: &str, value: &str| {
        Upload::new(payload)
            .header("content-length", "100")
            .header("x-amz-decoded-content-length", "5")
            .header("x-amz-trailer", value)
            .spec(BodyKind::Object)
            .0
            .err()
    };
    for payload in [SIGNED_TRAILER, UNSIGNED_TRAILER] {
        assert_eq!(trailer(payload, "x-amz-checksum-crc32"), None);
        assert_eq!(trailer(payload, " X-Amz-Checksum-CRC32 "), None);
        assert_eq!(trailer(payload, "x-amz-meta-a"), Some(SpecError::InvalidTrailer));
        assert_eq!(trailer(payload, ""), Some(SpecError::InvalidTrailer));
        assert_eq!(
            trailer(payload, "x-amz-checksum-mode"),
            Some(SpecError::InvalidTrailer)
        );
        let unknown = SpecError::UnknownChecksum("x-amz-checksum-sha512".into());
        assert_eq!(trailer(payload, "x-amz-checksum-sha512"), Some(unknown));
        let two = "x-amz-checksum-crc32,x-amz-checksum-sha1";
        assert_eq!(trailer(payload, two), Some(SpecError::SeveralChecksums));
    }
    assert_eq!(
        trailer(SIGNED, "x-amz-checksum-crc32"),
        Some(SpecError::UnexpectedTrailer)
    );
    let whole = Upload::whole(UNSIGNED, 5).header("x-amz-trailer", "x-amz-checksum-crc32");
    assert_eq!(whole.refused(), SpecError::UnexpectedTrailer);
}

#[test]
fn checksums_of_a_completion_are_about_the_object() {
    let headers = [
        ("content-length", "5"),
        ("x-amz-checksum-crc32", "AAAAAA=="),
        ("x-amz-checksum-xxhash64", "AAAAAAAAAAA="),
    ];
    let spec = spec(&headers, BodyKind::Completion).unwrap();
    assert!(!spec.has_integrity());
}

#[test]
fn a_stored_coding_is_one_of_the_object() {
    for (sent, stored) in [
        ("", None),
        ("aws-chunked", None),
        ("aws-chunked,", None),
        ("aws-chunked,gzip", Some("gzip")),
        ("gzip, AWS-chunked", Some("gzip")),
        ("br,aws-chunked,gzip", Some("br,gzip")),
        ("gzip, é", Some("gzip,é")),
    ] {
        assert_eq!(stored_content_encoding(sent).as_deref(), stored, "{sent}");
    }
}
