//! What is kept of many failed attempts.

use super::{MOST_ATTEMPTS, MOST_TASKS, Past};
use trygon_ids::{JobId, OwnerIncarnation, TaskId};

fn task(slot: u32) -> TaskId {
    TaskId::of(JobId::new([1; 4]), OwnerIncarnation::new([2; 12]), slot, 0)
}

#[test]
fn the_first_attempt_and_the_newest_are_kept() {
    let mut past = Past::default();
    for attempt in 0..100 {
        past.note(task(1), attempt, format!("reason {attempt}"), None);
    }
    let kept = past.of(&task(1));
    assert_eq!(kept.len(), MOST_ATTEMPTS);
    assert_eq!((kept[0].attempt, kept[1].attempt, kept[MOST_ATTEMPTS - 1].attempt), (0, 85, 99));
    assert!(kept[0].time_us > 0);
}

#[test]
fn old_tasks_give_way() {
    let mut past = Past::default();
    for slot in 0..MOST_TASKS as u32 + 5 {
        past.note(task(slot), 0, String::new(), None);
    }
    assert!(past.of(&task(4)).is_empty() && past.of(&task(5)).len() == 1);
    assert_eq!((past.of.len(), past.order.len()), (MOST_TASKS, MOST_TASKS));
}
