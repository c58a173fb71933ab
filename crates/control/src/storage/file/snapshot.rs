//! Snapshots: a state in a file of its own, behind which a new journal begins.
//!
//! ```text
//! "trygon-snapshot1", through (8 bytes), checksum (4), large values (8), the digest of each (32), the state
//! ```

use crate::storage::Snapshot;
use crate::storage::file::faults::{Faults, Point};
use crate::storage::file::folder::{name, numbered, write};
use crate::storage::file::frame::{HEADER_BYTES, checksum};
use crate::storage::file::held::Held;
use crate::storage::file::open_journal::{JOURNAL, begin_journal};
use crate::storage::large::Large;
use std::io;
use std::path::Path;

pub(super) const SNAPSHOT: &str = "snapshot-";
const MAGIC: &[u8; 16] = b"trygon-snapshot1";

impl Held {
    /// Keeps a state, begins a new journal behind it, and removes what only the snapshot before the last one needed.
    pub(super) fn snapshot(
        &mut self,
        folder: &Path,
        through: u64,
        state: &[u8],
        large: &[Large<'_>],
        faults: &mut Faults,
    ) -> io::Result<()> {
        self.blobs.keep(large.iter().map(|large| (0, large.digest, large.bytes)))?;
        let head = head(through, state, large);
        write(folder, &name(SNAPSHOT, through), &[&head, state], || faults.pass(Point::BeforeSnapshot))?;
        self.blobs.known.note_snapshot(large.iter().map(|large| large.digest));
        faults.pass(Point::AfterSnapshot);
        let [newest, earlier] = self.snapshots;
        self.snapshots = [through, if newest == through { earlier } else { newest }];
        // The snapshot counts. Where there is no room for a new journal the old one goes on, and nothing is wrong.
        if self.journal.end > HEADER_BYTES as u64
            && let Ok(journal) = begin_journal(folder, self.last_index)
        {
            self.journal = journal;
            // Until it is noted there, nobody would miss it; nothing is in it yet.
            self.holder.note_journal(self.last_index)?;
        }
        faults.pass(Point::BeforeRemoval);
        self.blobs.collect(self.snapshots[1]);
        // What stays takes room, nothing else.
        let _ = self.remove_old(folder);
        Ok(())
    }

    fn remove_old(&self, folder: &Path) -> io::Result<()> {
        let [newest, earlier] = self.snapshots;
        for (through, path) in numbered(folder, SNAPSHOT)? {
            if through != newest && through != earlier {
                std::fs::remove_file(path)?;
            }
        }
        let journals = numbered(folder, JOURNAL)?;
        let followed = journals.iter().zip(journals.iter().skip(1));
        for ((_, path), _) in followed.filter(|(_, (next, _))| *next <= earlier) {
            std::fs::remove_file(path)?;
        }
        Ok(())
    }
}

fn head(through: u64, state: &[u8], large: &[Large<'_>]) -> Vec<u8> {
    let mut digests = (large.len() as u64).to_le_bytes().to_vec();
    large.iter().for_each(|large| digests.extend_from_slice(&large.digest));
    let through = through.to_le_bytes();
    let sum = checksum(&[&through, &digests, state]).to_le_bytes();
    [&MAGIC[..], &through, &sum, &digests].concat()
}

/// Reads a snapshot; its large values are yet to be fetched. Says what is wrong with it, and at which byte.
pub(super) fn read(path: &Path, through: u64) -> Result<Snapshot, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let wrong = |at: usize, what: &str| format!("{} at byte {at} of {}: {what}", path.display(), bytes.len());
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| wrong(0, "it does not begin as a snapshot"))?;
    let (found, rest) = rest.split_first_chunk::<8>().ok_or_else(|| wrong(16, "it ends"))?;
    let (sum, rest) = rest.split_first_chunk::<4>().ok_or_else(|| wrong(24, "it ends"))?;
    if checksum(&[found, rest]) != u32::from_le_bytes(*sum) {
        return Err(wrong(28, "the checksum of what follows does not fit"));
    }
    if u64::from_le_bytes(*found) != through {
        return Err(wrong(16, "it holds other events than its name says"));
    }
    let (count, rest) = rest.split_first_chunk::<8>().ok_or_else(|| wrong(28, "it ends"))?;
    let (digests, state) = usize::try_from(u64::from_le_bytes(*count))
        .ok()
        .and_then(|count| rest.split_at_checked(count.checked_mul(32)?))
        .ok_or_else(|| wrong(28, "it ends before its large values do"))?;
    let large = digests.as_chunks::<32>().0.iter().map(|digest| (*digest, Vec::new())).collect();
    Ok(Snapshot { through, state: state.to_vec(), large })
}
