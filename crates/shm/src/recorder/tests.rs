//! The recorder written and read, and its order of stores cut at every point and watched from another thread.

mod concurrent;
mod crash;

use super::*;
use trygon_wire::recorder::{self, Started};

fn pair() -> (std::os::fd::OwnedFd, Recorder) {
    let descriptor = create_recorder_descriptor().expect("a memfd");
    let recorder = Recorder::new(&descriptor).expect("a mapping");
    (descriptor, recorder)
}

#[test]
fn what_is_recorded_can_be_read_from_outside() {
    let (descriptor, mut recorder) = pair();
    recorder.set_name("compute");
    recorder.set_started(7, 1, 2, 3);
    let first = recorder.stage(7, &[b"head", b"", b"body"]).expect("room");
    let second = recorder.stage(8, &[b"x"]).expect("room");
    assert_eq!((recorder.frame(first), recorder.frame(second)), (&b"headbody"[..], &b"x"[..]));

    let bytes = read_recorder_descriptor(&descriptor).expect("readable");
    assert_eq!(recorder::started(&bytes), Some(Started { connection: 7, slot: 1, generation: 2, attempt: 3 }));
    assert_eq!(recorder::staged(&bytes), [(7, &b"headbody"[..]), (8, &b"x"[..])]);
    assert_eq!(recorder::running_name(&bytes), "compute");

    recorder.clear_started();
    recorder.clear_staged();
    assert!(recorder.frame(first).is_empty());
    let bytes = read_recorder_descriptor(&descriptor).expect("readable");
    assert_eq!((recorder::started(&bytes), recorder::staged(&bytes).len()), (None, 0));
}

#[test]
fn a_cursor_walks_what_is_staged_and_goes_on_later() {
    let (_descriptor, mut recorder) = pair();
    let mut cursor = StagedCursor::default();
    assert_eq!(recorder.next_staged(&mut cursor), None);
    recorder.stage(1, &[b"one"]).expect("room");
    assert_eq!(recorder.next_staged(&mut cursor), Some((1, &b"one"[..])));
    assert_eq!(recorder.next_staged(&mut cursor), None);
    recorder.stage(2, &[b""]).expect("room");
    assert_eq!(recorder.next_staged(&mut cursor), Some((2, &b""[..])));
}

#[test]
fn a_full_log_refuses_and_a_cleared_one_takes_again() {
    let (_descriptor, mut recorder) = pair();
    let frame = vec![5; Recorder::MAX_FRAME_BYTES];
    assert_eq!(recorder.stage(1, &[&frame, b"1"]), Err(Full));
    assert!(recorder.has_room(frame.len()) && !recorder.has_room(frame.len() + 1));
    recorder.stage(1, &[&frame]).expect("an empty log takes the longest frame");
    assert_eq!(recorder.stage(1, &[b""]), Err(Full));
    recorder.clear_staged();
    let mut count = 0;
    while recorder.has_room(100) {
        recorder.stage(1, &[&frame[..100]]).expect("has_room said so");
        count += 1;
    }
    assert_eq!(count, LOG_BYTES / 120);
    assert_eq!(recorder.stage(1, &[&frame[..100]]), Err(Full));
}

#[test]
fn a_long_name_is_cut_between_characters() {
    let (descriptor, mut recorder) = pair();
    recorder.set_name(&"é".repeat(60));
    let bytes = read_recorder_descriptor(&descriptor).expect("readable");
    assert_eq!(recorder::running_name(&bytes), "é".repeat(recorder::MAX_NAME_BYTES / 2));
}
