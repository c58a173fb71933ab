//! Damage at the end and damage in the middle.

use crate::storage::assemble::{Entry, assemble};
use crate::storage::{Cut, Record, StorageError};
use trygon_ids::NodeId;

fn entry(index: u64) -> Entry {
    let (origin, label, body) = (NodeId::nil(), "event".to_owned(), vec![1]);
    (index, Some(Record { index, at_us: index, origin, label, body, large: None }))
}

fn cut(first_index: u64, dropped: u64) -> Option<Cut> {
    Some(Cut { first_index, dropped, detail: "it".to_owned() })
}

fn indices(through: u64, entries: Vec<Entry>) -> (Vec<u64>, Option<Cut>) {
    let (records, cut) = assemble("it", through, entries).expect("damage at the end only");
    (records.iter().map(|record| record.index).collect(), cut)
}

#[test]
fn sound_records_come_in_order_and_those_of_the_snapshot_are_left_out() {
    assert_eq!(indices(0, vec![]), (vec![], None));
    assert_eq!(indices(1, vec![entry(1), entry(2), entry(3)]), (vec![2, 3], None));
}

#[test]
fn a_damaged_end_is_cut() {
    assert_eq!(indices(0, vec![entry(1), (2, None), (3, None)]), (vec![1], cut(2, 2)));
    assert_eq!(indices(4, vec![(5, None)]), (vec![], cut(5, 1)));
    // Stands under 3, but says that it is 9.
    let misplaced = (3, entry(9).1);
    assert_eq!(indices(0, vec![entry(1), entry(2), misplaced]).1, cut(3, 1));
}

#[test]
fn damage_before_sound_records_is_an_error() {
    for entries in [vec![entry(1), (2, None), entry(3)], vec![entry(1), entry(3)], vec![entry(2)]] {
        let error = assemble("it", 0, entries).expect_err("acknowledged events would be lost");
        assert!(matches!(&error, StorageError::Corrupt { .. }), "{error}");
    }
}
