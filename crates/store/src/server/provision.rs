//! Segments as they are made and as they go: the system zeroes and takes back pages at a few GB/s, so with a large segment both are done
//! in pieces, between which the daemon serves everyone else.

use rustix::io;
use std::collections::VecDeque;
use trygon_ids::SegmentId;
use trygon_shm::Segment;

/// What is populated at once: a few milliseconds of work.
const PIECE_BYTES: u64 = 16 << 20;

#[derive(Debug)]
struct Unfinished {
    id: SegmentId,
    segment: Segment,
    populated_bytes: u64,
}

/// What became of a segment.
#[derive(Debug)]
pub(crate) enum Made {
    Ready(SegmentId, Segment),
    Failed(SegmentId),
}

/// A segment whose pages go back to the system.
#[derive(Debug)]
struct Leaving {
    segment: Segment,
    erased_bytes: u64,
}

/// The segments that are not populated yet, and those that are not gone yet; oldest first.
#[derive(Debug, Default)]
pub(crate) struct Provisioning {
    unfinished: VecDeque<Unfinished>,
    leaving: VecDeque<Leaving>,
}

impl Provisioning {
    /// Begins a segment. A small one is finished at once.
    pub(crate) fn begin(&mut self, id: SegmentId, size_bytes: u64) -> Option<Made> {
        let Ok(segment) = Segment::create_empty(&format!("trygon-segment-{}", id.0), size_bytes) else {
            return Some(Made::Failed(id));
        };
        if segment.size_bytes() <= PIECE_BYTES {
            let populated = segment.populate(0, segment.size_bytes());
            return Some(if populated.is_ok() { Made::Ready(id, segment) } else { Made::Failed(id) });
        }
        self.unfinished.push_back(Unfinished { id, segment, populated_bytes: 0 });
        None
    }

    /// Lets a segment go that nobody looks at, whoever may still have it mapped.
    pub(crate) fn erase(&mut self, segment: Segment) {
        self.leaving.push_back(Leaving { segment, erased_bytes: 0 });
        // A small one is gone at once.
        if self.leaving.len() == 1 {
            self.erase_piece();
        }
    }

    fn erase_piece(&mut self) {
        let Some(first) = self.leaving.front_mut() else {
            return;
        };
        let len = PIECE_BYTES.min(first.segment.size_bytes() - first.erased_bytes);
        let erased = first.segment.erase(first.erased_bytes, len);
        first.erased_bytes += len;
        // Where it cannot be erased, its pages go when the last process unmaps them.
        if erased.is_err() || first.erased_bytes == first.segment.size_bytes() {
            self.leaving.pop_front();
        }
    }

    /// One more piece of the oldest segment of either kind.
    pub(crate) fn go_on(&mut self) -> Option<Made> {
        self.erase_piece();
        let first = self.unfinished.front_mut()?;
        match first.populate_piece() {
            Ok(false) => None,
            Ok(true) => self.unfinished.pop_front().map(|done| Made::Ready(done.id, done.segment)),
            Err(_) => self.unfinished.pop_front().map(|failed| Made::Failed(failed.id)),
        }
    }

    /// Forgets a segment that nobody waits for any more.
    pub(crate) fn cancel(&mut self, id: SegmentId) {
        self.unfinished.retain(|unfinished| unfinished.id != id);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.unfinished.is_empty() && self.leaving.is_empty()
    }
}

impl Unfinished {
    /// True when that was the last piece.
    fn populate_piece(&mut self) -> io::Result<bool> {
        let len = PIECE_BYTES.min(self.segment.size_bytes() - self.populated_bytes);
        self.segment.populate(self.populated_bytes, len)?;
        self.populated_bytes += len;
        Ok(self.populated_bytes == self.segment.size_bytes())
    }
}
