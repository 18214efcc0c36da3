#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::memory::MemoryTables;
use crate::port::Cursor;

fn bytes(value: u8) -> Bytes {
    Bytes::copy_from_slice(&[value])
}

/// What a test does to a transaction and to a plain map.
#[derive(Clone, Debug)]
enum Step {
    Put(u8, u8),
    Delete(u8),
    Begin,
    Undo,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..24_u8, any::<u8>()).prop_map(|(key, value)| Step::Put(key, value)),
        3 => (0..24_u8).prop_map(Step::Delete),
        2 => Just(Step::Begin),
        1 => Just(Step::Undo),
    ]
}

fn read_all<C: Cursor>(cursor: &mut C) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    while let Some((key, value)) = cursor.entry() {
        rows.push((key.to_vec(), value.to_vec()));
        cursor.next().unwrap();
    }
    cursor.next().unwrap();
    assert!(cursor.entry().is_none(), "the end is the end");
    rows
}

fn tables(rows: &BTreeMap<u8, u8>) -> MemoryTables {
    let mut tables = MemoryTables::new();
    tables.write(rows.iter().map(|(&key, &value)| (bytes(key), Some(bytes(value)))));
    tables
}

proptest! {
    #[test]
    fn a_transaction_reads_like_a_map_that_was_written(
        base in proptest::collection::btree_map(0..24_u8, any::<u8>(), 0..16),
        steps in proptest::collection::vec(step(), 0..60),
        range in (0..26_u8, 0..26_u8),
        seeks in proptest::collection::vec(0..26_u8, 0..8),
    ) {
        let tables = tables(&base);
        let mut transaction = Transaction::new(&tables);
        let mut model = base;
        let mut kept = model.clone();
        transaction.begin();
        for step in steps {
            match step {
                Step::Put(key, value) => {
                    transaction.put(bytes(key), bytes(value));
                    model.insert(key, value);
                }
                Step::Delete(key) => {
                    transaction.delete(bytes(key));
                    model.remove(&key);
                }
                Step::Begin => {
                    transaction.begin();
                    kept = model.clone();
                }
                Step::Undo => {
                    transaction.undo();
                    model = kept.clone();
                }
            }
        }
        for key in 0..26 {
            prop_assert_eq!(transaction.get(&[key]).unwrap(), model.get(&key).copied().map(bytes));
        }
        let (lower, upper) = (range.0.min(range.1), range.0.max(range.1));
        let mut cursor = transaction.cursor(&[lower], &[upper]).unwrap();
        let row = |(&key, &value): (&u8, &u8)| (vec![key], vec![value]);
        let expected: Vec<_> = model.range(lower..upper).map(row).collect();
        prop_assert_eq!(read_all(&mut cursor), expected);
        for seek in seeks {
            cursor.seek(&[seek]).unwrap();
            let from = seek.max(lower).min(upper);
            let expected = model.range(from..upper).next().map(row);
            let found = cursor.entry().map(|(key, value)| (key.to_vec(), value.to_vec()));
            prop_assert_eq!(found, expected);
        }
        let mut written = tables.clone();
        written.write(transaction.into_writes());
        let expected: Vec<_> = model.iter().map(row).collect();
        let found: Vec<_> = written.rows().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn a_row_that_one_command_writes_twice_counts_once() {
    let tables = MemoryTables::new();
    let mut transaction = Transaction::new(&tables);
    transaction.begin();
    transaction.put(bytes(1), bytes(1));
    transaction.put(bytes(1), bytes(2));
    transaction.delete(bytes(1));
    assert_eq!(transaction.written(), 1);
    transaction.begin();
    assert_eq!(transaction.written(), 0);
    transaction.put(bytes(1), bytes(3));
    assert_eq!(transaction.written(), 1);
    transaction.undo();
    assert_eq!(transaction.get(&[1]).unwrap(), None);
}
