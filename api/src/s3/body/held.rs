//! The pieces of a signed chunk whose signature is not verified yet.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::budget::Reserved;

/// Pieces in order, as they came. Small ones are put together, so that a client which sends byte by
/// byte cannot make each byte cost a whole allocation.
#[derive(Debug, Default)]
pub(super) struct Held {
    pieces: VecDeque<Bytes>,
    small: BytesMut,
    reserved: Option<Reserved>,
}

/// Pieces below this are copied: what remains costs at most one descriptor per page.
const SMALL: usize = 4 * 1024;
/// Small pieces are put together up to this many bytes.
const JOINED: usize = 64 * 1024;

impl Held {
    /// Keeps the memory that was reserved for these pieces until the last one is gone.
    pub(super) fn reserved(&mut self, reserved: Reserved) {
        self.reserved = Some(reserved);
    }

    /// Adds a piece at the end.
    pub(super) fn push(&mut self, piece: Bytes) {
        if piece.len() < SMALL {
            self.small.extend_from_slice(&piece);
            if self.small.len() >= JOINED {
                self.join();
            }
            return;
        }
        self.join();
        self.pieces.push_back(piece);
    }

    /// Takes the first piece.
    pub(super) fn pop(&mut self) -> Option<Bytes> {
        self.pieces.pop_front().or_else(|| {
            self.join();
            self.pieces.pop_front()
        })
    }

    fn join(&mut self) {
        if !self.small.is_empty() {
            self.pieces.push_back(self.small.split().freeze());
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_come_out_in_order_and_none_is_empty(
            lengths in prop::collection::vec(0usize..3 * SMALL, 0..40),
        ) {
            let (mut held, mut expected, mut byte) = (Held::default(), Vec::new(), 0u8);
            for length in lengths {
                byte = byte.wrapping_add(1);
                let piece = vec![byte; length];
                expected.extend_from_slice(&piece);
                held.push(piece.into());
            }
            let mut found = Vec::new();
            while let Some(piece) = held.pop() {
                prop_assert!(!piece.is_empty());
                found.extend_from_slice(&piece);
            }
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn single_bytes_are_put_together() {
        let mut held = Held::default();
        for _ in 0..10 * JOINED {
            held.push(Bytes::from_static(b"x"));
        }
        assert_eq!(held.pieces.len(), 10);
    }
}
