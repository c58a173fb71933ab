//! Keeps the journal in a Redis server, for those who run one.
//!
//! All keys begin with `trygon:{CLUSTER}:`, so that one server serves many clusters and a Redis cluster keeps each in one slot:
//! - `journal`, a stream: the entry `INDEX-0` is an event, with the fields `event` (what it is, in a word), `node` (where it came
//!   from, in hexadecimal), `at_us` (the head's clock, microseconds since 1970), `body`, `blob` (the SHA-256 of a large value that belongs
//!   to it, or empty) and `checksum`.
//! - `snapshot`, a hash: `through` (the last event in it), `state`, `blobs` (the SHA-256 of its large values), `checksum`.
//! - `blobs`, a hash: large values by their SHA-256.
//! - `about`, a hash: `format`, and `holder`, a number that grows whenever a control service takes the journal over.
//!
//! Every write is one script, which first looks whether its sender still is the holder. How much a crash of the server's machine
//! can lose is the server's own setting: with `appendonly yes` and `appendfsync always`, nothing.

use crate::storage::assemble::assemble;
use crate::storage::large::{Digest, Known, digest_of, from_hex, hex};
use crate::storage::record::Checksum;
use crate::storage::{Large, LargeBody, Loaded, Record, Snapshot, Storage, StorageError};
use ::redis::{Client, Connection, ConnectionLike, RedisError, Script, TlsCertificates, cmd};
use std::path::Path;
use std::time::Duration;
use trygon_ids::NodeId;

const FORMAT: &str = "1";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Entries that are read at a time.
const PAGE: usize = 512;

/// Takes the journal over: answers the new holder's number, or the format that is there.
const TAKE: &str = "
local format = redis.call('HGET', KEYS[1], 'format')
if format and format ~= ARGV[1] then return {0, format} end
redis.call('HSET', KEYS[1], 'format', ARGV[1])
return {redis.call('HINCRBY', KEYS[1], 'holder', 1), ARGV[1]}";

/// Appends entries from an index on, in place of whatever stands there: answers 0 when another holds the journal.
const APPEND: &str = "
if redis.call('HGET', KEYS[1], 'holder') ~= ARGV[1] then return 0 end
local first = ARGV[2]
local old = redis.call('XRANGE', KEYS[2], first, '+')
if #old > 0 then
  for _, entry in ipairs(old) do redis.call('XDEL', KEYS[2], entry[1]) end
  redis.call('XSETID', KEYS[2], ARGV[3])
end
for place = 4, #ARGV, 7 do
  redis.call('XADD', KEYS[2], ARGV[place], 'event', ARGV[place + 1], 'node', ARGV[place + 2], 'at_us', ARGV[place + 3],
    'body', ARGV[place + 4], 'blob', ARGV[place + 5], 'checksum', ARGV[place + 6])
end
return 1";

/// Replaces the snapshot and forgets the entries in it: answers 0 when another holds the journal.
const SNAPSHOT: &str = "
if redis.call('HGET', KEYS[1], 'holder') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[3], 'through', ARGV[2], 'state', ARGV[3], 'checksum', ARGV[4], 'blobs', ARGV[6])
redis.call('XTRIM', KEYS[2], 'MINID', ARGV[5])
return 1";

/// One entry of a stream as the server tells it: its id, and its fields and their values by turns.
type StreamEntry = (String, Vec<Vec<u8>>);

/// The journal in a Redis server.
pub struct RedisStorage {
    client: Client,
    place: String,
    /// `about`, `journal` and `snapshot`.
    keys: [String; 3],
    connection: Option<Connection>,
    /// Our number as the holder, from `load` on.
    holder: i64,
    /// The key of the large values, and those that are there.
    blobs: String,
    known: Known,
}

impl std::fmt::Debug for RedisStorage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RedisStorage").field("place", &self.place).finish_non_exhaustive()
    }
}

impl RedisStorage {
    /// The journal of `cluster` in the server with this address. `authority` is a PEM file with the certificates that the
    /// server's is to be signed by; without it, those that the machine trusts.
    ///
    /// # Errors
    /// When the address makes no sense or the file cannot be read. Nothing is connected yet.
    pub fn new(address: &str, cluster: &str, authority: Option<&Path>) -> Result<Self, StorageError> {
        let place = place_without_secrets(address, cluster);
        let refused = |message: String| StorageError::Refused { place: place.clone(), message };
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        if !is_name(cluster) {
            return Err(refused("the cluster's name must be letters, digits, '-', '_' and '.'".to_owned()));
        }
        let client = match authority {
            None => Client::open(address),
            Some(path) => {
                let root_cert = std::fs::read(path).map_err(|error| refused(format!("{}: {error}", path.display())))?;
                Client::build_with_tls(address, TlsCertificates { client_tls: None, root_cert: Some(root_cert) })
            }
        };
        let client = client.map_err(|error| refused(error.to_string()))?;
        let keys = ["about", "journal", "snapshot"].map(|name| format!("trygon:{{{cluster}}}:{name}"));
        let blobs = format!("trygon:{{{cluster}}}:blobs");
        Ok(Self { client, place, keys, connection: None, holder: 0, blobs, known: Known::default() })
    }

    fn connection(&mut self) -> Result<&mut Connection, RedisError> {
        let connection = match self.connection.take().filter(ConnectionLike::is_open) {
            Some(connection) => connection,
            None => {
                let connection = self.client.get_connection_with_timeout(CONNECT_TIMEOUT)?;
                connection.set_read_timeout(Some(ANSWER_TIMEOUT))?;
                connection.set_write_timeout(Some(ANSWER_TIMEOUT))?;
                connection
            }
        };
        Ok(self.connection.insert(connection))
    }

    /// Does it; after an error the server is connected anew the next time, for an answer that comes late would be taken for
    /// that of the next command.
    fn attempt<R>(&mut self, action: impl FnOnce(&mut Connection) -> Result<R, RedisError>) -> Result<R, StorageError> {
        self.connection().and_then(action).map_err(|error| {
            self.connection = None;
            translate(&self.place, &error)
        })
    }

    /// Runs a script that answers 0 when another holds the journal.
    fn write(&mut self, script: &str, arguments: &[Vec<u8>]) -> Result<(), StorageError> {
        let (keys, holder) = (self.keys.clone(), self.holder);
        let is_holder: bool = self.attempt(|connection| {
            let script = Script::new(script);
            let mut call = script.prepare_invoke();
            call.key(&keys[..]).arg(holder).arg(arguments);
            call.invoke(connection)
        })?;
        if is_holder { Ok(()) } else { Err(StorageError::Superseded { place: self.place.clone() }) }
    }

    fn take_over(&mut self) -> Result<(), StorageError> {
        let about = self.keys[0].clone();
        let (holder, format): (i64, String) =
            self.attempt(|connection| Script::new(TAKE).key(about).arg(FORMAT).invoke(connection))?;
        if format != FORMAT {
            let message = format!("it has format {format}, this version of trygon reads format {FORMAT}");
            return Err(StorageError::Refused { place: self.place.clone(), message });
        }
        self.holder = holder;
        Ok(())
    }

    fn read_snapshot(&mut self) -> Result<Option<Snapshot>, StorageError> {
        let key = self.keys[2].clone();
        type Found = (Option<u64>, Option<Vec<u8>>, Option<String>, Option<u32>);
        let (through, state, blobs, checksum): Found = self.attempt(|connection| {
            cmd("HMGET").arg(key).arg("through").arg("state").arg("blobs").arg("checksum").query(connection)
        })?;
        let blobs = blobs.unwrap_or_default();
        let sum = through.zip(state.as_ref()).map(|(through, state)| state_checksum(through, state, &blobs));
        if sum != checksum {
            return Err(self.corrupt("the checksum of its snapshot does not fit".to_owned()));
        }
        let Some((through, state)) = through.zip(state) else { return Ok(None) };
        let mut large = Vec::new();
        for digest in blobs.split_whitespace().filter_map(from_hex) {
            large.push((digest, self.read_blob(&digest)?));
        }
        Ok(Some(Snapshot { through, state, large }))
    }

    fn corrupt(&self, message: String) -> StorageError {
        StorageError::Corrupt { place: self.place.clone(), message }
    }

    fn read_blob(&mut self, digest: &Digest) -> Result<Vec<u8>, StorageError> {
        let (key, field) = (self.blobs.clone(), hex(digest));
        let found: Option<Vec<u8>> = self.attempt(|connection| cmd("HGET").arg(&key).arg(&field).query(connection))?;
        let sound = found.filter(|bytes| digest_of(bytes) == *digest);
        sound.ok_or_else(|| self.corrupt(format!("the value {field} of {key} is not as it was written")))
    }

    /// Keeps large values, each once, to which these events will refer; 0 for those of a snapshot.
    fn keep_blobs<'a>(&mut self, values: impl Iterator<Item = (u64, Digest, &'a [u8])>) -> Result<(), StorageError> {
        for (index, digest, bytes) in values {
            if !self.known.has(&digest) {
                let key = self.blobs.clone();
                self.attempt(|connection| cmd("HSETNX").arg(key).arg(hex(&digest)).arg(bytes).query::<()>(connection))?;
            }
            self.known.note(digest, index);
        }
        Ok(())
    }

    fn note_blobs(&mut self) -> Result<(), StorageError> {
        let key = self.blobs.clone();
        let found: Vec<String> = self.attempt(|connection| cmd("HKEYS").arg(key).query(connection))?;
        self.known = Known::found(found.iter().filter_map(|name| from_hex(name)));
        Ok(())
    }

    fn collect_blobs(&mut self, through: u64) {
        for digest in self.known.take_unused(through) {
            let key = self.blobs.clone();
            // What stays takes room, nothing else.
            let _ = self.attempt(|connection| cmd("HDEL").arg(key).arg(hex(&digest)).query::<()>(connection));
        }
    }

    fn read_entries(&mut self) -> Result<Vec<StreamEntry>, StorageError> {
        let mut entries: Vec<StreamEntry> = Vec::new();
        loop {
            let after = entries.last().map_or_else(|| "-".to_owned(), |(id, _)| format!("({id}"));
            let key = self.keys[1].clone();
            let page: Vec<StreamEntry> = self.attempt(|connection| {
                cmd("XRANGE").arg(key).arg(after).arg("+").arg("COUNT").arg(PAGE).query(connection)
            })?;
            if page.is_empty() {
                return Ok(entries);
            }
            entries.extend(page);
        }
    }

    /// What people should know of how the server is set. A server that does not say is one that others look after.
    fn warnings(&mut self) -> Vec<String> {
        let mut setting = |name: &str| -> Option<String> {
            let answer: Result<Vec<String>, RedisError> =
                cmd("CONFIG").arg("GET").arg(name).query(self.connection().ok()?);
            answer.ok()?.into_iter().nth(1)
        };
        let (appendonly, appendfsync) = (setting("appendonly"), setting("appendfsync"));
        let is_durable = appendonly.as_deref().is_none_or(|value| value == "yes")
            && appendfsync.as_deref().is_none_or(|value| value == "always");
        if is_durable {
            return Vec::new();
        }
        vec![format!(
            "{} can lose events that were acknowledged when its machine fails; set `appendonly yes` and `appendfsync always` there",
            self.place
        )]
    }
}

impl Storage for RedisStorage {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn load(&mut self) -> Result<Loaded, StorageError> {
        self.take_over()?;
        self.note_blobs()?;
        let snapshot = self.read_snapshot()?;
        if let Some(snapshot) = &snapshot {
            self.known.newest_snapshot(snapshot.large.iter().map(|(digest, _)| *digest));
        }
        let found = self.read_entries()?;
        let through = snapshot.as_ref().map_or(0, |snapshot| snapshot.through);
        let entries = found.into_iter().map(|(id, fields)| (index_of(&id), record(&id, &fields))).collect();
        let (mut records, cut) = assemble(&self.place, through, entries)?;
        for record in &mut records {
            if let Some(large) = &mut record.large {
                self.known.note(large.digest, record.index);
                large.bytes = self.read_blob(&large.digest)?;
            }
        }
        Ok(Loaded { snapshot, records, cut, warnings: self.warnings() })
    }

    fn append(&mut self, records: &[Record]) -> Result<(), StorageError> {
        let Some(first) = records.first() else { return Ok(()) };
        let large = records.iter().filter_map(|record| Some((record.index, record.large.as_ref()?)));
        self.keep_blobs(large.map(|(index, large)| (index, large.digest, large.bytes.as_slice())))?;
        let mut arguments = vec![id_of(first.index), id_of(first.index.saturating_sub(1))];
        for record in records {
            arguments.push(id_of(record.index));
            arguments.push(record.label.clone().into_bytes());
            arguments.push(record.origin.hex().into_bytes());
            arguments.push(record.at_us.to_string().into_bytes());
            arguments.push(record.body.clone());
            arguments.push(record.large.as_ref().map(|large| hex(&large.digest)).unwrap_or_default().into_bytes());
            arguments.push(record.checksum().to_string().into_bytes());
        }
        self.write(APPEND, &arguments)
    }

    fn snapshot(&mut self, through: u64, state: &[u8], large: &[Large<'_>]) -> Result<(), StorageError> {
        let blobs = large.iter().map(|large| hex(&large.digest)).collect::<Vec<_>>().join(" ");
        let checksum = state_checksum(through, state, &blobs).to_string().into_bytes();
        self.keep_blobs(large.iter().map(|large| (0, large.digest, large.bytes)))?;
        let (held, first) = (through.to_string().into_bytes(), id_of(through + 1));
        self.write(SNAPSHOT, &[held, state.to_vec(), checksum, first, blobs.into_bytes()])?;
        self.known.note_snapshot(large.iter().map(|large| large.digest));
        self.collect_blobs(through);
        Ok(())
    }
}

fn state_checksum(through: u64, state: &[u8], blobs: &str) -> u32 {
    let mut checksum = Checksum::new();
    checksum.add(&through.to_le_bytes());
    checksum.add(state);
    checksum.add(blobs.as_bytes());
    checksum.finish()
}

fn id_of(index: u64) -> Vec<u8> {
    format!("{index}-0").into_bytes()
}

fn index_of(id: &str) -> u64 {
    id.strip_suffix("-0").and_then(|index| index.parse().ok()).unwrap_or(u64::MAX)
}

/// The record in an entry; `None` when it is not what was written.
pub(crate) fn record(id: &str, fields: &[Vec<u8>]) -> Option<Record> {
    let field =
        |name: &str| fields.chunks_exact(2).find(|pair| pair[0] == name.as_bytes()).map(|pair| pair[1].as_slice());
    let text = |name: &str| field(name).and_then(|bytes| std::str::from_utf8(bytes).ok());
    let record = Record {
        index: index_of(id),
        at_us: text("at_us")?.parse().ok()?,
        origin: node_id(text("node")?)?,
        label: text("event")?.to_owned(),
        body: field("body")?.to_vec(),
        large: match text("blob")? {
            "" => None,
            name => Some(LargeBody { digest: from_hex(name)?, bytes: Vec::new() }),
        },
    };
    (record.checksum() == text("checksum")?.parse::<u32>().ok()?).then_some(record)
}

fn node_id(hex: &str) -> Option<NodeId> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let bytes = hex.as_bytes().chunks_exact(2).map(|pair| Some((digit(pair[0])? * 16 + digit(pair[1])?) as u8));
    NodeId::from_bytes(&bytes.collect::<Option<Vec<u8>>>()?).ok()
}

fn translate(place: &str, error: &RedisError) -> StorageError {
    let (place, message) = (place.to_owned(), error.to_string());
    if matches!(error.code(), Some("OOM" | "MISCONF")) {
        return StorageError::Full { place, message };
    }
    let is_refusal = matches!(
        error.kind(),
        ::redis::ErrorKind::AuthenticationFailed
            | ::redis::ErrorKind::InvalidClientConfig
            | ::redis::ErrorKind::UnexpectedReturnType
            | ::redis::ErrorKind::Server(::redis::ServerErrorKind::NoPerm | ::redis::ServerErrorKind::CrossSlot)
    );
    let is_refused_word = ["NOAUTH", "WRONGPASS", "WRONGTYPE"].iter().any(|word| message.contains(word));
    if is_refusal || is_refused_word {
        return StorageError::Refused { place, message };
    }
    StorageError::Unavailable { place, message }
}

/// The address as it may be shown: without user and password.
fn place_without_secrets(address: &str, cluster: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    let rest = rest.split_once('?').map_or(rest, |(path, _)| path);
    let server = rest.rsplit_once('@').map_or(rest, |(_, server)| server);
    format!("the Redis server {scheme}://{server} (cluster {cluster})")
}
