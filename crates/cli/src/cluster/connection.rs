//! A conversation with a daemon of this machine.

use crate::cluster::args::Where;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use trygon_node::folder;
use trygon_wire::control::{AttachTool, StateQuery, StateReply};
use trygon_wire::{FrameReader, Kind, Message, decode, encode};

/// A daemon answers within milliseconds; one that does not is stuck.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// How long a killed daemon may take to be gone altogether.
const DEATH_LIMIT: Duration = Duration::from_secs(1);

/// The socket of a daemon, and the frames that came.
pub(crate) struct Connection {
    pub(crate) socket: UnixStream,
    reader: FrameReader,
}

impl Connection {
    /// Takes over a socket.
    pub(crate) fn new(socket: UnixStream) -> Self {
        Self { socket, reader: FrameReader::new() }
    }

    /// Connects to the daemon of a session; `None` when it does not run. The daemon ends with this connection if that is asked for.
    pub(crate) fn open(session: &Path, is_life_line: bool) -> Option<Self> {
        let mut connection = Self::new(folder::connect(session)?);
        let package_version = env!("CARGO_PKG_VERSION").to_owned();
        connection.send(Kind::AttachTool, &AttachTool { package_version, is_life_line }).ok()?;
        Some(connection)
    }

    /// Sends a frame.
    pub(crate) fn send(&mut self, kind: Kind, message: &impl Message) -> Result<(), String> {
        self.socket.write_all(&encode(kind, message)).map_err(|error| format!("the daemon is gone: {error}"))
    }

    /// The next frame; `None` when the daemon closed the connection.
    pub(crate) fn receive(&mut self) -> Result<Option<(Kind, Vec<u8>)>, String> {
        let mut bytes = [0; 16 << 10];
        loop {
            if let Some((header, body)) = self.reader.next_frame().map_err(|error| error.to_string())? {
                return Ok(Some((header.kind, body.to_vec())));
            }
            match self.socket.read(&mut bytes) {
                Ok(0) => return Ok(None),
                Ok(len) => self.reader.room(len).extend_from_slice(&bytes[..len]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Err(self.silence()),
                Err(error) => return Err(format!("the daemon does not answer: {error}")),
            }
        }
    }

    /// What to say of a daemon that let the time pass.
    fn silence(&self) -> String {
        let waited_s = self.socket.read_timeout().ok().flatten().unwrap_or_default().as_secs();
        let Ok(daemon) = rustix::net::sockopt::socket_peercred(&self.socket) else {
            return format!("the daemon has not answered for {waited_s} s");
        };
        let pid = daemon.pid.as_raw_nonzero();
        if trygon_processes::is_stopped(daemon.pid) {
            return format!("the daemon, process {pid}, is stopped: `kill -CONT {pid}` lets it go on");
        }
        format!(
            "the daemon, process {pid}, has not answered for {waited_s} s: it is busy, or it hangs; its log may say with what"
        )
    }

    /// Whether the daemon has closed the connection; what it says is dropped.
    pub(crate) fn has_ended(&self) -> bool {
        let mut bytes = [0; 256];
        loop {
            match rustix::net::recv(&self.socket, &mut bytes, rustix::net::RecvFlags::DONTWAIT) {
                Ok((len, _)) if len > 0 => {}
                Err(rustix::io::Errno::AGAIN) => return false,
                Err(rustix::io::Errno::INTR) => {}
                _ => return true,
            }
        }
    }

    /// Asks a question; the answer is JSON.
    pub(crate) fn ask(&mut self, what: &str, argument: &str) -> Result<serde_json::Value, String> {
        self.socket.set_read_timeout(Some(ANSWER_LIMIT)).map_err(|error| error.to_string())?;
        let query = StateQuery { request_id: 1, what: what.to_owned(), argument: argument.to_owned() };
        self.send(Kind::StateQuery, &query)?;
        while let Some((kind, body)) = self.receive()? {
            if kind == Kind::StateReply {
                let reply: StateReply = decode(&body).map_err(|error| error.to_string())?;
                if !reply.error.is_empty() {
                    return Err(reply.error);
                }
                return serde_json::from_str(&reply.json)
                    .map_err(|error| format!("the answer makes no sense: {error}"));
            }
        }
        Err("the daemon went away".to_owned())
    }
}

/// The session that was started last under a base, if its daemon runs.
pub(crate) fn running_at(base: &Path) -> Option<PathBuf> {
    folder::current(base).filter(|session| folder::connect(session).is_some())
}

/// The session that was started last under a base, if its daemon runs or waits to come back to its cluster.
pub(crate) fn taken_at(base: &Path) -> Option<PathBuf> {
    let session = folder::current(base)?;
    let since = Instant::now();
    loop {
        if folder::daemon(&session).is_some() {
            return Some(session);
        }
        folder::connect(&session)?;
        // The last thread of a daemon that was killed has its socket open for a moment more.
        if since.elapsed() > DEATH_LIMIT {
            return Some(session);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A conversation with the daemon that a command means.
pub(crate) fn connect(at: &Where) -> Result<Connection, String> {
    let session = find(at.temp_dir.as_deref(), at.address.as_deref())?;
    Connection::open(&session, false).ok_or_else(|| "the node has just ended".to_owned())
}

/// The running session of this user that a command means: of a base, of a cluster, or the one that was started last.
fn find(base: Option<&Path>, address: Option<&str>) -> Result<PathBuf, String> {
    if let Some(base) = base {
        return running_at(base).ok_or_else(|| format!("no node runs in {}", base.display()));
    }
    let running = || folder::all().into_iter().filter(|session| folder::connect(session).is_some());
    match address {
        Some(address) => running().find(|session| folder::read(session, "address") == address).ok_or_else(|| {
            format!(
                "no node of yours on this machine belongs to the cluster at {address}; run this command on one of its \
                     machines, or let this one join with `trygon start --address={address}`"
            )
        }),
        None => running_at(&folder::default_base())
            .or_else(|| running().next())
            .ok_or_else(|| "no node of yours runs on this machine; `trygon start --head` starts one".to_owned()),
    }
}
