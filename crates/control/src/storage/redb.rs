//! Keeps the journal in one file, with the embedded database `redb`: what a head does unless told otherwise.
//!
//! Tables: `journal` has a record for each index; `state` has the snapshot (`snapshot`), the last event in it (`through`), its
//! checksum (`checksum`) and the version of all this (`format`). One append is one transaction with one sync of the file.

use crate::storage::assemble::assemble;
use crate::storage::record::Checksum;
use crate::storage::{Loaded, Record, Snapshot, Storage, StorageError};
use ::redb::backends::FileBackend;
use ::redb::{Builder, Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

const JOURNAL: TableDefinition<u64, &[u8]> = TableDefinition::new("journal");
const STATE: TableDefinition<&str, &[u8]> = TableDefinition::new("state");
const FORMAT: u32 = 1;
/// The whole journal is read once and then only written: little is worth keeping in memory.
const CACHE_BYTES: usize = 2 << 20;

/// How the file is reached; tests put a small disk in between.
type Make = Box<dyn Fn(&Builder, File) -> Result<Database, ::redb::DatabaseError> + Send>;

/// The journal in a file.
pub struct RedbStorage {
    path: PathBuf,
    make: Make,
    /// `None` before the first use, and after an error: the database cannot be used behind one, so it is opened again.
    database: Option<Database>,
    /// The last record that stands in the file.
    last_index: u64,
}

impl std::fmt::Debug for RedbStorage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RedbStorage").field("path", &self.path).finish_non_exhaustive()
    }
}

impl RedbStorage {
    /// The journal in this file, which is made at the first use, readable by nobody else.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::made_by(path, Box::new(|builder, file| builder.create_with_backend(FileBackend::new(file)?)))
    }

    pub(crate) fn made_by(path: impl Into<PathBuf>, make: Make) -> Self {
        Self { path: path.into(), make, database: None, last_index: 0 }
    }

    fn database(&mut self) -> Result<&Database, ::redb::Error> {
        let database = match self.database.take() {
            Some(database) => database,
            None => {
                let mut builder = Builder::new();
                builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
                (self.make)(&builder, open_private(&self.path)?)?
            }
        };
        Ok(self.database.insert(database))
    }

    /// Does it; after an error the file is opened anew the next time.
    fn attempt<R>(
        &mut self,
        action: impl FnOnce(&Database, &mut u64) -> Result<R, ::redb::Error>,
    ) -> Result<R, StorageError> {
        let mut last_index = self.last_index;
        let result = self.database().and_then(|database| action(database, &mut last_index));
        match result {
            Ok(result) => {
                self.last_index = last_index;
                Ok(result)
            }
            Err(error) => {
                self.database = None;
                Err(self.translate(error))
            }
        }
    }

    fn translate(&self, error: ::redb::Error) -> StorageError {
        let place = self.place();
        match error {
            ::redb::Error::Io(error) => match error.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                    StorageError::Full { place, message: error.to_string() }
                }
                ErrorKind::PermissionDenied | ErrorKind::NotFound | ErrorKind::IsADirectory => {
                    StorageError::Refused { place, message: error.to_string() }
                }
                ErrorKind::InvalidData | ErrorKind::UnexpectedEof => {
                    StorageError::Corrupt { place, message: error.to_string() }
                }
                _ => StorageError::Unavailable { place, message: error.to_string() },
            },
            ::redb::Error::DatabaseAlreadyOpen | ::redb::Error::LockProtocolMismatch => StorageError::InUse { place },
            ::redb::Error::Corrupted(message) => StorageError::Corrupt { place, message },
            error @ (::redb::Error::PreviousIo | ::redb::Error::TransactionPoisoned) => {
                StorageError::Unavailable { place, message: error.to_string() }
            }
            error => StorageError::Refused { place, message: error.to_string() },
        }
    }
}

impl Storage for RedbStorage {
    fn place(&self) -> String {
        format!("the file {}", self.path.display())
    }

    fn load(&mut self) -> Result<Loaded, StorageError> {
        let found = self.attempt(|database, last_index| {
            let found = read(database)?;
            *last_index = found.entries.last().map_or(0, |(index, _)| *index);
            Ok(found)
        })?;
        let place = self.place();
        if found.format != FORMAT {
            let message = format!("it has format {}, this version of trygon reads format {FORMAT}", found.format);
            return Err(StorageError::Refused { place, message });
        }
        if found.is_snapshot_damaged {
            return Err(StorageError::Corrupt {
                place,
                message: "the checksum of its snapshot does not fit".to_owned(),
            });
        }
        let through = found.snapshot.as_ref().map_or(0, |snapshot| snapshot.through);
        let entries = found.entries.into_iter().map(|(index, bytes)| (index, Record::decode(&bytes))).collect();
        let (records, cut) = assemble(&place, through, entries)?;
        Ok(Loaded { snapshot: found.snapshot, records, cut, warnings: Vec::new() })
    }

    fn append(&mut self, records: &[Record]) -> Result<(), StorageError> {
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return Ok(()) };
        self.attempt(|database, last_index| {
            let transaction = database.begin_write()?;
            {
                let mut journal = transaction.open_table(JOURNAL)?;
                if *last_index >= first.index {
                    journal.retain_in(first.index.., |_, _| false)?;
                }
                for record in records {
                    journal.insert(record.index, record.encode().as_slice())?;
                }
            }
            // Known to stand there from now on, whatever the commit says.
            *last_index = last.index;
            Ok(transaction.commit()?)
        })
        .inspect_err(|_| self.last_index = u64::MAX)
    }

    fn snapshot(&mut self, through: u64, state: &[u8]) -> Result<(), StorageError> {
        self.attempt(|database, _| {
            let transaction = database.begin_write()?;
            {
                let mut kept = transaction.open_table(STATE)?;
                kept.insert("through", through.to_le_bytes().as_slice())?;
                kept.insert("checksum", state_checksum(through, state).to_le_bytes().as_slice())?;
                kept.insert("snapshot", state)?;
                transaction.open_table(JOURNAL)?.retain_in(..=through, |_, _| false)?;
            }
            Ok(transaction.commit()?)
        })
    }
}

struct Found {
    format: u32,
    snapshot: Option<Snapshot>,
    is_snapshot_damaged: bool,
    entries: Vec<(u64, Vec<u8>)>,
}

fn read(database: &Database) -> Result<Found, ::redb::Error> {
    // Makes the tables of a new file, so that reading needs no other case for them.
    let transaction = database.begin_write()?;
    {
        transaction.open_table(JOURNAL)?;
        let mut state = transaction.open_table(STATE)?;
        if state.get("format")?.is_none() {
            state.insert("format", FORMAT.to_le_bytes().as_slice())?;
        }
    }
    transaction.commit()?;
    let transaction = database.begin_read()?;
    let state = transaction.open_table(STATE)?;
    let format = state.get("format")?.and_then(|bytes| bytes.value().try_into().ok()).map_or(0, u32::from_le_bytes);
    let through = state.get("through")?.and_then(|bytes| bytes.value().try_into().ok()).map(u64::from_le_bytes);
    let checksum = state.get("checksum")?.and_then(|bytes| bytes.value().try_into().ok()).map(u32::from_le_bytes);
    let bytes = state.get("snapshot")?.map(|bytes| bytes.value().to_vec());
    let snapshot = through.zip(bytes).map(|(through, state)| Snapshot { through, state });
    let is_snapshot_damaged =
        snapshot.as_ref().map(|snapshot| state_checksum(snapshot.through, &snapshot.state)) != checksum;
    let mut entries = Vec::new();
    for entry in transaction.open_table(JOURNAL)?.iter()? {
        let (index, bytes) = entry?;
        entries.push((index.value(), bytes.value().to_vec()));
    }
    Ok(Found { format, snapshot, is_snapshot_damaged, entries })
}

pub(crate) fn state_checksum(through: u64, state: &[u8]) -> u32 {
    let mut checksum = Checksum::new();
    checksum.add(&through.to_le_bytes());
    checksum.add(state);
    checksum.finish()
}

/// Opens the file, or makes it; nobody else may read what programs keep in the cluster.
fn open_private(path: &Path) -> Result<File, std::io::Error> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(file)
}
