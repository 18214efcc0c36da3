//! Bodies in `aws-chunked` framing.

use aws_lc_rs::digest::{SHA256, digest};

use super::ask::{Signed, mac};

/// One chunk of `data`, the last chunk and `trailer`, all without signatures.
pub(crate) fn unsigned(data: &[u8], trailer: &str) -> Vec<u8> {
    let mut body = Vec::new();
    if !data.is_empty() {
        body.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
        body.extend_from_slice(data);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n");
    body.extend_from_slice(trailer.as_bytes());
    body.extend_from_slice(b"\r\n");
    body
}

/// The chunks of `pieces` and the last one, each signed in the chain that `signed` begins.
pub(crate) fn signed(signed: &Signed, pieces: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut previous = signed.signature.clone();
    pieces
        .iter()
        .copied()
        .chain([&[] as &[u8]])
        .map(|data| {
            let string = format!(
                "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{previous}\n{}\n{}",
                signed.date,
                signed.scope,
                hex::encode(digest(&SHA256, b"")),
                hex::encode(digest(&SHA256, data)),
            );
            previous = hex::encode(mac(&signed.key, string.as_bytes()));
            let mut chunk = format!("{:x};chunk-signature={previous}\r\n", data.len()).into_bytes();
            chunk.extend_from_slice(data);
            chunk.extend_from_slice(b"\r\n");
            chunk
        })
        .collect()
}
