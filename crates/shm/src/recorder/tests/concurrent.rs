//! A reader that looks while the writer still runs, in every interleaving that the memory model allows (loom).

use super::super::publish::{self, RecorderMemory};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering, fence};
use trygon_wire::recorder::{LOG_OFFSET, STAGED_LEN_OFFSET, STARTED_OFFSET};

/// The first words of a recorder's head and log, as atomics that loom watches.
struct WatchedMemory {
    words: Vec<AtomicU64>,
}

const HEAD_WORDS: usize = LOG_OFFSET / 8;
const LOG_WORDS: usize = 6;

impl WatchedMemory {
    fn new() -> Self {
        Self { words: (0..5 + LOG_WORDS).map(|_| AtomicU64::new(0)).collect() }
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        let index = offset / 8;
        // Only the head's first words are used besides the log.
        &self.words[if index < HEAD_WORDS { index } else { index - HEAD_WORDS + 5 }]
    }

    fn load(&self, offset: usize) -> u64 {
        self.word(offset).load(Ordering::Relaxed)
    }
}

impl RecorderMemory for WatchedMemory {
    fn write(&self, offset: usize, bytes: &[u8]) {
        assert_eq!(bytes.len() % 8, 0, "this memory knows whole words only");
        for (index, chunk) in bytes.chunks(8).enumerate() {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            self.word(offset + index * 8).store(u64::from_le_bytes(word), Ordering::Relaxed);
        }
    }

    fn write_u32(&self, offset: usize, value: u32) {
        let word = self.word(offset);
        let shift = (offset % 8) * 8;
        let kept = word.load(Ordering::Relaxed) & !(0xffff_ffff << shift);
        word.store(kept | (u64::from(value) << shift), Ordering::Relaxed);
    }

    fn publish_u64(&self, offset: usize, value: u64) {
        self.word(offset).store(value, Ordering::Release);
    }

    fn keep_before_later_writes(&self) {
        fence(Ordering::SeqCst);
    }
}

#[test]
fn a_length_covers_complete_records_only() {
    loom::model(|| {
        let memory = Arc::new(WatchedMemory::new());
        let writer = memory.clone();
        let thread = loom::thread::spawn(move || {
            let (_, staged_len) = publish::stage(&*writer, 0, 11, &[&[1; 8]]).expect("room");
            publish::stage(&*writer, staged_len, 12, &[&[2; 8]]).expect("room");
        });
        let staged_len = memory.word(STAGED_LEN_OFFSET).load(Ordering::Acquire) as usize;
        for (index, at) in (0..staged_len).step_by(24).enumerate() {
            assert_eq!(memory.load(LOG_OFFSET + at), 11 + index as u64);
            assert_eq!(memory.load(LOG_OFFSET + at + 8), 8);
            assert_eq!(memory.load(LOG_OFFSET + at + 16), [0x0101_0101_0101_0101, 0x0202_0202_0202_0202][index]);
        }
        thread.join().expect("no panic");
    });
}

#[test]
fn a_cleared_log_is_not_covered_by_its_old_length() {
    loom::model(|| {
        let memory = Arc::new(WatchedMemory::new());
        let writer = memory.clone();
        let thread = loom::thread::spawn(move || {
            publish::stage(&*writer, 0, 11, &[&[1; 8]]).expect("room");
            publish::clear_staged(&*writer);
            publish::stage(&*writer, 0, 12, &[&[2; 16]]).expect("room");
        });
        let before = memory.word(STAGED_LEN_OFFSET).load(Ordering::Acquire);
        let body = memory.load(LOG_OFFSET + 16);
        fence(Ordering::SeqCst);
        let after = memory.word(STAGED_LEN_OFFSET).load(Ordering::Relaxed);
        if before == 24 && body == 0x0202_0202_0202_0202 {
            assert_ne!(after, 24, "the second record's body is there while the first one's length still holds");
        }
        thread.join().expect("no panic");
    });
}

#[test]
fn a_started_task_is_seen_whole() {
    loom::model(|| {
        let memory = Arc::new(WatchedMemory::new());
        let writer = memory.clone();
        let thread = loom::thread::spawn(move || publish::set_started(&*writer, 5, 6, 7, 8));
        if memory.word(STARTED_OFFSET).load(Ordering::Acquire) != 0 {
            assert_eq!(memory.load(STARTED_OFFSET + 8), 6 | (7 << 32));
            assert_eq!(memory.load(STARTED_OFFSET + 16), 8);
        }
        thread.join().expect("no panic");
    });
}
