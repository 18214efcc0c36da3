//! The contract of [`Backend`] as checks that every implementation and every decorated one passes.
//!
//! Each check is a function of a fresh [`Fixture`], named by the sentence that it holds;
//! [`conformance_suite!`](crate::conformance_suite) makes a test of each:
//! ```ignore
//! mod memory {
//!     async fn fixture() -> Fixture {
//!         Fixture::new(MemoryBackend::new(name))
//!     }
//!     node_backend::conformance_suite!(fixture());
//! }
//! ```
//! Checks that concern something which a backend does not claim in its capabilities pass at once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "checks fail by panicking and are named by what they hold"
)]

mod deleting;
mod listing;
mod reading;
mod storing;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use raft_types::{
    Attempt, BackendName, BlobId, ClusterId, EpochId, Incarnation, IncarnationCounter, PhysicalKey,
};

pub use deleting::*;
pub use listing::*;
pub use reading::*;
pub use storing::*;

use crate::body::Body;
use crate::capabilities::ListOrder;
use crate::error::Result;
use crate::key::{BackendKey, KeyPrefix};
use crate::listing::{Entry, ListRequest, Listing, Position, Target};
use crate::port::{Backend, GetOptions, PutOptions, Stored};

/// Longer than any step of a check can take; what lasts longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A backend to be checked, and the prefix that belongs to the check alone.
pub struct Fixture {
    backend: Arc<dyn Backend>,
    prefix: KeyPrefix,
    holding: Holding,
    _keep: Box<dyn Any + Send + Sync>,
}

/// Where a backend has what it stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holding {
    /// In this process, so that whole bodies in memory are its nature.
    ThisProcess,
    /// Elsewhere.
    Elsewhere,
}

impl Fixture {
    /// Checks `backend` under a prefix drawn for this check.
    pub fn new(backend: impl Backend) -> Self {
        let prefix = format!("check-{:016x}", getrandom::u64().unwrap());
        Self {
            backend: Arc::new(backend),
            prefix: KeyPrefix::parse(&prefix).unwrap(),
            holding: Holding::Elsewhere,
            _keep: Box::new(()),
        }
    }

    /// Says where the backend has its bodies.
    #[must_use]
    pub fn holding(mut self, holding: Holding) -> Self {
        self.holding = holding;
        self
    }

    /// Keeps something alive as long as the check runs.
    #[must_use]
    pub fn keeping(mut self, what: impl Any + Send + Sync) -> Self {
        self._keep = Box::new(what);
        self
    }

    fn epoch(&self, epoch: u64) -> KeyPrefix {
        let PhysicalKey {
            cluster, incarnation, ..
        } = physical(0, 0);
        self.prefix.epoch(cluster, incarnation, EpochId(epoch))
    }

    /// The key of an attempt; different numbers are spread as random blob ids are.
    fn attempt(&self, epoch: u64, number: u64) -> BackendKey {
        BackendKey::attempt(&self.prefix, &physical(epoch, number)).unwrap()
    }

    fn system(&self, name: &str) -> BackendKey {
        BackendKey::system(&self.prefix, name).unwrap()
    }

    fn other(&self, name: &str) -> BackendKey {
        BackendKey::parse(&format!("{}{name}", self.prefix)).unwrap()
    }

    async fn put(&self, key: &BackendKey, body: impl Into<Bytes>) -> Stored {
        self.backend
            .put(key, Body::from_bytes(body.into()), PutOptions::default())
            .await
            .unwrap()
    }

    async fn read(&self, key: &BackendKey) -> Result<Bytes> {
        self.backend
            .get(key, GetOptions::default())
            .await?
            .body
            .collect()
            .await
    }

    async fn is_absent(&self, key: &BackendKey) -> bool {
        let got = self.backend.get(key, GetOptions::default()).await;
        let headed = self.backend.head(key).await;
        match (got, headed) {
            (Ok(_), Ok(_)) => false,
            (Err(get), Err(head)) => {
                assert!(get.is_not_found(), "{get:?}");
                assert!(head.is_not_found(), "{head:?}");
                true
            }
            (got, headed) => panic!("a get and a head disagree: {got:?}, {headed:?}"),
        }
    }

    async fn delete(&self, targets: &[Target]) {
        for outcome in self.backend.delete(targets).await.unwrap() {
            outcome.unwrap();
        }
    }

    /// All pages of a listing.
    async fn list(&self, listing: Listing, prefix: &KeyPrefix, limit: u32) -> Vec<Entry> {
        self.list_after(listing, prefix, limit, None).await
    }

    async fn list_after(
        &self,
        listing: Listing,
        prefix: &KeyPrefix,
        limit: u32,
        after: Option<Position>,
    ) -> Vec<Entry> {
        let mut request = ListRequest {
            listing,
            prefix: prefix.clone(),
            after,
            limit,
        };
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let page = self.backend.list(&request).await.unwrap();
            assert!(page.entries.len() <= request.bounded_limit());
            entries.extend(page.entries);
            let Some(next) = page.next else { break };
            assert!(
                request.after.as_ref() != Some(&next),
                "the listing does not get on"
            );
            request = request.after(next);
        }
        if self.backend.capabilities().order == ListOrder::ByKey {
            assert!(
                entries.is_sorted_by(|left, right| left.key <= right.key),
                "out of order"
            );
        }
        assert!(entries.iter().all(|entry| entry.key.starts_with(prefix.as_str())));
        entries
    }

    async fn keys(&self, listing: Listing, prefix: &KeyPrefix) -> Vec<String> {
        let mut keys: Vec<String> = self
            .list(listing, prefix, 1_000)
            .await
            .into_iter()
            .map(|entry| entry.key)
            .collect();
        keys.sort();
        keys
    }

    /// Deletes what is incomplete until nothing is: work that was dropped may still be ending.
    async fn until_nothing_is_incomplete(&self) {
        let clearing = async {
            loop {
                let incomplete = self.list(Listing::Incomplete, &self.prefix, 1_000).await;
                if incomplete.is_empty() {
                    return;
                }
                let targets: Vec<Target> = incomplete.iter().map(|entry| entry.target().unwrap()).collect();
                self.delete(&targets).await;
            }
        };
        tokio::time::timeout(PATIENCE, clearing)
            .await
            .expect("something stays incomplete");
    }
}

fn physical(epoch: u64, number: u64) -> PhysicalKey {
    let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
    let mut random = [0; BlobId::RANDOM_BYTES];
    random[..8].copy_from_slice(&spread);
    PhysicalKey {
        cluster: ClusterId([0xAB; 16]),
        incarnation: Incarnation {
            counter: IncarnationCounter::FIRST,
            tag: 0xCD,
        },
        epoch: EpochId(epoch),
        blob: BlobId::from_parts(0, random),
        attempt: Attempt(1),
    }
}

/// Bytes that look alike nowhere.
fn pattern(seed: u64, length: usize) -> Bytes {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

/// A body that comes in pieces.
fn streamed(bytes: &Bytes, piece: usize) -> Body {
    let length = bytes.len();
    let starts = (0..length).step_by(piece);
    let pieces: Vec<_> = starts
        .map(|start| Ok(bytes.slice(start..length.min(start + piece))))
        .collect();
    Body::from_stream(length as u64, stream::iter(pieces))
}

/// The label that stands for a fixture in errors.
pub fn backend_name() -> BackendName {
    BackendName::new("conformance").unwrap()
}

/// Makes a test of each check; takes an expression that gives a future of a fresh
/// [`Fixture`](crate::conformance::Fixture).
#[macro_export]
macro_rules! conformance_suite {
    ($fixture:expr) => {
        $crate::conformance_suite! { $fixture =>
            put_then_get_gives_the_same_bytes,
            a_streamed_put_stores_what_a_whole_one_does,
            a_put_gives_evidence_of_what_it_stored,
            a_put_to_a_taken_key_is_refused_and_changes_nothing,
            of_racing_creates_exactly_one_wins,
            only_system_objects_are_replaced,
            a_replacement_is_seen_old_or_new_and_never_mixed,
            a_body_with_another_checksum_than_announced_is_not_stored,
            a_body_that_fails_leaves_nothing_visible,
            a_reader_never_sees_a_part_of_a_put,
            a_dropped_put_leaves_nothing_but_incomplete_entries,
            an_incomplete_put_that_was_deleted_never_becomes_visible,
            a_long_body_takes_flat_memory,
            many_puts_at_once_are_all_stored,
            a_range_gives_exactly_its_bytes_at_every_boundary,
            a_range_that_ends_beyond_the_body_is_an_error,
            what_is_not_there_is_not_found,
            a_head_gives_the_size,
            a_get_that_is_dropped_midway_harms_nothing,
            a_body_can_be_read_by_many_at_once,
            a_delete_frees_what_a_put_stored,
            deleting_what_is_absent_succeeds,
            a_delete_touches_exactly_what_it_names,
            a_batch_of_a_thousand_is_deleted_and_a_longer_one_refused,
            each_target_of_a_batch_has_its_own_outcome,
            a_delete_without_a_version_only_hides_what_is_versioned,
            tidying_removes_no_body_and_hinders_no_put,
            ten_thousand_keys_are_listed_in_order_by_pages,
            a_page_begins_strictly_after_its_position,
            keys_are_ordered_by_their_bytes_whatever_folders_they_form,
            incomplete_puts_are_listed_once_by_pages_of_any_size,
            a_listing_stays_within_its_prefix,
            a_page_is_never_longer_than_a_thousand_entries,
            keys_of_other_shapes_are_listed_and_left_alone,
            what_stays_is_listed_once_while_other_keys_come_and_go,
        }
    };
    ($fixture:expr => $($check:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                $crate::conformance::$check($fixture.await).await;
            }
        )*
    };
}

#[cfg(test)]
mod tests;
