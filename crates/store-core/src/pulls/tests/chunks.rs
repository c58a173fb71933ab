//! What is here of a copy, and what may be sent on.

use crate::pulls::chunks::{CHUNK_BYTES, Chunks, Outlook, SPAN_BYTES};

/// Two spans, the second one of one chunk and a bit.
const SIZE: u64 = SPAN_BYTES + CHUNK_BYTES + 5;

fn fill(chunks: &mut Chunks, span: u64, now_ms: u64) {
    let (from, to) = chunks.span_range(span);
    for start in (from..to).step_by(CHUNK_BYTES as usize) {
        chunks.note(start, now_ms);
    }
}

#[test]
fn a_fetch_brings_what_is_missing_and_nothing_else() {
    let mut chunks = Chunks::new(SIZE, 0);
    assert_eq!((chunks.span_range(0), chunks.span_range(1)), ((0, SPAN_BYTES), (SPAN_BYTES, SIZE)));
    assert_eq!(chunks.missing_spans(), [0, 1]);
    fill(&mut chunks, 0, 1);
    fill(&mut chunks, 1, 1);
    assert_eq!(chunks.missing_spans(), [0, 1], "nobody has said that these bytes are the object's");
    chunks.verify(1);
    assert_eq!(chunks.missing_spans(), [0]);
    // What is verified stays, whatever fails later.
    chunks.fail(1);
    chunks.fail(0);
    assert_eq!(chunks.missing_spans(), [0]);
    assert_eq!((chunks.generation(0), chunks.generation(1)), (1, 0));
    assert_eq!(chunks.look(0, 1, 2), Outlook::Coming);
    // An empty object's source is asked all the same, and its span is never waited for.
    assert_eq!(Chunks::new(0, 0).missing_spans(), [0]);
    assert_eq!(Chunks::new(0, 0).look_verified(0, 0, 0), Outlook::Ready);
}

#[test]
fn a_chunk_is_sent_on_at_once_and_counts_when_its_span_is_verified() {
    let mut chunks = Chunks::new(SIZE, 0);
    assert_eq!(chunks.look(0, 0, 0), Outlook::Coming);
    chunks.note(0, 0);
    assert_eq!((chunks.look(0, 0, 0), chunks.look(CHUNK_BYTES, 0, 0)), (Outlook::Ready, Outlook::Coming));
    assert_eq!(chunks.look_verified(0, 0, 0), Outlook::Coming);
    chunks.verify(0);
    assert_eq!((chunks.look_verified(0, 0, 0), chunks.look_verified(1, 0, 0)), (Outlook::Ready, Outlook::Coming));
}

/// PULL-6: a mixture of two tries is never the object.
#[test]
fn pull_6_what_was_sent_of_a_span_that_began_anew_does_not_count() {
    let mut chunks = Chunks::new(SIZE, 0);
    let before = chunks.generation(0);
    chunks.note(0, 0);
    assert_eq!(chunks.look(0, before, 0), Outlook::Ready);
    chunks.fail(0);
    assert_eq!(chunks.look(CHUNK_BYTES, before, 0), Outlook::Renewed);
    fill(&mut chunks, 0, 1);
    chunks.verify(0);
    // Now it is complete and correct; what was sent before may have been neither.
    assert_eq!(chunks.look_verified(0, before, 1), Outlook::Renewed);
    assert_eq!(chunks.look_verified(0, chunks.generation(0), 1), Outlook::Ready);
}

/// PULL-7: by the clock, and by the end of the room.
#[test]
fn pull_7_waiting_ends_with_the_room_or_when_nothing_comes() {
    let mut chunks = Chunks::new(SIZE, 1_000);
    chunks.note(0, 30_000);
    assert_eq!(chunks.look(CHUNK_BYTES, 0, 49_999), Outlook::Coming);
    assert_eq!(chunks.look(CHUNK_BYTES, 0, 50_000), Outlook::Never);
    assert_eq!(chunks.look_verified(0, 0, 50_000), Outlook::Never);
    assert_eq!(chunks.look(0, 0, 50_000), Outlook::Ready, "what is here is here");
    chunks.note(CHUNK_BYTES, 50_000);
    assert_eq!(chunks.look(2 * CHUNK_BYTES, 0, 50_000), Outlook::Coming);
    // The memory of a room that was given up is another's.
    chunks.end(false);
    assert_eq!(chunks.look(0, 0, 50_001), Outlook::Never);
    let mut complete = Chunks::new(SIZE, 0);
    fill(&mut complete, 0, 0);
    complete.verify(0);
    complete.end(true);
    assert_eq!(complete.look_verified(0, 0, 90_000), Outlook::Ready);
}
