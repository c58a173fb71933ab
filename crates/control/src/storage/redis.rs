//! Keeps the journal in a Redis server, for those who run one.
//!
//! All keys begin with `trygon:{CLUSTER}:`, so that one server serves many clusters and a Redis cluster keeps each in one slot:
//! - `journal`, a stream: the entry `INDEX-0` is an event, with the fields `event` (what it is, in a word), `node` (where it came
//!   from, in hexadecimal), `at_us` (the head's clock, microseconds since 1970), `body` and `checksum`.
//! - `snapshot`, a hash: `through` (the last event in it), `state`, `checksum`.
//! - `about`, a hash: `format`, and `holder`, a number that grows whenever a control service takes the journal over.
//!
//! Every write is one script, which first looks whether its sender still is the holder. How much a crash of the server's machine
//! can lose is the server's own setting: with `appendonly yes` and `appendfsync always`, nothing.

use crate::storage::assemble::assemble;
use crate::storage::redb::state_checksum;
use crate::storage::{Loaded, Record, Snapshot, Storage, StorageError};
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
for place = 4, #ARGV, 6 do
  redis.call('XADD', KEYS[2], ARGV[place], 'event', ARGV[place + 1], 'node', ARGV[place + 2], 'at_us', ARGV[place + 3],
    'body', ARGV[place + 4], 'checksum', ARGV[place + 5])
end
return 1";

/// Replaces the snapshot and forgets the entries in it: answers 0 when another holds the journal.
const SNAPSHOT: &str = "
if redis.call('HGET', KEYS[1], 'holder') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[3], 'through', ARGV[2], 'state', ARGV[3], 'checksum', ARGV[4])
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
        Ok(Self { client, place, keys, connection: None, holder: 0 })
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
        let (through, state, checksum): (Option<u64>, Option<Vec<u8>>, Option<u32>) = self.attempt(|connection| {
            cmd("HMGET").arg(key).arg("through").arg("state").arg("checksum").query(connection)
        })?;
        let snapshot = through.zip(state).map(|(through, state)| Snapshot { through, state });
        if snapshot.as_ref().map(|snapshot| state_checksum(snapshot.through, &snapshot.state)) != checksum {
            let message = "the checksum of its snapshot does not fit".to_owned();
            return Err(StorageError::Corrupt { place: self.place.clone(), message });
        }
        Ok(snapshot)
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
        let snapshot = self.read_snapshot()?;
        let found = self.read_entries()?;
        let through = snapshot.as_ref().map_or(0, |snapshot| snapshot.through);
        let entries = found.into_iter().map(|(id, fields)| (index_of(&id), record(&id, &fields))).collect();
        let (records, cut) = assemble(&self.place, through, entries)?;
        Ok(Loaded { snapshot, records, cut, warnings: self.warnings() })
    }

    fn append(&mut self, records: &[Record]) -> Result<(), StorageError> {
        let Some(first) = records.first() else { return Ok(()) };
        let mut arguments = vec![id_of(first.index), id_of(first.index.saturating_sub(1))];
        for record in records {
            arguments.push(id_of(record.index));
            arguments.push(record.label.clone().into_bytes());
            arguments.push(record.origin.hex().into_bytes());
            arguments.push(record.at_us.to_string().into_bytes());
            arguments.push(record.body.clone());
            arguments.push(record.checksum().to_string().into_bytes());
        }
        self.write(APPEND, &arguments)
    }

    fn snapshot(&mut self, through: u64, state: &[u8]) -> Result<(), StorageError> {
        let checksum = state_checksum(through, state).to_string().into_bytes();
        self.write(SNAPSHOT, &[through.to_string().into_bytes(), state.to_vec(), checksum, id_of(through + 1)])
    }
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
