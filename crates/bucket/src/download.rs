//! A part of a file in a bucket, read in ranges of which the next are asked for before they are needed.

use crate::failure::{explain, is_final};
use crate::kinds;
use crate::shared::Shared;
use bytes::Bytes;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use trygon_store::spill::Stored;

/// Bytes that are asked for at once.
const RANGE_BYTES: u64 = 8 << 20;
/// Requests under way for one object.
const MOST_UNDER_WAY: usize = 3;
/// How long it is waited before a request is made again, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A range that was asked for.
struct Asked {
    range: Range<u64>,
    answer: JoinHandle<io::Result<Bytes>>,
}

/// Where reading is.
#[derive(Default)]
struct Ahead {
    /// What came, and where in the file it begins.
    here: Option<(u64, Bytes)>,
    asked: VecDeque<Asked>,
    /// From there on nothing is asked for yet.
    next: u64,
}

/// The part.
pub(crate) struct Download {
    shared: Arc<Shared>,
    key: Path,
    bytes: Range<u64>,
    /// A lock, because a file is read through a shared reference. Only one thread reads.
    ahead: Mutex<Ahead>,
}

impl std::fmt::Debug for Download {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Download").field("key", &self.key).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Download {
    pub(crate) fn begin(shared: Arc<Shared>, file: u64, bytes: Range<u64>) -> Self {
        let ahead = Mutex::new(Ahead { next: bytes.start, ..Ahead::default() });
        Self { key: shared.key(file), shared, bytes, ahead }
    }

    fn ask(&self, range: Range<u64>) -> Asked {
        let asking = read(self.shared.clone(), self.key.clone(), range.clone());
        Asked { range, answer: kinds::begin(&self.shared.driver, asking) }
    }

    /// Brings what begins at `offset`, or has it in the middle.
    fn bring(&self, ahead: &mut Ahead, offset: u64) -> io::Result<()> {
        if ahead.asked.front().is_none_or(|asked| asked.range.start != offset) {
            // Not the one after the other: begin there.
            ahead.asked.drain(..).for_each(|asked| asked.answer.abort());
            ahead.next = offset;
        }
        while ahead.asked.len() < MOST_UNDER_WAY && ahead.next < self.bytes.end {
            let range = ahead.next..self.bytes.end.min(ahead.next + RANGE_BYTES);
            ahead.next = range.end;
            ahead.asked.push_back(self.ask(range));
        }
        let asked = ahead.asked.pop_front().ok_or(io::ErrorKind::UnexpectedEof)?;
        let came = self.shared.driver.block_on(asked.answer).map_err(io::Error::other)??;
        ahead.here = Some((asked.range.start, came));
        Ok(())
    }
}

/// Asks until there is an answer, within the place's patience.
async fn read(shared: Arc<Shared>, key: Path, range: Range<u64>) -> io::Result<Bytes> {
    let (began, mut pause) = (Instant::now(), FIRST_PAUSE);
    loop {
        let wanted = range.end - range.start;
        let error = match shared.store.get_range(&key, range.clone()).await {
            Ok(bytes) if bytes.len() as u64 == wanted => return Ok(bytes),
            Ok(_) => io::Error::new(io::ErrorKind::UnexpectedEof, "the file is shorter than it was"),
            Err(error) => explain(&error),
        };
        if is_final(&error) || began.elapsed() + pause > shared.limits.read_patience {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

impl Stored for Download {
    fn read_at(&self, bytes: &mut [u8], offset_bytes: u64) -> io::Result<()> {
        let mut ahead = self.ahead.lock();
        let mut filled = 0;
        while filled < bytes.len() {
            let offset = offset_bytes + filled as u64;
            let found = ahead.here.as_ref().and_then(|(start, here)| {
                let skipped = usize::try_from(offset.checked_sub(*start)?).ok()?;
                here.get(skipped..).filter(|rest| !rest.is_empty())
            });
            match (found, bytes.get_mut(filled..)) {
                (Some(rest), Some(into)) => {
                    let count = rest.len().min(into.len());
                    into.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                    filled += count;
                }
                _ => self.bring(&mut ahead, offset)?,
            }
        }
        Ok(())
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        self.ahead.lock().asked.drain(..).for_each(|asked| asked.answer.abort());
    }
}
