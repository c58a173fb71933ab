//! Keeps nothing beyond the process, as the embedded control service wants it; the model that the others are measured by.

use crate::storage::{Large, Loaded, Record, Snapshot, Storage, StorageError};

/// The journal in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryStorage {
    snapshot: Option<Snapshot>,
    records: Vec<Record>,
}

impl Storage for MemoryStorage {
    fn place(&self) -> String {
        "memory".to_owned()
    }

    fn load(&mut self) -> Result<Loaded, StorageError> {
        Ok(Loaded { snapshot: self.snapshot.clone(), records: self.records.clone(), ..Loaded::default() })
    }

    fn append(&mut self, records: &[Record]) -> Result<(), StorageError> {
        if let Some(first) = records.first() {
            self.records.retain(|record| record.index < first.index);
            self.records.extend_from_slice(records);
        }
        Ok(())
    }

    fn snapshot(&mut self, through: u64, state: &[u8], large: &[Large<'_>]) -> Result<(), StorageError> {
        self.snapshot = Some(Snapshot {
            through,
            state: state.to_vec(),
            large: large.iter().map(|one| (one.digest, one.bytes.to_vec())).collect(),
        });
        self.records.retain(|record| record.index > through);
        Ok(())
    }
}
