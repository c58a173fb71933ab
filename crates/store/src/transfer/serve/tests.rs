//! What a sender says of bytes that it waits for itself.

use super::*;
use crate::transfer::progress::Progress;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::JoinHandle;
use trygon_ids::{JobId, ObjectId, SegmentId};
use trygon_shm::{Segment, WritableMapping};
use trygon_store_core::{CHUNK_BYTES, ObjectLocation, Source};

const SIZE: u64 = 3 * CHUNK_BYTES;

/// A sender of a copy of three chunks whose bytes are 7, and what comes out of it.
struct Sender {
    progress: Arc<Progress>,
    stream: UnixStream,
    thread: JoinHandle<io::Result<bool>>,
}

impl Sender {
    fn start() -> Self {
        let segment = Segment::create("test", 4 * SIZE).expect("a segment");
        let mapping = WritableMapping::new(&segment, segment.size_bytes()).expect("a mapping");
        mapping.fill(0, SIZE, |bytes| bytes.fill(7)).expect("inside");
        let progress = Arc::new(Progress::new(SIZE));
        let (mut near, stream) = UnixStream::pair().expect("a pair");
        stream.set_timeout(Duration::from_secs(10)).expect("a socket");
        let location = ObjectLocation { segment: SegmentId(1), offset_bytes: 0, size_bytes: SIZE };
        let asker = Source { node: 2, location, is_direct: true, failed_node: None };
        let ask = Ask::Get { from: 0, to: SIZE };
        let request = Request { ask, job: JobId::new([1; 4]), object: ObjectId::new([1; 28]), location, asker };
        let served =
            Served::Data { mapping: Arc::new(mapping), progress: Some(progress.clone()), reads: Reads::Copy(1) };
        let thread = std::thread::spawn(move || send_chunks(&mut near, &request, &served, 0, SIZE));
        let mut sender = Self { progress, stream, thread };
        let mut head = [9; crate::transfer::frames::REPLY_BYTES];
        sender.stream.read_exact(&mut head).expect("a reply");
        assert_eq!(Reply::parse(&head).expect("well formed"), Reply::Data);
        sender
    }

    fn status(&mut self) -> u8 {
        let mut status = [99];
        self.stream.read_exact(&mut status).expect("a status");
        status[0]
    }

    fn assert_chunk(&mut self) {
        assert_eq!(self.status(), DATA);
        let mut bytes = vec![0; CHUNK_BYTES as usize];
        self.stream.read_exact(&mut bytes).expect("a chunk");
        assert!(bytes.iter().all(|byte| *byte == 7));
    }

    fn end(self) -> bool {
        self.thread.join().expect("no panic").expect("the stream holds")
    }
}

#[test]
fn a_sender_that_waits_says_so_and_goes_on() {
    let mut sender = Sender::start();
    sender.progress.note(0);
    sender.assert_chunk();
    // Nothing comes for a while: the other side hears of it before it loses patience.
    assert_eq!(sender.status(), WAIT);
    sender.progress.note(CHUNK_BYTES);
    sender.progress.note(2 * CHUNK_BYTES);
    sender.assert_chunk();
    sender.assert_chunk();
    // Here, and not yet known to be the object's.
    assert_eq!(sender.status(), WAIT);
    sender.progress.verify(0);
    assert!(sender.end());
}

#[test]
fn pull_6_a_sender_says_that_its_span_began_anew() {
    let mut sender = Sender::start();
    sender.progress.note(0);
    sender.assert_chunk();
    sender.progress.fail(0);
    assert_eq!(sender.status(), AGAIN);
    assert!(!sender.end());
}

#[test]
fn pull_7_a_sender_whose_room_is_given_up_says_so() {
    let mut sender = Sender::start();
    sender.progress.note(0);
    sender.assert_chunk();
    sender.progress.end(false);
    assert_eq!(sender.status(), FAILED);
    assert!(!sender.end());
}
