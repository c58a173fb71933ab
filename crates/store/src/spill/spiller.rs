//! The threads, and what they are given.

use crate::spill::catalogue::Catalogue;
use crate::spill::events::SpillReporter;
use crate::spill::folder::Folder;
use crate::spill::kinds;
use crate::spill::options::SpillOptions;
use crate::spill::queue::Queue;
use crate::spill::read::Restore;
use crate::spill::storage::Storage;
use crate::spill::write::WriteJob;
use std::io;
use std::sync::Arc;

const WRITERS: usize = 2;
const READERS: usize = 4;

#[derive(Debug)]
enum Reading {
    Restore(Restore),
    Delete(u64),
}

/// Writes, reads and deletes files.
#[derive(Debug)]
pub(crate) struct Spiller {
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) reporter: SpillReporter,
    writes: Arc<Queue<WriteJob>>,
    reads: Arc<Queue<Reading>>,
}

impl Spiller {
    /// Starts the threads.
    pub(crate) fn start(options: &SpillOptions, reporter: SpillReporter) -> io::Result<Self> {
        let place = |directory: &String| -> io::Result<Arc<dyn Storage>> {
            match options.remote.iter().find(|place| place.name() == *directory) {
                Some(place) => Ok(place.clone()),
                None => Ok(Arc::new(Folder::new(directory, options.disk_share)?)),
            }
        };
        let places = options.directories.iter().map(place).collect::<io::Result<Vec<_>>>()?;
        let spiller = Self {
            catalogue: Arc::new(Catalogue::new(places)),
            reporter,
            writes: Arc::new(Queue::new()),
            reads: Arc::new(Queue::new()),
        };
        for _ in 0..WRITERS {
            let (catalogue, reporter, queue) =
                (spiller.catalogue.clone(), spiller.reporter.clone(), spiller.writes.clone());
            kinds::start("spill-write", move || {
                while let Some(job) = queue.next() {
                    let event = job.run(&catalogue, &reporter);
                    // The mappings go before the loop may let the segments go.
                    drop(job);
                    if !reporter.report(event) {
                        return;
                    }
                }
            })?;
        }
        for _ in 0..READERS {
            let (catalogue, reporter, queue) =
                (spiller.catalogue.clone(), spiller.reporter.clone(), spiller.reads.clone());
            kinds::start("spill-read", move || {
                while let Some(job) = queue.next() {
                    match job {
                        Reading::Restore(restore) => {
                            reporter.report(restore.run(&catalogue));
                        }
                        Reading::Delete(file) => catalogue.delete(file),
                    }
                }
            })?;
        }
        Ok(spiller)
    }

    pub(crate) fn write(&self, job: WriteJob) {
        self.writes.add(job);
    }

    pub(crate) fn restore(&self, restore: Restore) {
        self.reads.add(Reading::Restore(restore));
    }

    pub(crate) fn delete(&self, file: u64) {
        self.reads.add(Reading::Delete(file));
    }

    /// The end: no file stays.
    pub(crate) fn clear(&self) {
        self.writes.close();
        self.reads.close();
        self.catalogue.places.iter().for_each(|place| place.clear());
    }
}

impl Drop for Spiller {
    fn drop(&mut self) {
        self.writes.close();
        self.reads.close();
    }
}
