//! Requests that are not signed as they should be, and bodies that are not what was signed.

use http::{Method, Request};
use http_body_util::Full;

use super::{SIGNED_CHUNKS, UNSIGNED_CHUNKS, house, untouched};
use crate::support::ask::{ALICE, Ask, Payload, Signed, User, send};
use crate::support::{House, chunks};

/// Alice's key with a secret that is not hers.
const MALLORY: User = User {
    access_key: "AKALICE",
    secret: "a guess",
};

/// Every request that writes.
fn writes() -> Vec<Ask> {
    vec![
        Ask::put("/books/k", "new"),
        Ask::put("/arts", ""),
        Ask::delete("/books"),
        Ask::delete("/books/k"),
        Ask::post("/books?delete", "<Delete><Object><Key>k</Key></Object></Delete>").with_md5(),
        Ask::post("/books/k?uploads", ""),
        Ask::put("/books/k?partNumber=1&uploadId=u", "new"),
        Ask::post("/books/k?uploadId=u", "<CompleteMultipartUpload/>"),
        Ask::delete("/books/k?uploadId=u"),
    ]
}

/// Makes a body of chunks.
type Tamper = fn(Vec<Vec<u8>>) -> Vec<u8>;

/// A request in signed chunks of `pieces`, its body made by `tamper` of its chunks.
fn in_chunks(pieces: &[&[u8]], tamper: impl Fn(Vec<Vec<u8>>) -> Vec<u8>) -> Request<Full<bytes::Bytes>> {
    let length: usize = pieces.iter().map(|piece| piece.len()).sum();
    let ask = Ask::put("/books/k", "")
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", length.to_string())
        .payload(SIGNED_CHUNKS);
    let wire = |signed: &Signed| tamper(chunks::signed(signed, pieces));
    let length = wire(&ask.clone().sign(ALICE)).len();
    let mut ask = ask;
    ask.headers.insert("content-length", length.into());
    let signed = ask.sign(ALICE);
    let body = wire(&signed);
    let mut request = signed.request;
    *request.body_mut() = Full::new(body.into());
    request
}

#[tokio::test]
async fn sec_1_unsigned_chunks_do_not_stand_in_for_a_signature() {
    let house = house();
    let ask = || {
        Ask::put(
            "/books/k",
            chunks::unsigned(b"new", "x-amz-checksum-crc32:NhCmhg==\r\n"),
        )
        .header("x-amz-decoded-content-length", "3")
        .header("x-amz-trailer", "x-amz-checksum-crc32")
        .payload(UNSIGNED_CHUNKS)
    };
    ask()
        .by(&house, MALLORY)
        .await
        .expect_error(403, "SignatureDoesNotMatch");
    let anonymous = ask()
        .header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        .unsigned();
    let answer = send(&house.service, anonymous).await;
    assert!(answer.status == 403 || answer.status == 400, "{answer:?}");
    assert_eq!(house.gateway.state().pieces, 0);
    untouched(&house);
}

#[tokio::test]
async fn sec_2_every_write_refuses_every_wrong_way_to_sign() {
    let house = house();
    for index in 0..writes().len() {
        let ask = || writes().swap_remove(index);
        ask()
            .by(&house, MALLORY)
            .await
            .expect_error(403, "SignatureDoesNotMatch");
        send(&house.service, ask().unsigned())
            .await
            .expect_error(403, "AccessDenied");
        send(&house.service, ask().presign(MALLORY, "60"))
            .await
            .expect_error(403, "SignatureDoesNotMatch");
        // Credentials in the query, and a body that claims to be signed by header.
        for streaming in [
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        ] {
            let ask = ask()
                .header("x-amz-content-sha256", streaming)
                .header("x-amz-decoded-content-length", "3");
            let answer = send(&house.service, ask.presign(ALICE, "60")).await;
            assert_eq!(answer.status, 400, "{}", answer.text());
        }
        // Two mechanisms at once.
        let mut both = ask().presign(ALICE, "60");
        let header = ask().sign(ALICE).request.headers()["authorization"].clone();
        both.headers_mut().insert("authorization", header);
        let answer = send(&house.service, both).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        // Signature Version 2, by header and by query.
        let mut old = ask().unsigned();
        old.headers_mut()
            .insert("authorization", "AWS AKALICE:c2lnbmF0dXJl".parse().unwrap());
        assert_eq!(send(&house.service, old).await.status, 400);
    }
    assert!(house.gateway.state().calls.is_empty());
    untouched(&house);
}

#[tokio::test]
async fn sec_3_the_seed_of_a_chain_of_chunks_is_verified() {
    let house = house();
    let mut request = in_chunks(&[b"new"], |chunks| chunks.concat());
    let header = request.headers()["authorization"]
        .to_str()
        .unwrap()
        .replace("Signature=", "Signature=0");
    request
        .headers_mut()
        .insert("authorization", header.parse().unwrap());
    let answer = send(&house.service, request).await;
    assert!(answer.status == 403 || answer.status == 400);
    assert_eq!(house.gateway.state().pieces, 0);
    untouched(&house);
}

#[tokio::test]
async fn sec_4_a_chain_of_chunks_holds_or_nothing_is_stored() {
    let house = house();
    let pieces: [&[u8]; 2] = [b"hello ", b"world"];
    let tampers: [(&str, Tamper); 8] = [
        ("a byte changed", |mut chunks| {
            let at = chunks[0].len() - 3;
            chunks[0][at] ^= 1;
            chunks.concat()
        }),
        ("reordered", |mut chunks| {
            chunks.swap(0, 1);
            chunks.concat()
        }),
        ("one missing", |mut chunks| {
            chunks.remove(0);
            chunks.concat()
        }),
        ("the last one missing", |mut chunks| {
            chunks.pop();
            chunks.concat()
        }),
        ("cut short", |chunks| {
            let mut all = chunks.concat();
            all.truncate(all.len() - 10);
            all
        }),
        ("more behind the end", |chunks| {
            [chunks.concat(), b"extra".to_vec()].concat()
        }),
        ("one twice", |mut chunks| {
            chunks.insert(1, chunks[0].clone());
            chunks.concat()
        }),
        ("a size that is none", |mut chunks| {
            chunks[0][0] = b'z';
            chunks.concat()
        }),
    ];
    for (name, tamper) in tampers {
        let answer = send(&house.service, in_chunks(&pieces, tamper)).await;
        assert!(answer.status.is_client_error(), "{name}: {}", answer.text());
        assert_eq!(answer.header("connection"), Some("close"), "{name}");
        untouched(&house);
    }
    // The framing is never stored as data.
    for ask in [
        Ask::put("/books/k", chunks::unsigned(b"new", "")).header("content-encoding", "aws-chunked"),
        Ask::put("/books/k", chunks::unsigned(b"new", ""))
            .header("content-encoding", "aws-chunked")
            .payload(Payload::Literal("UNSIGNED-PAYLOAD")),
        Ask::put("/books/k", "new").header("x-amz-decoded-content-length", "3"),
    ] {
        ask.ask(&house).await.expect_error(400, "InvalidRequest");
    }
    untouched(&house);
    send(&house.service, in_chunks(&pieces, |chunks| chunks.concat()))
        .await
        .expect(200);
}

#[tokio::test]
async fn sec_5_a_body_that_fails_in_its_middle_leaves_the_old_object() {
    let house = house();
    let ask = Ask::put("/books/k", "new").payload(Payload::Literal(
        "0000000000000000000000000000000000000000000000000000000000000000",
    ));
    ask.ask(&house)
        .await
        .expect_error(400, "XAmzContentSHA256Mismatch");
    untouched(&house);
}

#[tokio::test]
async fn sec_6_a_trailer_is_the_one_announced_and_right() {
    let house = house();
    for (trailer, announced) in [
        ("x-amz-checksum-crc32:AAAAAA==\r\n", "x-amz-checksum-crc32"),
        ("", "x-amz-checksum-crc32"),
        ("x-amz-checksum-crc32c:mnG7TA==\r\n", "x-amz-checksum-crc32"),
        (
            "x-amz-checksum-crc32:NhCmhg==\r\nx-amz-checksum-crc32:NhCmhg==\r\n",
            "x-amz-checksum-crc32",
        ),
        (
            "x-amz-checksum-crc32:NhCmhg==\r\nx-amz-meta-a:b\r\n",
            "x-amz-checksum-crc32",
        ),
        ("x-amz-checksum-crc32 NhCmhg==\r\n", "x-amz-checksum-crc32"),
    ] {
        let answer = Ask::put("/books/k", chunks::unsigned(b"hello", trailer))
            .header("x-amz-decoded-content-length", "5")
            .header("x-amz-trailer", announced)
            .payload(UNSIGNED_CHUNKS)
            .ask(&house)
            .await;
        assert_eq!(answer.status, 400, "{trailer:?}: {}", answer.text());
        untouched(&house);
    }
}

#[tokio::test]
async fn sec_7_a_request_is_good_for_fifteen_minutes_and_one_region() {
    let house = house();
    let now = jiff::Timestamp::now();
    for seconds in [-16 * 60, 16 * 60, -86_400] {
        let at = now + jiff::SignedDuration::from_secs(seconds);
        Ask::put("/books/k", "new")
            .at(at)
            .ask(&house)
            .await
            .expect_error(403, "RequestTimeTooSkewed");
    }
    for seconds in [-14 * 60, 14 * 60] {
        let at = now + jiff::SignedDuration::from_secs(seconds);
        Ask::get("/books/k").at(at).ask(&house).await.expect(200);
    }
    let mut config = crate::support::config();
    config.region = Some("eu-west-1".to_owned());
    let strict = House::with(config);
    strict.gateway.add_bucket("books", "alice");
    Ask::get("/books")
        .ask(&strict)
        .await
        .expect_error(400, "AuthorizationHeaderMalformed");
    Ask::get("/books")
        .region("eu-west-1")
        .ask(&strict)
        .await
        .expect(200);
    untouched(&house);
}

#[tokio::test]
async fn sec_8_a_header_that_means_something_is_signed() {
    let house = house();
    for (name, value) in [
        ("x-amz-meta-a", "b"),
        ("x-amz-storage-class", "STANDARD"),
        ("x-amz-copy-source", "/books/k"),
    ] {
        let mut request = Ask::put("/books/k", "new").sign(ALICE).request;
        request
            .headers_mut()
            .insert(http::HeaderName::from_static(name), value.parse().unwrap());
        send(&house.service, request)
            .await
            .expect_error(403, "AccessDenied");
        let mut request = Ask::put("/books/k", "new").presign(ALICE, "60");
        request
            .headers_mut()
            .insert(http::HeaderName::from_static(name), value.parse().unwrap());
        send(&house.service, request)
            .await
            .expect_error(403, "AccessDenied");
    }
    let mut request = Ask::put("/books/k", "new")
        .header("x-amz-meta-a", "b")
        .sign(ALICE)
        .request;
    request.headers_mut().remove("x-amz-meta-a");
    assert_eq!(
        send(&house.service, request).await.status,
        403,
        "declared and absent"
    );
    untouched(&house);
}

#[tokio::test]
async fn sec_9_a_presigned_request_is_good_for_what_it_says() {
    let house = house();
    for expires in ["0", "-1", "604801", "99999999999999999999", "x", ""] {
        let answer = send(&house.service, Ask::get("/books/k").presign(ALICE, expires)).await;
        answer.expect_error(400, "AuthorizationQueryParametersError");
    }
    let old = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(120);
    send(&house.service, Ask::get("/books/k").at(old).presign(ALICE, "60"))
        .await
        .expect_error(403, "AccessDenied");
    let ahead = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(16 * 60);
    send(
        &house.service,
        Ask::get("/books/k").at(ahead).presign(ALICE, "60"),
    )
    .await
    .expect_error(403, "AccessDenied");

    let mut swapped = Ask::get("/books/k").presign(ALICE, "60");
    *swapped.method_mut() = Method::DELETE;
    send(&house.service, swapped)
        .await
        .expect_error(403, "SignatureDoesNotMatch");
    for extra in [
        "&response-content-type=text%2Fhtml",
        "&partNumber=1",
        "&x-amz-meta-a=b",
    ] {
        let mut request = Ask::get("/books/k").presign(ALICE, "60");
        *request.uri_mut() = format!("{}{extra}", request.uri()).parse().unwrap();
        send(&house.service, request)
            .await
            .expect_error(403, "SignatureDoesNotMatch");
    }
    let mut twice = Ask::get("/books/k").presign(ALICE, "60");
    *twice.uri_mut() = format!("{}&X-Amz-Signature=0", twice.uri()).parse().unwrap();
    assert_eq!(send(&house.service, twice).await.status, 400);
    untouched(&house);
}
