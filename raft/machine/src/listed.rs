//! The set of listed parts of a manifest: one bit per part number from 1, the lowest bit of a byte first.
//! It ends with the byte of the last listed part, so that equal sets have equal bytes.

use bytes::Bytes;
use raft_types::PartNumber;

/// The set of these numbers.
pub fn encode(numbers: impl IntoIterator<Item = PartNumber>) -> Bytes {
    let mut bits = Vec::new();
    for number in numbers {
        let (byte, mask) = place(number);
        if bits.len() <= byte {
            bits.resize(byte + 1, 0);
        }
        if let Some(slot) = bits.get_mut(byte) {
            *slot |= mask;
        }
    }
    Bytes::from(bits)
}

/// Whether a number is in the set.
pub fn contains(bits: &[u8], number: PartNumber) -> bool {
    let (byte, mask) = place(number);
    bits.get(byte).is_some_and(|bits| bits & mask != 0)
}

/// How many numbers are in the set.
pub fn count(bits: &[u8]) -> usize {
    bits.iter().map(|byte| byte.count_ones() as usize).sum()
}

/// The number at a place of the ordered set, from 0; `None` beyond its end.
pub fn nth(bits: &[u8], ordinal: usize) -> Option<PartNumber> {
    let mut before = 0;
    for (index, &byte) in bits.iter().enumerate() {
        let here = byte.count_ones() as usize;
        if before + here > ordinal {
            let mut rest = byte;
            for _ in before..ordinal {
                rest &= rest - 1;
            }
            let number = index * 8 + rest.trailing_zeros() as usize + 1;
            return u16::try_from(number).ok().and_then(PartNumber::new);
        }
        before += here;
    }
    None
}

/// Whether the bytes are a set of part numbers as `encode` writes it.
pub fn is_valid(bits: &[u8]) -> bool {
    let ends_well = bits.last().is_none_or(|&last| last != 0);
    let highest = bits.len() * 8 - bits.last().map_or(0, |last| last.leading_zeros() as usize);
    ends_well && highest <= usize::from(PartNumber::MAX.get())
}

fn place(number: PartNumber) -> (usize, u8) {
    let index = usize::from(number.get() - 1);
    (index / 8, 1 << (index % 8))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_knows_its_numbers_and_their_places(
            set in proptest::collection::btree_set(1_u16..=10_000, 0..200),
        ) {
            let bits = encode(set.iter().map(|&number| PartNumber::new(number).unwrap()));
            prop_assert!(is_valid(&bits));
            prop_assert_eq!(count(&bits), set.len());
            for (ordinal, &number) in set.iter().enumerate() {
                prop_assert_eq!(nth(&bits, ordinal), PartNumber::new(number));
            }
            prop_assert_eq!(nth(&bits, set.len()), None);
            for number in 1..=10_000 {
                prop_assert_eq!(contains(&bits, PartNumber::new(number).unwrap()), set.contains(&number));
            }
        }
    }

    #[test]
    fn a_set_beyond_the_last_part_number_is_not_valid() {
        let mut bits = vec![0_u8; 1250];
        bits[1249] = 0x80;
        assert!(is_valid(&bits));
        bits.push(1);
        assert!(!is_valid(&bits));
        assert!(!is_valid(&[1, 0]), "a trailing empty byte has another spelling");
        assert!(is_valid(&[]));
    }
}
