//! Nodes come, are away and are given up.

use crate::presence::{LeaseTerms, Presence, PresenceDefects};
use trygon_ids::NodeId;

const NODE: NodeId = NodeId::new([1; 28]);
const OTHER: NodeId = NodeId::new([2; 28]);
const TERMS: LeaseTerms = LeaseTerms { lease_ms: 3_000, margin_ms: 500 };

#[test]
fn a_node_that_renews_its_lease_is_counted_on_with_a_stream_and_without() {
    let mut presence = Presence::new(TERMS);
    presence.opened(NODE, 1, 10_000);
    for now_ms in (10_000..30_000).step_by(500) {
        assert_eq!(presence.renew(NODE, now_ms), Ok(3_000));
        assert_eq!(presence.take_lost(now_ms), [], "NODE-2");
        if now_ms == 15_000 {
            assert!(presence.closed(NODE, 1, now_ms, "reset by peer"));
        }
    }
    assert_eq!(presence.next_deadline_ms(), Some(33_000));
}

#[test]
fn a_node_is_given_up_after_its_lease_and_the_margin_and_not_before() {
    let mut presence = Presence::new(TERMS);
    presence.opened(NODE, 1, 10_000);
    presence.opened(OTHER, 2, 10_000);
    assert_eq!(presence.renew(NODE, 11_000), Ok(3_000));
    assert_eq!(presence.renew(OTHER, 14_000), Ok(3_000));
    assert!(presence.closed(NODE, 1, 11_500, "reset by peer"));
    assert_eq!(presence.take_lost(14_499), [], "NODE-2");
    let lost = presence.take_lost(14_500);
    assert!(lost.len() == 1 && lost[0].0 == NODE && lost[0].1.contains("reset by peer"), "NODE-2: {lost:?}");
    assert!(presence.renew(NODE, 14_600).is_err(), "NODE-1");
    assert_eq!(presence.renew(OTHER, 14_600), Ok(3_000));
}

#[test]
fn a_node_that_was_given_up_is_never_counted_on_again() {
    let mut presence = Presence::new(TERMS);
    presence.opened(NODE, 1, 0);
    assert_eq!(presence.take_lost(3_500).len(), 1);
    presence.opened(NODE, 2, 4_000);
    assert!(presence.is_current(NODE, 2), "it hears that it was given up");
    assert!(presence.renew(NODE, 4_100).is_err() && presence.is_refused(NODE), "NODE-1");
    assert_eq!(presence.take_lost(7_500).len(), 1, "and loses the stream");
}

#[test]
fn a_daemon_that_has_ended_is_not_waited_for() {
    let mut presence = Presence::new(TERMS);
    presence.opened(NODE, 1, 10_000);
    presence.opened(NODE, 2, 10_050);
    presence.ended(NODE, 1, 10_100);
    assert_eq!(presence.take_lost(10_300), [], "it has another stream: it lives");
    presence.closed(NODE, 2, 10_400, "reset by peer");
    presence.ended(NODE, 2, 10_400);
    presence.ended(NODE, 2, 10_450);
    assert_eq!(presence.take_lost(10_499), []);
    let lost = presence.take_lost(10_500);
    assert!(lost.len() == 1 && lost[0].1.contains("its daemon has ended"), "{lost:?}");
}

#[test]
fn a_node_that_renews_its_lease_has_not_ended() {
    let mut presence = Presence::new(TERMS);
    presence.opened(NODE, 1, 10_000);
    presence.closed(NODE, 1, 10_100, "reset by peer");
    presence.ended(NODE, 1, 10_100);
    presence.renew(NODE, 10_150).expect("a lease");
    assert_eq!(presence.take_lost(10_300), []);
}

#[test]
fn the_end_of_an_older_stream_says_nothing() {
    let mut presence = Presence::new(TERMS);
    presence.opened(NODE, 1, 0);
    presence.opened(NODE, 2, 10);
    assert!(!presence.is_current(NODE, 1) && presence.is_current(NODE, 2), "STREAM-1");
    assert!(!presence.closed(NODE, 1, 20, "replaced"));
    assert!(presence.is_current(NODE, 2));
}

#[test]
fn nobody_waits_for_a_node_that_said_farewell() {
    let mut presence = Presence::new(TERMS);
    presence.opened(NODE, 1, 0);
    presence.left(NODE);
    assert!(!presence.closed(NODE, 1, 10, "ended"));
    assert_eq!(presence.take_lost(99_000), [], "STREAM-3");
    assert!(presence.renew(NODE, 20).is_err(), "NODE-1");
}

#[test]
fn a_node_that_is_refused_counts_until_its_last_lease_is_over() {
    let mut presence = Presence::new(TERMS);
    presence.opened(NODE, 1, 0);
    presence.renew(NODE, 1_000).expect("a lease");
    presence.refuse(NODE);
    assert!(presence.renew(NODE, 1_500).is_err());
    assert_eq!(presence.take_lost(4_499), [], "NODE-2");
    assert_eq!(presence.take_lost(4_500).len(), 1);
}

#[test]
fn nodes_of_an_earlier_life_have_their_own_time() {
    let mut presence = Presence::new(TERMS);
    presence.expect(NODE, 1_000, 12_000);
    presence.expect(OTHER, 1_000, 12_000);
    presence.opened(OTHER, 1, 10_000);
    assert_eq!(presence.next_deadline_ms(), Some(13_000));
    let lost = presence.take_lost(13_000);
    assert!(lost[0].1.contains("did not come back"), "{lost:?}");
}

#[test]
fn the_planted_defect_shows() {
    let mut presence = Presence::with_defects(TERMS, PresenceDefects { is_hasty: true, ..PresenceDefects::NONE });
    presence.opened(NODE, 1, 0);
    presence.closed(NODE, 1, 100, "reset by peer");
    assert_eq!(presence.take_lost(600).len(), 1);
}
