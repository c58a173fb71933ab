//! `trygon start`: a daemon of its own session, and what people need to know of it.

use crate::cluster::args::Start;
use crate::cluster::connection::{Connection, taken_at};
use crate::cluster::node_request::{ADDRESS, KEY_VARIABLE, request};
use crate::cluster::stop::end;
use crate::launch::{PYTHON_VARIABLE, python};
use rustix::event::{PollFd, PollFlags};
use std::fs::OpenOptions;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use trygon_node::folder;
use trygon_wire::control::{NodeFailed, NodeStarted, StartDaemon};
use trygon_wire::{Kind, decode};

/// A node is there in a fraction of a second; one that joins may have to wait for its head.
const START_LIMIT: Duration = Duration::from_secs(60);
/// A node that is told to end has this long.
pub(super) const END_LIMIT: Duration = Duration::from_secs(16);
/// The key of a cluster, in the folder of its head's session.
pub(super) const KEY_FILE: &str = "security/cluster.key";
/// Folders of sessions that ended which are kept for their logs.
const KEPT_SESSIONS: usize = 5;

/// A node that was started, and what ends it.
pub(super) struct Started {
    pub(super) session: PathBuf,
    pub(super) node: NodeStarted,
    /// The node ends when this is dropped, if there is one.
    pub(super) life_line: Option<Connection>,
}

/// Starts a node.
pub(crate) fn start(start: &Start) -> Result<ExitCode, String> {
    let without_effect = start.node.rays.given();
    if !without_effect.is_empty() {
        eprintln!("trygon start: these options have no effect: {}.", without_effect.join(", "));
    }
    let started = start_node(start, start.block || start.until_input_ends)?;
    if start.json {
        println!("{}", describe(start, &started));
    } else {
        print(start, &started.session, &started.node);
    }
    match started.life_line {
        None => Ok(ExitCode::SUCCESS),
        Some(life_line) if start.until_input_ends => {
            wait_input_or_end(life_line)?;
            end(&started.session, Some(END_LIMIT))?;
            Ok(ExitCode::SUCCESS)
        }
        Some(mut life_line) => {
            while life_line.receive()?.is_some() {}
            Err("the node has ended".to_owned())
        }
    }
}

/// Makes the session and its daemon, with whose connection it ends if that is asked for.
pub(super) fn start_node(start: &Start, is_bound: bool) -> Result<Started, String> {
    let base = start.node.temp_dir.clone().unwrap_or_else(folder::default_base);
    if let Some(other) = taken_at(&base) {
        return Err(format!(
            "a node runs here already: {} (process {}, cluster {}). Stop it with `trygon stop`, or give --temp-dir another \
             folder for a second node.",
            other.display(),
            folder::read(&other, "pid"),
            folder::read(&other, "address"),
        ));
    }
    let request = request(start)?;
    folder::sweep(&base, KEPT_SESSIONS);
    let session = folder::create(&base, &session_name()).map_err(|error| error.to_string())?;
    let node = launch_daemon(&session, start, request).inspect_err(|_| {
        folder::withdraw(&session);
        // What it logged was said.
        let _ = std::fs::remove_dir_all(&session);
    })?;
    if let Some(folder) = &start.storage_dir {
        folder::write(folder, ADDRESS, &node.node_address).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let life_line = is_bound.then(|| Connection::open(&session, true)).flatten();
    if is_bound && life_line.is_none() {
        return Err("the node ended at once; see its log".to_owned());
    }
    Ok(Started { session, node, life_line })
}

/// Waits until the input ends, which is the end of the node, or until the node ends by itself, which is an error.
fn wait_input_or_end(mut life_line: Connection) -> Result<(), String> {
    let mut bytes = [0; 256];
    loop {
        let input = std::io::stdin();
        let mut watched = [PollFd::new(&input, PollFlags::IN), PollFd::new(&life_line.socket, PollFlags::IN)];
        match rustix::event::poll(&mut watched, None) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.to_string()),
            Ok(_) => {}
        }
        let (is_input, is_node) = (!watched[0].revents().is_empty(), !watched[1].revents().is_empty());
        if is_input && rustix::io::read(&input, &mut bytes).map_or(true, |len| len == 0) {
            return Ok(());
        }
        if is_node && life_line.receive()?.is_none() {
            return Err("the node has ended".to_owned());
        }
    }
}

/// For programs.
fn describe(start: &Start, started: &Started) -> serde_json::Value {
    let own_address = folder::read(&started.session, "node_address");
    serde_json::json!({
        "node_id": started.node.node_id.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        "address": folder::read(&started.session, "address"),
        "node_address": if own_address.is_empty() { started.node.node_address.clone() } else { own_address },
        "is_head": start.head,
        "session": started.session,
        "pid": started.node.daemon_pid,
        "key_file": own_key(start, &started.session),
        "resources": started.node.resources,
    })
}

fn session_name() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("session_{:013}_{}", since.as_millis(), std::process::id())
}

/// Where a head keeps its key unless it is given one.
fn own_key(start: &Start, session: &Path) -> PathBuf {
    start.storage_dir.as_ref().map_or_else(
        || session.join(KEY_FILE),
        |folder| folder.canonicalize().unwrap_or_else(|_| folder.clone()).join(KEY_FILE),
    )
}

/// The key to use: the one that is given, that of a session of the same cluster on this machine, or for a head that of its session.
fn key_file(start: &Start, session: &Path) -> Result<PathBuf, String> {
    let own = own_key(start, session);
    match (&start.node.token_file, &start.address) {
        (Some(given), _) => given.canonicalize().map_err(|error| format!("--token-file {}: {error}", given.display())),
        (None, None) => Ok(own),
        // A key that is known by name is in no file.
        (None, Some(_)) if std::env::var_os(KEY_VARIABLE).is_some() => Ok(PathBuf::new()),
        (None, Some(address)) => {
            let is_theirs =
                |other: &PathBuf| folder::read(other, "address") == *address && other.join(KEY_FILE).exists();
            Ok(folder::all().into_iter().find(is_theirs).map_or(PathBuf::new(), |other| other.join(KEY_FILE)))
        }
    }
}

fn launch_daemon(session: &Path, start: &Start, request: StartDaemon) -> Result<NodeStarted, String> {
    let failed = |error: std::io::Error| format!("the node's daemon cannot be started: {error}");
    let request = StartDaemon {
        session_directory: session.display().to_string(),
        key_file: key_file(start, session)?.display().to_string(),
        ..request
    };
    let (ours, theirs) = UnixStream::pair().map_err(failed)?;
    let path = session.join("logs/daemon.log");
    let log = OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
    let mut child = Command::new(std::env::current_exe().map_err(failed)?)
        .args(["node", "--session"])
        // For jobs whose drivers' own is not on this machine.
        .env(PYTHON_VARIABLE, python())
        // What a task of another node inherited is not this node's.
        .env_remove("TRYGON_JOB_MARK")
        .env_remove("TRYGON_WORKER_MARK")
        .env_remove("TRYGON_ADDRESS")
        // Nor is the key for its tasks.
        .env_remove(KEY_VARIABLE)
        .current_dir(session)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(log.try_clone().map_err(failed)?)
        .stderr(log)
        .spawn()
        .map_err(failed)?;
    let mut connection = Connection::new(ours);
    connection.socket.set_read_timeout(Some(START_LIMIT)).map_err(failed)?;
    connection.send(Kind::StartDaemon, &request)?;
    let reason = match connection.receive() {
        Ok(Some((Kind::NodeStarted, body))) => {
            return decode(&body).map_err(|error| error.to_string());
        }
        Ok(Some((Kind::NodeFailed, body))) => {
            decode::<NodeFailed>(&body).map_or_else(|error| error.to_string(), |failed| failed.message)
        }
        Ok(_) => format!("the daemon ended. {}", std::fs::read_to_string(&path).unwrap_or_default().trim()),
        Err(error) => error,
    };
    let _ = child.kill();
    let _ = child.wait();
    Err(format!("the node was not started: {reason}"))
}

fn print(start: &Start, session: &Path, started: &NodeStarted) {
    let address = &started.node_address;
    let amount = |name: &str| started.resources.get(name).copied().unwrap_or(0.0);
    let what = if start.head { "The head of a new cluster runs." } else { "The node has joined the cluster." };
    println!("{what}\n");
    println!("  address   {address}");
    println!(
        "  has       {} CPU, {} GPU, {:.1} GiB for tasks, {:.1} GiB for objects",
        amount("CPU"),
        amount("GPU"),
        amount("memory") / f64::from(1 << 30),
        amount("object_store_memory") / f64::from(1 << 30)
    );
    println!("  session   {}", session.display());
    println!("  daemon    process {}\n", started.daemon_pid);
    let key = own_key(start, session);
    if start.head && key.exists() {
        println!("Add another machine: copy {} there, then", key.display());
        println!("  trygon start --address={address} --token-file=cluster.key\n");
    }
    println!("Use it from Python on this machine:");
    println!("  import trygon");
    println!("  trygon.init(address=\"auto\")\n");
    let folder =
        start.node.temp_dir.as_ref().map(|folder| format!(" --temp-dir={}", folder.display())).unwrap_or_default();
    println!("See it:   trygon status{folder}");
    println!("Stop it:  {}", if start.block { "Ctrl-C".to_owned() } else { format!("trygon stop{folder}") });
}
