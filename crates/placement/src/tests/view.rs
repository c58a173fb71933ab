//! Deltas.

use crate::tests::{id, node, set, with_free_cpus};
use crate::{Delta, View};
use trygon_resources::Amount;

#[test]
fn a_whole_delta_says_who_is_gone() {
    let mut view = with_free_cpus(&[1.0, 2.0, 3.0]);
    let nodes = vec![node(1, &[("CPU", 10.0)], &[("CPU", 9.0)]), node(7, &[("CPU", 4.0)], &[("CPU", 4.0)])];
    let mut gone = view.apply(Delta { is_whole: true, nodes, gone: Vec::new() }, |node| node != id(7));
    gone.sort();
    assert_eq!(gone, [id(0), id(2)]);
    assert_eq!(view.iter().map(|seat| seat.state.number).collect::<Vec<_>>(), [1]);
    assert_eq!(view.by_number(1), Some(id(1)));
    assert_eq!(view.by_number(2), None);
}

#[test]
fn a_node_that_was_not_known_is_not_gone_by_a_delta() {
    let mut view = View::default();
    let gone = view.apply(Delta { gone: vec![id(4)], ..Delta::default() }, |_| true);
    assert!(gone.is_empty() && view.is_empty());
}

#[test]
fn any_count_is_asked_for_at_once() {
    let mut view = with_free_cpus(&[10.0]);
    let one = set(&[("CPU", 1.0)]);
    view.ask(id(0), &one, u32::MAX);
    assert_eq!(view.get(id(0)).expect("a node").pending().get("CPU"), Amount::whole(i64::from(u32::MAX)));
    view.answered(id(0), &one, u32::MAX - 2);
    assert_eq!(view.get(id(0)).expect("a node").pending(), &set(&[("CPU", 2.0)]));
}
