//! Who is served by whom.

use super::env::{object, source};
use crate::pulls::serve::{Decision, ServeTable};
use crate::pulls::state::Source;
use std::collections::BTreeMap;

/// Large enough to be shared, too small for a chain.
const LARGE: u64 = 15 << 20;

fn ask(table: &mut ServeTable, node: u32, now_ms: u64) -> Decision {
    table.on_asked(object(1), source(node, LARGE), now_ms)
}

#[test]
fn two_are_served_and_the_others_are_spread_over_them() {
    let mut table = ServeTable::default();
    assert_eq!(ask(&mut table, 2, 0), Decision::Serve);
    assert_eq!(ask(&mut table, 3, 0), Decision::Serve);
    let mut children: BTreeMap<u32, u32> = BTreeMap::new();
    for node in 4..40 {
        let Decision::Redirect(receiver) = ask(&mut table, node, 0) else { panic!("{node} is served") };
        assert!(receiver.node < node, "only one that began before");
        *children.entry(receiver.node).or_default() += 1;
    }
    assert!(children.values().all(|count| *count <= 2), "{children:?}");
    // Who is served goes on; who was named and is not is served when it says so.
    assert_eq!(ask(&mut table, 2, 0), Decision::Serve);
    let direct = Source { is_direct: true, ..source(20, LARGE) };
    assert_eq!(table.on_asked(object(1), direct, 0), Decision::Serve);
    // Another object has a tree of its own.
    assert_eq!(table.on_asked(object(2), source(20, LARGE), 0), Decision::Serve);
}

#[test]
fn a_larger_object_goes_from_one_to_the_next_as_long_as_that_is_quicker() {
    let mut table = ServeTable::default();
    let mut ask = |node| table.on_asked(object(1), source(node, 10 * (16 << 20)), 0);
    assert_eq!(ask(2), Decision::Serve);
    for node in 3..12 {
        let Decision::Redirect(receiver) = ask(node) else { panic!("{node} is served") };
        assert_eq!(receiver.node, node - 1);
    }
    // Then another branch begins.
    assert_eq!(ask(12), Decision::Serve);
    assert!(matches!(ask(13), Decision::Redirect(_)));
    assert_eq!(ask(2), Decision::Serve, "who is served goes on");
}

#[test]
fn small_objects_are_served_to_everyone() {
    let mut table = ServeTable::default();
    for node in 2..50 {
        assert_eq!(table.on_asked(object(1), source(node, 1 << 20), 0), Decision::Serve);
    }
    assert_eq!(table.num_receivers(), 0);
}

#[test]
fn receivers_that_are_done_or_dead_are_not_served_any_more() {
    let mut table = ServeTable::default();
    ask(&mut table, 2, 0);
    ask(&mut table, 3, 0);
    assert!(matches!(ask(&mut table, 4, 0), Decision::Redirect(_)));
    table.on_node_died(2);
    table.on_node_died(3);
    assert_eq!(ask(&mut table, 5, 10), Decision::Serve);
    // As long as something is sent to them, they are served, however long it takes.
    assert_eq!(ask(&mut table, 6, 600_000), Decision::Serve);
    assert!(matches!(ask(&mut table, 7, 600_000), Decision::Redirect(_)));
    table.on_ended(&object(1), 5, 601_000);
    assert!(matches!(ask(&mut table, 8, 603_000), Decision::Redirect(_)));
    assert_eq!(ask(&mut table, 9, 605_000), Decision::Serve);
    // In the end all are forgotten.
    table.on_ended(&object(1), 6, 605_000);
    table.on_ended(&object(1), 9, 605_000);
    assert_eq!(table.on_asked(object(2), source(2, LARGE), 800_000), Decision::Serve);
    assert_eq!(table.num_receivers(), 1);
    // A node is not sent on to itself, nor to nobody.
    table.on_node_died(2);
    assert_eq!(ask(&mut table, 2, 900_000), Decision::Serve);
    table.sanity_check().expect("the invariants hold");
}

#[test]
fn pull_8_who_comes_back_is_sent_neither_there_again_nor_to_one_behind_it() {
    let mut table = ServeTable::default();
    let size_bytes = 10 * (16 << 20);
    let mut ask = |node, failed_node| {
        let decision = table.on_asked(object(1), Source { failed_node, ..source(node, size_bytes) }, 0);
        table.sanity_check().expect("the invariants hold");
        if let Decision::Redirect(named) = decision { named.node } else { 0 }
    };
    // A chain: 2, 3, 4, 5, 6.
    assert_eq!((2..=6).map(|node| ask(node, None)).collect::<Vec<_>>(), [0, 2, 3, 4, 5]);
    // 4 lost 3: neither 3 nor 5 and 6, which wait for 4; and 3 is named to nobody until it asks again.
    assert_eq!(ask(4, Some(3)), 2);
    assert_eq!(ask(7, None), 6);
    assert_eq!(ask(3, Some(2)), 7);
    // 2 is named no more; 3, which came back, is again.
    assert_eq!(ask(8, None), 3);
    assert_eq!(ask(4, Some(2)), 0, "all others wait for it");
}
