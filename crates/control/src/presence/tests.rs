//! Nodes come, are away and are given up.

use crate::presence::Presence;
use trygon_ids::NodeId;

const NODE: NodeId = NodeId::new([1; 28]);
const OTHER: NodeId = NodeId::new([2; 28]);

#[test]
fn a_node_that_comes_back_in_time_is_not_given_up() {
    let mut presence = Presence::new(3_000);
    presence.opened(NODE, 1);
    assert!(presence.closed(NODE, 1, 10_000, "reset by peer", false));
    assert_eq!(presence.next_deadline_ms(), Some(13_000));
    assert_eq!(presence.take_lost(12_999), []);
    presence.opened(NODE, 2);
    assert_eq!((presence.next_deadline_ms(), presence.take_lost(99_000).len()), (None, 0), "STREAM-3");
}

#[test]
fn a_node_that_stays_away_is_given_up_once_and_the_reason_is_told() {
    let mut presence = Presence::new(3_000);
    presence.opened(NODE, 1);
    presence.opened(OTHER, 2);
    presence.closed(NODE, 1, 10_000, "reset by peer", false);
    let lost = presence.take_lost(13_000);
    assert!(lost.len() == 1 && lost[0].0 == NODE && lost[0].1.contains("reset by peer"), "STREAM-3: {lost:?}");
    assert_eq!(presence.take_lost(99_000), []);
}

#[test]
fn the_end_of_an_older_stream_says_nothing() {
    let mut presence = Presence::new(3_000);
    presence.opened(NODE, 1);
    presence.opened(NODE, 2);
    assert!(!presence.is_current(NODE, 1) && presence.is_current(NODE, 2), "STREAM-1");
    assert!(!presence.closed(NODE, 1, 10_000, "replaced", false));
    assert_eq!(presence.next_deadline_ms(), None);
}

#[test]
fn nobody_waits_for_a_node_that_said_farewell() {
    let mut presence = Presence::new(3_000);
    presence.opened(NODE, 1);
    presence.left(NODE);
    assert!(!presence.closed(NODE, 1, 10_000, "ended", false));
    assert_eq!(presence.take_lost(99_000), [], "STREAM-3");
}

#[test]
fn nodes_of_an_earlier_life_have_their_own_time() {
    let mut presence = Presence::new(3_000);
    presence.expect(NODE, 1_000, 10_000);
    presence.expect(OTHER, 1_000, 10_000);
    presence.opened(OTHER, 1);
    assert_eq!(presence.next_deadline_ms(), Some(11_000));
    let lost = presence.take_lost(11_000);
    assert!(lost.len() == 1 && lost[0].1.contains("did not come back"), "STREAM-3: {lost:?}");
}

#[test]
fn a_broken_connection_is_given_half_of_the_time() {
    let mut presence = Presence::new(3_000);
    presence.opened(NODE, 1);
    presence.opened(OTHER, 2);
    assert!(presence.closed(NODE, 1, 10_000, "reset by peer", true));
    assert!(presence.closed(OTHER, 2, 10_000, "silent", false));
    assert_eq!(presence.take_lost(11_499), []);
    assert_eq!(presence.take_lost(11_500).into_iter().map(|(node, _)| node).collect::<Vec<_>>(), [NODE], "STREAM-3");
    assert_eq!(presence.next_deadline_ms(), Some(13_000));
}
