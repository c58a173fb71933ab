//! Writing a file.

use crate::spill::BLOCK_BYTES;
use crate::spill::catalogue::Catalogue;
use crate::spill::disk_failure::DiskFailure;
use crate::spill::events::{SpillEvent, SpillReporter};
use crate::spill::storage::Incoming;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use trygon_shm::{ReadOnlyMapping, SegmentBytes};
use trygon_store_core::FilePart;
use xxhash_rust::xxh3::xxh3_64;

/// Whoever waits for space is told that something happens, after so many bytes.
const PROGRESS_BYTES: u64 = 16 << 20;
/// Or after so long, where the place is slow.
const PROGRESS_TIME: Duration = Duration::from_secs(1);

/// Where an object's bytes are.
#[derive(Debug)]
pub(crate) enum PartBytes {
    Memory { mapping: Arc<ReadOnlyMapping>, offset_bytes: u64, size_bytes: u64 },
    File { part: FilePart, size_bytes: u64 },
}

impl PartBytes {
    fn size_bytes(&self) -> u64 {
        match self {
            Self::Memory { size_bytes, .. } | Self::File { size_bytes, .. } => *size_bytes,
        }
    }
}

/// A file to be written.
#[derive(Debug)]
pub(crate) struct WriteJob {
    pub(crate) file: u64,
    pub(crate) parts: Vec<PartBytes>,
}

/// Says that a file grows.
struct Progress<'a> {
    reporter: &'a SpillReporter,
    untold_bytes: u64,
    told: Instant,
}

impl<'a> Progress<'a> {
    fn new(reporter: &'a SpillReporter) -> Self {
        Self { reporter, untold_bytes: 0, told: Instant::now() }
    }

    fn wrote(&mut self, bytes: u64) {
        self.untold_bytes += bytes;
        if self.untold_bytes >= PROGRESS_BYTES || self.told.elapsed() >= PROGRESS_TIME {
            self.tell();
        }
    }

    fn tell(&mut self) {
        (self.untold_bytes, self.told) = (0, Instant::now());
        self.reporter.report(SpillEvent::Progress);
    }
}

type Checksums = HashMap<u64, Arc<[u64]>>;

impl WriteJob {
    /// Tries every place once, beginning with the one whose turn it is.
    pub(crate) fn run(&self, catalogue: &Catalogue, reporter: &SpillReporter) -> SpillEvent {
        let began = Instant::now();
        let size_bytes = self.parts.iter().map(PartBytes::size_bytes).sum();
        let file = self.file;
        let mut failures = Vec::new();
        let count = catalogue.places.len();
        for index in (0..count).map(|step| (file as usize + step) % count) {
            let Some(place) = catalogue.places.get(index) else { continue };
            let written = place.create(file, size_bytes).and_then(|mut incoming| {
                let mut progress = Progress::new(reporter);
                let checksums = self.write(&mut *incoming, catalogue, &mut progress)?;
                incoming.finish(&mut || progress.tell())?;
                Ok(checksums)
            });
            match written {
                Ok(checksums) => {
                    catalogue.add(file, index, checksums);
                    return SpillEvent::Written { file, size_bytes, took: began.elapsed() };
                }
                Err(error) => failures.push(DiskFailure::new(place.name(), place.room(), &error)),
            }
        }
        SpillEvent::WriteFailed { file, failures }
    }

    fn write(
        &self,
        incoming: &mut dyn Incoming,
        catalogue: &Catalogue,
        progress: &mut Progress<'_>,
    ) -> io::Result<Checksums> {
        let mut all = Checksums::new();
        let mut offset = 0;
        for part in &self.parts {
            let mut checksums = Vec::new();
            part.for_each_block(catalogue, |block| {
                checksums.push(xxh3_64(block));
                incoming.append(block)?;
                progress.wrote(block.len() as u64);
                Ok(())
            })?;
            all.insert(offset, checksums.into());
            offset += part.size_bytes();
        }
        Ok(all)
    }
}

impl PartBytes {
    fn for_each_block(&self, catalogue: &Catalogue, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let blocks = |size_bytes: u64| {
            (0..size_bytes).step_by(BLOCK_BYTES as usize).map(move |start| (start, BLOCK_BYTES.min(size_bytes - start)))
        };
        match self {
            Self::Memory { mapping, offset_bytes, size_bytes } => {
                for (start, len) in blocks(*size_bytes) {
                    mapping.prepare(offset_bytes + start, len);
                    take(mapping.range(offset_bytes + start, len).ok_or(io::ErrorKind::InvalidInput)?)?;
                }
            }
            Self::File { part, size_bytes } => {
                let opened = catalogue.open(*part, *size_bytes).map_err(io::Error::other)?;
                let mut buffer = vec![0; BLOCK_BYTES.min(*size_bytes) as usize];
                for (start, len) in blocks(*size_bytes) {
                    let block = buffer.get_mut(..len as usize).ok_or(io::ErrorKind::InvalidInput)?;
                    opened.read_block(start, block).map_err(io::Error::other)?;
                    take(block)?;
                }
            }
        }
        Ok(())
    }
}
