//! Trailers without signatures.

use api::port::{BodyError, ChecksumAlgorithm};

use crate::support::{
    SIGNED_TRAILER, Script, UNSIGNED_TRAILER, Upload, crc32c_line, frame_chunks, sign_chunks,
};

const DATA: &[u8] = b"hello world";

fn upload() -> Upload {
    Upload::chunked(UNSIGNED_TRAILER, DATA.len()).header("x-amz-trailer", "x-amz-checksum-crc32c")
}

async fn outcome(upload: &Upload, trailer: &str) -> Result<Option<ChecksumAlgorithm>, BodyError> {
    let body = frame_chunks(&[DATA], trailer);
    let outcome = upload.read(Script::of([&body])).await;
    let one_by_one = upload.read(Script::of(body.chunks(1))).await;
    assert_eq!(outcome.digests, one_by_one.digests, "{trailer:?}");
    outcome
        .digests
        .map(|digests| digests.checksum.map(|checksum| checksum.algorithm()))
}

#[tokio::test]
async fn the_announced_checksum_is_verified() {
    let line = crc32c_line(DATA);
    let good = Ok(Some(ChecksumAlgorithm::Crc32c));
    assert_eq!(outcome(&upload(), &format!("{line}\r\n")).await, good);
    let spaced = line.replace(':', ": ");
    assert_eq!(outcome(&upload(), &format!("{spaced}\r\n")).await, good);
    let upper = line.replace("x-amz-checksum-crc32c", "X-Amz-Checksum-CRC32C");
    assert_eq!(outcome(&upload(), &format!("{upper}\r\n")).await, good);
    let other = crc32c_line(b"hello w0rld");
    let mismatch = Err(BodyError::ChecksumMismatch(ChecksumAlgorithm::Crc32c));
    assert_eq!(outcome(&upload(), &format!("{other}\r\n")).await, mismatch);
}

#[tokio::test]
async fn sec_6_a_trailer_is_the_one_announced_and_there_once() {
    let line = crc32c_line(DATA);
    let malformed = Err(BodyError::MalformedTrailer);
    let wrong = [
        String::new(),
        format!("{line}\r\n{line}\r\n"),
        format!("{line}\r\nx-amz-meta-a:1\r\n"),
        "x-amz-checksum-crc32:AAAAAA==\r\n".to_owned(),
        "x-amz-checksum-crc32c:\r\n".to_owned(),
        "x-amz-checksum-crc32c:AAAA\r\n".to_owned(),
        "x-amz-checksum-crc32c\r\n".to_owned(),
        "x-amz-checksum-crc32c=AAAAAA==\r\n".to_owned(),
        format!(" {line}\r\n"),
        format!("{line} \r\n"),
        format!("{line}\t\n\r\n"),
        format!("{line}\r\nx-amz-trailer-signature:{}\r\n", "0".repeat(64)),
        format!("x-amz-checksum-crc32c:{}\r\n", "A".repeat(300)),
        ":\r\n".to_owned(),
        "\u{e9}:1\r\n".to_owned(),
    ];
    for trailer in &wrong {
        assert_eq!(outcome(&upload(), trailer).await, malformed, "{trailer:?}");
    }
    let unannounced = Upload::chunked(UNSIGNED_TRAILER, DATA.len());
    assert_eq!(outcome(&unannounced, &format!("{line}\r\n")).await, malformed);
    assert_eq!(
        outcome(&unannounced, "").await,
        Ok(None),
        "none is announced and none is there"
    );
}

#[tokio::test]
async fn lines_that_end_as_one_client_ends_them_are_read() {
    let line = crc32c_line(DATA);
    let good = Ok(Some(ChecksumAlgorithm::Crc32c));
    // LF CR LF, and the empty line after it, or not.
    assert_eq!(outcome(&upload(), &format!("{line}\n\r\n")).await, good);
    assert_eq!(outcome(&upload(), &format!("{line}\n")).await, good);
    // More than that is data after the end.
    let more = outcome(&upload(), &format!("{line}\n\r\n\r\n")).await;
    assert_eq!(more, Err(BodyError::MalformedChunk));
    let bare = upload()
        .read(Script::of([format!("b\r\nhello world\r\n0\r\n{line}\n\n")]))
        .await;
    assert_eq!(bare.digests, Err(BodyError::MalformedTrailer));
    let unfinished = upload()
        .read(Script::of([format!("b\r\nhello world\r\n0\r\n{line}\n")]))
        .await;
    assert_eq!(unfinished.digests, Err(BodyError::Incomplete));
}

#[tokio::test]
async fn a_signed_trailer_of_that_client_is_read_too() {
    let upload = Upload::chunked(SIGNED_TRAILER, DATA.len()).header("x-amz-trailer", "x-amz-checksum-crc32c");
    let line = crc32c_line(DATA);
    let body = String::from_utf8(sign_chunks(&upload.object().1, &[DATA], Some(&line))).unwrap();
    let variant = body.replace(&format!("{line}\r\n"), &format!("{line}\n\r\n"));
    assert_ne!(body, variant);
    assert!(upload.read(Script::of([&variant])).await.digests.is_ok());
    assert!(
        upload
            .read(Script::of(variant.as_bytes().chunks(1)))
            .await
            .digests
            .is_ok()
    );
    let early = &variant[..variant.find("x-amz-trailer-signature").unwrap()];
    assert_eq!(
        upload.read(Script::of([early])).await.digests,
        Err(BodyError::Incomplete)
    );
}
