//! A file on its way into a bucket: one request if it is small, else parts of which a few are under way at once.

use crate::failure::explain;
use crate::kinds;
use crate::shared::Shared;
use bytes::{Bytes, BytesMut};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use trygon_store::spill::Incoming;

/// Size of a part, where a file has not too many of them.
const PART_BYTES: u64 = 8 << 20;
/// A file has at most so many parts; servers allow twice that.
const MOST_PARTS: u64 = 5_000;
/// Parts that are under way at once. With the two files that are written at once, this bounds the memory for it.
const MOST_UNDER_WAY: usize = 3;
/// A body goes out in pieces of this size, by which it is seen that it moves.
const PIECE_BYTES: usize = 256 << 10;
/// What was begun and is not wanted any more is undone within this time, or left to the bucket's own rules.
const ABORT_LIMIT: Duration = Duration::from_secs(2);

/// The file.
pub(crate) struct Upload {
    shared: Arc<Shared>,
    key: Path,
    part_bytes: usize,
    buffer: BytesMut,
    /// `None` until there is a second part.
    parts: Option<Box<dyn MultipartUpload>>,
    under_way: VecDeque<JoinHandle<object_store::Result<()>>>,
}

impl Upload {
    pub(crate) fn begin(shared: Arc<Shared>, file: u64, size_bytes: u64) -> io::Result<Self> {
        let part_bytes = PART_BYTES.max(size_bytes.div_ceil(MOST_PARTS));
        let key = shared.key(file);
        if !shared.uploads.begin() {
            return Err(io::Error::other("the daemon ends"));
        }
        let capacity = part_bytes.min(size_bytes) as usize;
        Ok(Self {
            shared,
            key,
            part_bytes: part_bytes as usize,
            buffer: BytesMut::with_capacity(capacity),
            parts: None,
            under_way: VecDeque::new(),
        })
    }

    fn send_part(&mut self) -> io::Result<()> {
        if self.shared.uploads.is_closed() {
            return Err(io::Error::other("the daemon ends"));
        }
        while self.under_way.len() >= MOST_UNDER_WAY {
            self.await_part()?;
        }
        if self.parts.is_none() {
            let begun = self.shared.driver.block_on(self.shared.store.put_multipart(&self.key));
            self.parts = Some(begun.map_err(|error| explain(&error))?);
        }
        let next = BytesMut::with_capacity(self.part_bytes);
        let body = pieces(std::mem::replace(&mut self.buffer, next).freeze());
        if let Some(parts) = &mut self.parts {
            self.under_way.push_back(kinds::begin(&self.shared.driver, parts.put_part(body)));
        }
        Ok(())
    }

    /// Waits for the part that was sent first.
    fn await_part(&mut self) -> io::Result<()> {
        let Some(part) = self.under_way.pop_front() else { return Ok(()) };
        let sent = self.shared.driver.block_on(part).map_err(io::Error::other)?;
        sent.map_err(|error| explain(&error))
    }
}

fn pieces(bytes: Bytes) -> PutPayload {
    let starts = (0..bytes.len()).step_by(PIECE_BYTES);
    starts.map(|start| bytes.slice(start..(start + PIECE_BYTES).min(bytes.len()))).collect()
}

impl Incoming for Upload {
    fn append(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            // Not before there is more: what fits into one part is sent in one request.
            if self.buffer.len() == self.part_bytes {
                self.send_part()?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(self.part_bytes - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>, progress: &mut dyn FnMut()) -> io::Result<()> {
        if self.parts.is_none() {
            let body = pieces(std::mem::take(&mut self.buffer).freeze());
            let sent = self.shared.driver.block_on(self.shared.store.put(&self.key, body));
            return sent.map(|_| ()).map_err(|error| explain(&error));
        }
        self.send_part()?;
        while !self.under_way.is_empty() {
            self.await_part()?;
            progress();
        }
        if let Some(parts) = &mut self.parts {
            self.shared.driver.block_on(parts.complete()).map_err(|error| explain(&error))?;
        }
        self.parts = None;
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.under_way.iter().for_each(JoinHandle::abort);
        if let Some(mut parts) = self.parts.take() {
            let _ = self.shared.driver.block_on(async { tokio::time::timeout(ABORT_LIMIT, parts.abort()).await });
        }
        self.shared.uploads.end();
    }
}
