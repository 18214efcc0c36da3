//! `docs/reference/blob-format.md` against the code.

use std::fs;

use crate::Purpose;
use crate::footer::{
    MAX_BUCKET_NAME_LEN, MAX_ETAG_LEN, MAX_FOOTER_LEN, MAX_METADATA_ENTRIES, MAX_OBJECT_KEY_LEN,
    MAX_UPLOAD_ID_LEN, TRAILER_LEN, TRAILER_MAGIC,
};
use crate::frame::{HEADER_LEN, MAGIC};
use crate::kdf::label;
use crate::keys::{KEYRING_MAGIC, MAX_KEYRING_LEN};

/// The page from which the Python reader was written.
#[test]
fn the_format_page_names_every_label_and_magic() {
    let page = page();
    let own = [
        label::CHUNK_KEY,
        label::CHUNK_NONCE,
        label::COMMITMENT,
        label::FOOTER_KEY,
        label::WRAP_DATA_KEY,
        label::WRAP_BUCKET_KEY,
        label::WRAP_CHECK,
        label::MASTER_PROOF,
        label::KEYRING,
        label::CLUSTER_SECRET,
    ];
    for label in own.into_iter().chain(Purpose::ALL.map(Purpose::label)) {
        let (zero, text) = label.split_last().unwrap();
        let written = format!("{}\\0", std::str::from_utf8(text).unwrap());
        assert!(*zero == 0 && page.contains(&written), "{written}");
    }
    for magic in [MAGIC, TRAILER_MAGIC, KEYRING_MAGIC] {
        assert!(page.contains(std::str::from_utf8(&magic).unwrap()));
    }
}

#[test]
fn the_format_page_gives_the_limits_of_the_code() {
    let page = page();
    for written in [
        format!("header ({HEADER_LEN})"),
        format!("trailer ({TRAILER_LEN})"),
        format!("at most {} KiB long", MAX_FOOTER_LEN >> 10),
        format!("At most {} MiB", MAX_KEYRING_LEN >> 20),
        format!("1 to {MAX_BUCKET_NAME_LEN} bytes"),
        format!("1 to {MAX_OBJECT_KEY_LEN} bytes"),
        format!("1 to {MAX_UPLOAD_ID_LEN} bytes"),
        format!("at most {MAX_METADATA_ENTRIES}"),
        format!("up to {MAX_ETAG_LEN} bytes"),
    ] {
        assert!(page.contains(&written), "{written}");
    }
}

fn page() -> String {
    fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/reference/blob-format.md"
    ))
    .unwrap()
}
