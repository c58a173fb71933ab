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

#[test]
fn a_node_holds_on_while_nobody_is_the_head_but_not_for_ever() {
    let mut lease = OwnLease::default();
    lease.begin(0, 3_000);
    assert!(!lease.found_nobody(100, 110), "NODE-3: it was not taken up");
    lease.granted(1_000, 1_010, 3_000);
    assert!(!lease.found_nobody(2_000, 2_010), "NODE-3: it does not know the head's own address");
    assert_eq!(lease.deadline_ms(), Some(4_000));
    lease.hold(10_000);
    assert!(lease.found_nobody(3_500, 3_510), "NODE-3");
    assert!(!lease.found_nobody(3_600, 3_610), "said once");
    assert_eq!(lease.deadline_ms(), Some(6_600), "from the question on");
    assert!(!lease.found_nobody(3_550, 3_650), "an older answer shortens nothing");
    assert_eq!(lease.deadline_ms(), Some(6_600));
    lease.granted(5_000, 5_010, 3_000);
    assert!(lease.found_nobody(7_000, 7_010), "it is away again");
    lease.found_nobody(9_900, 9_910);
    lease.found_nobody(12_800, 12_810);
    assert_eq!(lease.deadline_ms(), Some(15_000), "NODE-3: 10 s after the last grant it is over");
    assert!(lease.look(15_000).is_some_and(|reason| reason.contains("nobody was the head for too long")));
}

#[test]
fn an_end_that_was_missed_is_not_undone_by_a_refusal() {
    let mut lease = OwnLease::default();
    lease.begin(0, 3_000);
    lease.hold(60_000);
    lease.granted(0, 10, 3_000);
    assert!(!lease.found_nobody(3_000, 3_000), "NODE-3: a head may have lived until now, and may have given it up");
    assert!(lease.look(3_000).is_some());
}
