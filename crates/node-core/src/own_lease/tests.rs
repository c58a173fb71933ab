//! A lease is asked for, granted, refused, late.

use crate::OwnLease;

#[test]
fn a_lease_counts_from_the_question_not_from_the_answer() {
    let mut lease = OwnLease::default();
    assert_eq!(lease.look(99_000), None, "nothing can lapse yet");
    assert_eq!(lease.deadline_ms(), None);
    lease.begin(1_000, 3_000);
    lease.granted(1_500, 2_900, 3_000);
    assert_eq!(lease.deadline_ms(), Some(4_500), "NODE-2");
    lease.granted(1_200, 3_000, 3_000);
    assert_eq!(lease.deadline_ms(), Some(4_500), "an older answer shortens nothing");
    assert_eq!(lease.look(4_499), None);
    assert!(lease.look(4_500).is_some(), "NODE-2");
}

#[test]
fn an_answer_that_comes_after_the_end_is_worth_nothing() {
    let mut lease = OwnLease::default();
    lease.begin(0, 3_000);
    lease.granted(2_900, 5_000, 3_000);
    assert!(lease.look(5_000).is_some_and(|reason| reason.contains("2000 ms late")), "NODE-1");
    assert_eq!(lease.deadline_ms(), None);
}

#[test]
fn a_refusal_is_for_ever() {
    let mut lease = OwnLease::default();
    lease.begin(0, 3_000);
    lease.refused("given up");
    lease.granted(100, 110, 3_000);
    assert_eq!(lease.look(120), Some("given up"), "NODE-1");
}
