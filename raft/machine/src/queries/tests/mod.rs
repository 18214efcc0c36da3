//! Listings against a naive one that reads everything.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod objects;
mod reads;
mod uploads;
mod versions;

use std::collections::BTreeSet;

use bytes::Bytes;
use proptest::prelude::*;
use raft_types::keys::RowKey;
use raft_types::{ObjectKey, Record};

use crate::memory::MemoryTables;

/// Keys that share prefixes, hold delimiters, and hold the bytes that the escaped layout cares about.
fn keys() -> impl Strategy<Value = BTreeSet<String>> {
    proptest::collection::btree_set("[ab/\u{0}\u{1}\u{7f}ÿ]{1,5}", 0..24)
}

fn prefix() -> impl Strategy<Value = Bytes> {
    "[ab/\u{0}]{0,2}".prop_map(Bytes::from)
}

fn delimiter() -> impl Strategy<Value = Bytes> {
    prop_oneof![3 => Just("/"), 1 => Just("b/"), 1 => Just("\u{0}"), 2 => Just("")].prop_map(Bytes::from)
}

fn put<K: RowKey>(tables: &mut MemoryTables, key: &K, record: &K::Record) {
    tables.write([(key.to_bytes(), Some(record.encode()))]);
}

fn object_key(key: &str) -> ObjectKey {
    key.parse().unwrap()
}

/// The names that a listing shows for these keys, in order: keys, or the common prefixes of several.
fn rolled_up(keys: &BTreeSet<String>, prefix: &[u8], delimiter: &[u8]) -> Vec<(Vec<u8>, bool)> {
    let mut names: Vec<(Vec<u8>, bool)> = Vec::new();
    for key in keys
        .iter()
        .map(String::as_bytes)
        .filter(|key| key.starts_with(prefix))
    {
        let rest = &key[prefix.len()..];
        let place =
            (0..rest.len()).find(|&place| !delimiter.is_empty() && rest[place..].starts_with(delimiter));
        let name = match place {
            Some(place) => (key[..prefix.len() + place + delimiter.len()].to_vec(), true),
            None => (key.to_vec(), false),
        };
        if names.last() != Some(&name) {
            names.push(name);
        }
    }
    names
}
