//! Where keys come from: files, configuration, nowhere else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{BUCKET, contents};
use node_crypto::frame::ChunkSize;
use node_crypto::keys::{
    InlineKey, KeyFileError, KeyFileProvider, KeyProvider, Keyring, LoadRequest, MasterKey, ProviderError,
    create_key_file, read_key_file,
};
use node_crypto::{BlobId, ClusterSecret, DomainId, Encryption, SecretKey, WeakKey};
use zeroize::Zeroizing;

fn key_file(dir: &Path, contents: &[u8], mode: u32) -> PathBuf {
    let path = dir.join("master.key");
    let _ = fs::remove_file(&path);
    fs::write(&path, contents).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

fn load(provider: &dyn KeyProvider) -> Result<MasterKey, ProviderError> {
    provider
        .load(LoadRequest {
            domain: DomainId([1; 16]),
            sealed: None,
        })
        .map(|loaded| {
            assert!(loaded.sealed.is_empty());
            loaded.key
        })
}

fn random_bytes() -> [u8; 32] {
    *MasterKey::generate().unwrap().expose()
}

#[test]
fn a_key_file_holds_32_raw_bytes_or_their_base64() {
    let dir = tempfile::tempdir().unwrap();
    let raw = random_bytes();
    let base64 = STANDARD.encode(raw);
    assert_eq!(base64.len(), 44);
    let forms = [
        raw.to_vec(),
        base64.clone().into_bytes(),
        // As `openssl rand 32 | base64` makes it: 45 bytes.
        format!("{base64}\n").into_bytes(),
        format!("{base64}\r\n").into_bytes(),
        format!("  {base64}\n\n").into_bytes(),
    ];
    for contents in forms {
        for mode in [0o600, 0o640, 0o400, 0o440] {
            let provider = KeyFileProvider::new(key_file(dir.path(), &contents, mode));
            assert_eq!(
                load(&provider).unwrap().expose(),
                &raw,
                "{} bytes, {mode:o}",
                contents.len()
            );
        }
    }
}

#[test]
fn a_key_file_that_others_may_touch_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for mode in [0o604, 0o644, 0o602, 0o601, 0o666, 0o777, 0o444] {
        let path = key_file(dir.path(), &random_bytes(), mode);
        let error = load(&KeyFileProvider::new(path)).unwrap_err();
        let expected = mode;
        assert!(
            matches!(error, ProviderError::File(KeyFileError::Mode { mode, .. }) if mode == expected),
            "{mode:o}: {error}"
        );
    }
}

#[test]
fn a_key_file_of_another_length_or_form_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let raw = random_bytes();
    let base64 = STANDARD.encode(raw);
    let unpadded = base64.trim_end_matches('=').to_owned();
    for contents in [
        Vec::new(),
        raw[..31].to_vec(),
        [&raw[..], b"\n"].concat(),
        STANDARD.encode(&raw[..31]).into_bytes(),
        STANDARD.encode([&raw[..], &[7]].concat()).into_bytes(),
        unpadded.into_bytes(),
        base64.replace('=', "").replace(['+', '/'], "-").into_bytes(),
        format!("{base64}\n{base64}\n").into_bytes(),
        hex::encode(raw).into_bytes(),
        vec![b'A'; 300],
        vec![b'\n'; 10_000],
    ] {
        let path = key_file(dir.path(), &contents, 0o600);
        let error = read_key_file(&path).unwrap_err();
        assert!(
            matches!(error, KeyFileError::Format(_)),
            "{} bytes: {error}",
            contents.len()
        );
        let shown = format!("{error} {error:?}");
        assert!(
            !shown.contains(&base64[..8]),
            "the error shows the file's contents"
        );
    }
}

#[test]
fn a_key_that_nobody_drew_is_refused_from_every_source() {
    let dir = tempfile::tempdir().unwrap();
    let counting: [u8; 32] = std::array::from_fn(|i| i as u8);
    for (weak, why) in [
        ([0; 32], WeakKey::Constant),
        ([0x55; 32], WeakKey::Constant),
        (counting, WeakKey::Sequence),
        (*b"0123456789abcdef0123456789abcdef", WeakKey::Text),
    ] {
        for contents in [weak.to_vec(), STANDARD.encode(weak).into_bytes()] {
            let error = read_key_file(&key_file(dir.path(), &contents, 0o600)).unwrap_err();
            assert!(
                matches!(error, KeyFileError::Weak { source, .. } if source == why),
                "{error}"
            );
        }
        let inline = InlineKey::new(Zeroizing::new(STANDARD.encode(weak)));
        assert!(matches!(load(&inline), Err(ProviderError::Weak(found)) if found == why));
        assert_eq!(MasterKey::new(&weak).err(), Some(why));
        assert!(matches!(ClusterSecret::new(&weak), Err(found) if found == why));
    }
}

#[test]
fn a_key_file_must_be_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("folder");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    assert!(matches!(read_key_file(&folder), Err(KeyFileError::NotAFile(_))));
    let missing = read_key_file(&dir.path().join("missing")).unwrap_err();
    assert!(matches!(missing, KeyFileError::Io { .. }));
    assert!(missing.to_string().contains("missing"));
    // Mounted secrets are links.
    let target = key_file(dir.path(), &random_bytes(), 0o640);
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(target, &link).unwrap();
    read_key_file(&link).unwrap();
}

#[test]
fn a_created_key_file_is_private_readable_and_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    create_key_file(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!((text.len(), text.ends_with('\n')), (45, true));
    let key = read_key_file(&path).unwrap();
    assert!(matches!(create_key_file(&path), Err(KeyFileError::Io { .. })));
    assert!(read_key_file(&path).unwrap() == key);
    let other = dir.path().join("other");
    create_key_file(&other).unwrap();
    assert!(read_key_file(&other).unwrap() != key);
}

#[test]
fn what_a_crash_left_of_a_key_file_stops_no_later_try_and_is_never_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    fs::write(dir.path().join("secret.tmp"), "c29tZQ").unwrap();
    create_key_file(&path).unwrap();
    read_key_file(&path).unwrap();
    let names: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["secret"]);
}

#[test]
fn the_inline_key_is_the_base64_of_32_bytes() {
    let raw = random_bytes();
    let inline = |text: &str| load(&InlineKey::new(Zeroizing::new(text.to_owned())));
    assert_eq!(inline(&STANDARD.encode(raw)).unwrap().expose(), &raw);
    assert_eq!(
        inline(&format!(" {}\n", STANDARD.encode(raw))).unwrap().expose(),
        &raw
    );
    for bad in [
        "",
        "AAAA",
        &STANDARD.encode(&raw[..31]),
        &STANDARD.encode([&raw[..], &raw].concat()),
        "not base64!",
    ] {
        assert!(matches!(inline(bad), Err(ProviderError::Inline)), "{bad}");
    }
}

#[test]
fn debug_output_shows_no_key() {
    let master = MasterKey::generate().unwrap();
    let secret = hex::encode(master.expose());
    let base64 = STANDARD.encode(master.expose());
    let contents = contents(&master);
    let inline = InlineKey::new(Zeroizing::new(base64.clone()));
    let cluster_secret = ClusterSecret::new(master.expose()).unwrap();
    let key = SecretKey::from_bytes(master.expose()).unwrap();
    let shown = format!("{master:?} {inline:?} {cluster_secret:?} {key:?}");
    let encryption = Encryption::Enabled(Arc::new(Keyring::unlock(&contents, &[master]).unwrap()));
    let sealer = encryption
        .sealer(BUCKET, BlobId([1; 16]), ChunkSize::MIN)
        .unwrap();
    let shown = format!("{shown} {encryption:?} {sealer:?}");
    assert!(!shown.contains(&base64) && !shown.contains(&secret), "{shown}");
    // Byte lists: no run of numbers longer than an id.
    assert!(!shown.contains("[1") && !shown.contains(", 1"), "{shown}");
}
