//! What lies on the disk, and what in a directory must not fool the backend.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use node_backend::fs::{FsBackend, FsOptions, RootPolicy};
use node_backend::{
    Backend, BackendKey, Body, Class, ErrorKind, GetOptions, KeyPrefix, ListRequest, Listing, PutMode,
    PutOptions, Target,
};
use raft_types::BackendName;
use tempfile::TempDir;

const ATTEMPT: &str = ".holdfast/ns/1/0000ab00112233445566778899aabbcc-00000001";
const ON_DISK: &str = ".holdfast/ns/1/0000ab/0000ab00112233445566778899aabbcc-00000001";

struct Place {
    backend: FsBackend,
    root: PathBuf,
    outside: PathBuf,
    _folder: TempDir,
}

async fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let (root, outside) = (folder.path().join("data"), folder.path().join("outside"));
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "not for us").unwrap();
    let backend = open(&root, RootPolicy::Create).await.unwrap();
    Place {
        backend,
        root,
        outside,
        _folder: folder,
    }
}

async fn open(root: &Path, policy: RootPolicy) -> node_backend::Result<FsBackend> {
    let options = FsOptions {
        path: root.to_owned(),
        root: policy,
    };
    FsBackend::open(BackendName::new("b").unwrap(), options).await
}

fn key(text: &str) -> BackendKey {
    BackendKey::parse(text).unwrap()
}

fn body(length: usize) -> Body {
    Body::from_bytes(Bytes::from(vec![7; length]))
}

async fn put(place: &Place, text: &str) {
    place
        .backend
        .put(&key(text), body(10), PutOptions::default())
        .await
        .unwrap();
}

async fn listed(place: &Place, listing: Listing) -> Vec<String> {
    let request = ListRequest::first(listing, KeyPrefix::root());
    let page = place.backend.list(&request).await.unwrap();
    assert!(page.next.is_none());
    page.entries.into_iter().map(|entry| entry.key).collect()
}

/// Every file and folder below the root.
fn tree(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            found.push(
                entry
                    .path()
                    .strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned(),
            );
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn an_attempt_lies_in_its_fan_folder_and_nothing_else_is_left_beside_it() {
    let place = place().await;
    put(&place, ATTEMPT).await;
    put(&place, ".holdfast/identity").await;
    assert_eq!(
        tree(&place.root),
        [
            ".holdfast",
            ".holdfast/identity",
            ".holdfast/ns",
            ".holdfast/ns/1",
            ".holdfast/ns/1/0000ab",
            ON_DISK,
        ]
    );
    assert_eq!(
        listed(&place, Listing::Objects).await,
        [".holdfast/identity", ATTEMPT]
    );
}

#[tokio::test]
async fn files_and_folders_are_for_the_owner_alone() {
    let place = place().await;
    put(&place, ATTEMPT).await;
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&place.root), 0o700);
    for path in tree(&place.root) {
        let path = place.root.join(path);
        assert_eq!(
            mode(&path),
            if path.is_dir() { 0o700 } else { 0o600 },
            "{}",
            path.display()
        );
    }
}

#[tokio::test]
async fn a_missing_directory_is_an_error_unless_it_may_be_made() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("not/there/yet");
    let error = open(&root, RootPolicy::MustExist).await.unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
    assert!(!folder.path().join("not").exists());

    open(&root, RootPolicy::Create).await.unwrap();
    open(&root, RootPolicy::Create).await.unwrap();
    open(&root, RootPolicy::MustExist).await.unwrap();

    fs::write(folder.path().join("file"), "").unwrap();
    for policy in [RootPolicy::MustExist, RootPolicy::Create] {
        assert!(open(&folder.path().join("file"), policy).await.is_err());
    }
}

#[tokio::test]
async fn no_symbolic_link_is_followed_out_of_the_directory() {
    let place = place().await;
    put(&place, "here/ours").await;
    symlink(&place.outside, place.root.join("folder")).unwrap();
    symlink(place.outside.join("secret"), place.root.join("file")).unwrap();
    symlink(place.outside.join("new"), place.root.join("dangling")).unwrap();
    symlink("here", place.root.join("inside")).unwrap();

    for name in ["folder/secret", "file", "dangling", "inside/ours"] {
        let got = place
            .backend
            .get(&key(name), GetOptions::default())
            .await
            .unwrap_err();
        let headed = place.backend.head(&key(name)).await.unwrap_err();
        for error in [got, headed] {
            assert_eq!(error.class(), Class::Suspect, "{name}: {error:?}");
        }
    }
    for name in ["folder/new", "folder/deep/new", "inside/new"] {
        let error = place
            .backend
            .put(&key(name), body(10), PutOptions::default())
            .await
            .unwrap_err();
        assert!(
            matches!(error.class(), Class::Elsewhere | Class::Caller),
            "{name}: {error:?}"
        );
    }
    for (name, mode) in [("file", PutMode::Create), ("dangling", PutMode::Create)] {
        let options = PutOptions { mode, checksum: None };
        let error = place
            .backend
            .put(&key(name), body(10), options)
            .await
            .unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::AlreadyExists),
            "{name}: {error:?}"
        );
    }
    let through = ["folder/secret", "inside/ours"].map(|name| Target::current(key(name)));
    let _ = place.backend.delete(&through).await.unwrap();
    place
        .backend
        .tidy(&KeyPrefix::parse("folder").unwrap())
        .await
        .unwrap();

    assert_eq!(listed(&place, Listing::Objects).await, ["here/ours"]);
    assert_eq!(tree(&place.outside), ["secret"]);
    assert_eq!(
        fs::read_to_string(place.outside.join("secret")).unwrap(),
        "not for us"
    );
}

#[tokio::test]
async fn replacing_a_link_replaces_the_link_and_not_what_it_points_at() {
    let place = place().await;
    fs::create_dir(place.root.join(".holdfast")).unwrap();
    symlink(place.outside.join("secret"), place.root.join(".holdfast/probe")).unwrap();
    let replace = PutOptions {
        mode: PutMode::Replace,
        checksum: None,
    };
    place
        .backend
        .put(&key(".holdfast/probe"), body(10), replace)
        .await
        .unwrap();
    assert_eq!(
        fs::read_to_string(place.outside.join("secret")).unwrap(),
        "not for us"
    );
    assert_eq!(
        place.backend.head(&key(".holdfast/probe")).await.unwrap().size,
        10
    );
}

#[tokio::test]
async fn what_has_no_key_is_neither_listed_nor_touched() {
    let place = place().await;
    put(&place, ATTEMPT).await;
    let epoch = place.root.join(".holdfast/ns/1");
    // An attempt outside its folder, a file that is not one in it, names that are not text, a pipe.
    fs::write(epoch.join("0000ab00112233445566778899aabbcc-00000002"), "stray").unwrap();
    fs::write(
        epoch.join("0000ab/0000cc00112233445566778899aabbcc-00000002"),
        "stray",
    )
    .unwrap();
    let not_text = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xff\xfe");
    fs::write(epoch.join(not_text), "stray").unwrap();
    std::os::unix::net::UnixListener::bind(epoch.join("socket")).unwrap();

    assert_eq!(listed(&place, Listing::Objects).await, [ATTEMPT]);
    let target = Target::current(key(ATTEMPT));
    place.backend.delete(&[target]).await.unwrap().remove(0).unwrap();
    place
        .backend
        .tidy(&KeyPrefix::parse(".holdfast/ns/1").unwrap())
        .await
        .unwrap();
    assert!(listed(&place, Listing::Objects).await.is_empty());
    for stray in [
        epoch.join("0000ab00112233445566778899aabbcc-00000002"),
        epoch.join("0000ab/0000cc00112233445566778899aabbcc-00000002"),
        epoch.join(not_text),
        epoch.join("socket"),
    ] {
        assert!(stray.exists(), "{}", stray.display());
    }
    let stray = key(".holdfast/ns/1/0000ab00112233445566778899aabbcc-00000002");
    assert!(place.backend.head(&stray).await.unwrap_err().is_not_found());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipe_or_a_socket_in_the_place_of_a_body_blocks_nobody() {
    let place = place().await;
    let path = place.root.join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    let backend = std::sync::Arc::new(place.backend);
    let reader = std::sync::Arc::clone(&backend);
    let reading = tokio::spawn(async move { reader.get(&key("pipe"), GetOptions::default()).await });
    let got = tokio::time::timeout(Duration::from_secs(30), reading).await;
    // Frees a reader that waits, so that the failure shows instead of hanging.
    let _writer = fs::File::options().read(true).write(true).open(&path).unwrap();
    let error = got.expect("it waits for a writer").unwrap().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Corrupt { .. }), "{error:?}");
    let request = ListRequest::first(Listing::Objects, KeyPrefix::root());
    assert!(backend.list(&request).await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn a_put_that_a_crash_cut_off_is_listed_as_incomplete_and_can_be_deleted() {
    let place = place().await;
    put(&place, ATTEMPT).await;
    let tag = "0123456789abcdef0123456789abcdef";
    let name = "0000ab00112233445566778899aabbcc-00000002";
    let temp = place
        .root
        .join(format!(".holdfast/ns/1/0000ab/.{name}.{tag}.tmp"));
    fs::write(&temp, "half of").unwrap();
    fs::write(place.root.join(format!(".identity.{tag}.tmp")), "x").unwrap();

    let request = ListRequest::first(Listing::Incomplete, KeyPrefix::parse(".holdfast/ns/1").unwrap());
    let page = place.backend.list(&request).await.unwrap();
    let [entry] = page.entries.as_slice() else {
        panic!("{page:?}")
    };
    assert_eq!(
        (entry.key.as_str(), entry.size),
        (&*format!(".holdfast/ns/1/{name}"), 7)
    );
    assert_eq!(listed(&place, Listing::Objects).await, [ATTEMPT]);
    assert_eq!(
        listed(&place, Listing::Incomplete).await,
        [entry.key.as_str(), "identity"]
    );

    place
        .backend
        .delete(&[entry.target().unwrap()])
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    assert!(!temp.exists());
    assert_eq!(listed(&place, Listing::Objects).await, [ATTEMPT]);
}

#[tokio::test]
async fn a_key_named_like_a_temporary_file_is_refused() {
    let place = place().await;
    let odd = key(&format!("a/.x.{}.tmp", "0".repeat(32)));
    let error = place
        .backend
        .put(&odd, body(1), PutOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Invalid { .. }), "{error:?}");
    assert!(place.backend.head(&odd).await.unwrap_err().is_not_found());
    assert!(tree(&place.root).is_empty());
}

#[tokio::test]
async fn a_body_and_a_folder_of_one_name_exclude_each_other() {
    let place = place().await;
    put(&place, "a/b").await;
    let error = place
        .backend
        .put(&key("a"), body(1), PutOptions::default())
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Caller);
    let error = place
        .backend
        .put(&key("a/b/c"), body(1), PutOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Invalid { .. }), "{error:?}");
    place
        .backend
        .delete(&[Target::current(key("a"))])
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    assert_eq!(tree(&place.root), ["a", "a/b"]);
}

#[tokio::test]
async fn tidying_removes_the_empty_folders_of_an_epoch_and_only_those() {
    let place = place().await;
    let other_epoch = ATTEMPT.replace("/1/", "/2/");
    put(&place, ATTEMPT).await;
    put(&place, &other_epoch).await;
    let epoch = KeyPrefix::parse(".holdfast/ns/1").unwrap();
    place.backend.tidy(&epoch).await.unwrap();
    assert!(place.root.join(ON_DISK).exists());

    place
        .backend
        .delete(&[Target::current(key(ATTEMPT))])
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    place.backend.tidy(&epoch).await.unwrap();
    assert!(!place.root.join(".holdfast/ns/1").exists());
    assert_eq!(listed(&place, Listing::Objects).await, [other_epoch.as_str()]);
    let error = place.backend.tidy(&KeyPrefix::root()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Invalid { .. }), "{error:?}");

    // The folders are made again for a late put.
    put(&place, ATTEMPT).await;
    assert!(place.root.join(ON_DISK).exists());
}

#[tokio::test]
async fn a_folder_that_somebody_removed_is_made_again() {
    let place = place().await;
    for _ in 0..3 {
        put(&place, ATTEMPT).await;
        fs::remove_dir_all(place.root.join(".holdfast")).unwrap();
    }
    put(&place, ATTEMPT).await;
    assert_eq!(listed(&place, Listing::Objects).await, [ATTEMPT]);
}

#[tokio::test]
async fn two_backends_on_one_directory_see_the_same_bodies() {
    let place = place().await;
    let twin = open(&place.root, RootPolicy::MustExist).await.unwrap();
    put(&place, ATTEMPT).await;
    let error = twin
        .put(&key(ATTEMPT), body(10), PutOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::AlreadyExists), "{error:?}");
    twin.delete(&[Target::current(key(ATTEMPT))])
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    twin.tidy(&KeyPrefix::parse(".holdfast").unwrap()).await.unwrap();
    assert!(
        place
            .backend
            .head(&key(ATTEMPT))
            .await
            .unwrap_err()
            .is_not_found()
    );
    put(&place, ATTEMPT).await;
    assert_eq!(twin.head(&key(ATTEMPT)).await.unwrap().size, 10);
}

#[tokio::test]
async fn a_file_that_became_shorter_while_it_is_read_is_corrupt() {
    let place = place().await;
    place
        .backend
        .put(&key("long"), body(4 << 20), PutOptions::default())
        .await
        .unwrap();
    let mut download = place
        .backend
        .get(&key("long"), GetOptions::default())
        .await
        .unwrap();
    download.body.next().await.unwrap().unwrap();
    let file = fs::File::options()
        .write(true)
        .open(place.root.join("long"))
        .unwrap();
    file.set_len(300_000).unwrap();
    let error = download.body.collect().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Corrupt { .. }), "{error:?}");
}

#[tokio::test]
async fn nothing_stays_reserved_beyond_the_length_of_a_body() {
    let place = place().await;
    let at = key("k");
    let (length, piece) = (6 << 20, Bytes::from(vec![1; 1 << 20]));
    let (mut writer, body) = Body::channel(length);
    let feeding = async {
        for _ in 0..6 {
            writer.write(piece.clone()).await.unwrap();
        }
    };
    let (stored, ()) = tokio::join!(place.backend.put(&at, body, PutOptions::default()), feeding);
    stored.unwrap();
    let found = fs::metadata(place.root.join("k")).unwrap();
    assert_eq!(found.len(), length);
    assert!(
        found.blocks() * 512 <= length + (1 << 20),
        "{} blocks",
        found.blocks()
    );
}

#[tokio::test]
async fn a_body_of_which_a_part_is_in_memory_is_read_whole() {
    let place = place().await;
    let bytes: Bytes = (0..65_536_u32)
        .map(|at| (at / 251 + 1) as u8)
        .collect::<Vec<u8>>()
        .into();
    // Nothing in memory, then one page here and there: the kernel gives less than was asked for.
    for (number, cached) in [vec![], vec![0], vec![32_768], vec![0, 4_096, 61_440]]
        .into_iter()
        .enumerate()
    {
        let at = key(&format!("k{number}"));
        place
            .backend
            .put(&at, Body::from_bytes(bytes.clone()), PutOptions::default())
            .await
            .unwrap();
        let file = fs::File::open(place.root.join(at.as_str())).unwrap();
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Random).unwrap();
        for offset in cached {
            file.read_exact_at(&mut [0; 4_096], offset).unwrap();
        }
        let download = place.backend.get(&at, GetOptions::default()).await.unwrap();
        assert!(download.body.collect().await.unwrap() == bytes);
    }
}
