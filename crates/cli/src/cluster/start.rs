//! `trygon start`: a daemon of its own session, and what people need to know of it.

use crate::cluster::args::Start;
use crate::cluster::connection::{Connection, running_at};
use crate::cluster::machine;
use crate::launch;
use std::collections::HashMap;
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
/// The port of a head, unless another is asked for.
const HEAD_PORT: u16 = 6379;
/// The key of a cluster, in the folder of its head's session.
const KEY_FILE: &str = "security/cluster.key";
/// The key of a cluster, for machines to which no file was copied.
const KEY_VARIABLE: &str = "TRYGON_CLUSTER_KEY";
const LEAST_STORE_BYTES: u64 = 75_000_000;
const LARGEST_STORE_BYTES: u64 = 200_000_000_000;
/// Idle workers beyond those that are kept end after this.
const IDLE_WORKER_MS: u32 = 10_000;
/// Folders of sessions that ended which are kept for their logs.
const KEPT_SESSIONS: usize = 5;

/// Starts a node.
pub(crate) fn start(start: &Start) -> Result<ExitCode, String> {
    let base = start.temp_dir.clone().unwrap_or_else(folder::default_base);
    if let Some(other) = running_at(&base) {
        return Err(format!(
            "a node runs here already: {} (process {}, cluster {}). Stop it with `trygon stop`, or give --temp-dir another \
             folder for a second node.",
            other.display(),
            folder::read(&other, "pid"),
            folder::read(&other, "address"),
        ));
    }
    let without_effect = start.rays.given();
    if !without_effect.is_empty() {
        eprintln!("trygon start: these options have no effect: {}.", without_effect.join(", "));
    }
    let request = request(start)?;
    folder::sweep(&base, KEPT_SESSIONS);
    let session = folder::create(&base, &session_name()).map_err(|error| error.to_string())?;
    let started = launch_daemon(&session, start, request).inspect_err(|_| {
        folder::withdraw(&session);
        // What it logged was said.
        let _ = std::fs::remove_dir_all(&session);
    })?;
    let life_line = start.block.then(|| Connection::open(&session, true)).flatten();
    print(start, &session, &started);
    match life_line {
        None if start.block => Err("the node ended at once; see its log".to_owned()),
        None => Ok(ExitCode::SUCCESS),
        Some(mut life_line) => {
            while life_line.receive()?.is_some() {}
            Err("the node has ended".to_owned())
        }
    }
}

fn session_name() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("session_{:013}_{}", since.as_millis(), std::process::id())
}

fn request(start: &Start) -> Result<StartDaemon, String> {
    let cpus = start.num_cpus.unwrap_or_else(machine::cpu_count);
    let gpus = start.num_gpus.unwrap_or_else(machine::gpu_count);
    let memory = machine::memory_bytes();
    let store = match start.object_store_memory {
        None => (memory / 10 * 3).clamp(LEAST_STORE_BYTES, LARGEST_STORE_BYTES),
        Some(given) if given < LEAST_STORE_BYTES => {
            return Err(format!("--object-store-memory must be at least {LEAST_STORE_BYTES} bytes (75 MB)"));
        }
        Some(given) => given,
    };
    let ip = start.node_ip_address.unwrap_or_else(machine::own_address).to_string();
    let mut resources = HashMap::from([
        ("CPU".to_owned(), cpus),
        ("GPU".to_owned(), gpus),
        ("memory".to_owned(), start.memory.unwrap_or_else(|| memory.saturating_sub(store)) as f64),
        ("object_store_memory".to_owned(), store as f64),
        (format!("node:{ip}"), 1.0),
    ]);
    if start.head {
        resources.insert("node:__internal_head__".to_owned(), 1.0);
    }
    let model = if gpus > 0.0 { machine::gpu_type() } else { String::new() };
    if !model.is_empty() {
        resources.insert(format!("accelerator_type:{model}"), 1.0);
    }
    resources.extend(custom_resources(&start.resources)?);
    resources.retain(|_, amount| *amount > 0.0);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Ok(StartDaemon {
        package_version: env!("CARGO_PKG_VERSION").to_owned(),
        python_version: launch::python_version(),
        session_directory: String::new(),
        name: start.node_name.clone().unwrap_or_else(machine::host_name),
        head_address: start.address.clone().unwrap_or_default(),
        ip,
        port: u32::from(start.port.unwrap_or(if start.head { HEAD_PORT } else { 0 })),
        key_file: String::new(),
        resources,
        labels: labels(&start.labels)?,
        object_store_memory_bytes: store,
        prestart_workers: u32::try_from((cpus as usize).min(cores)).unwrap_or(u32::MAX),
        max_workers: start.max_workers,
        idle_worker_ms: IDLE_WORKER_MS,
        key_text: if start.token_file.is_none() {
            std::env::var(KEY_VARIABLE).unwrap_or_default()
        } else {
            String::new()
        },
        storage: start.storage.clone(),
    })
}

fn custom_resources(text: &str) -> Result<HashMap<String, f64>, String> {
    let wrong =
        || format!("--resources must be a JSON object of names and amounts, as in '{{\"disk\": 2}}', not {text:?}");
    let read: HashMap<String, f64> = serde_json::from_str(text).map_err(|_| wrong())?;
    for (name, amount) in &read {
        if matches!(name.as_str(), "CPU" | "GPU" | "memory" | "object_store_memory") {
            let option = match name.as_str() {
                "CPU" => "--num-cpus",
                "GPU" => "--num-gpus",
                "memory" => "--memory",
                _ => "--object-store-memory",
            };
            return Err(format!("--resources must not hold {name}; use {option}"));
        }
        if !(0.0..1e12).contains(amount) {
            return Err(format!("--resources: the amount of {name} must not be negative, but it is {amount}"));
        }
    }
    Ok(read)
}

/// `key=value` pairs with commas between them, or a JSON object of texts.
fn labels(text: &str) -> Result<HashMap<String, String>, String> {
    let text = text.trim();
    if text.starts_with('{') {
        return serde_json::from_str(text)
            .map_err(|_| format!("--labels must be a JSON object of texts, not {text:?}"));
    }
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| match pair.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
            _ => Err(format!("--labels must be key=value pairs with commas between them; {pair:?} is none")),
        })
        .collect()
}

/// The key to use: the one that is given, that of a session of the same cluster on this machine, or for a head that of its session.
fn key_file(start: &Start, session: &Path) -> Result<PathBuf, String> {
    let own = session.join(KEY_FILE);
    match (&start.token_file, &start.address) {
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
        // What a task of another node inherited is not this node's.
        .env_remove("TRYGON_JOB_MARK")
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
    if start.head && session.join(KEY_FILE).exists() {
        println!("Add another machine: copy {} there, then", session.join(KEY_FILE).display());
        println!("  trygon start --address={address} --token-file=cluster.key\n");
    }
    println!("Use it from Python on this machine:");
    println!("  import trygon");
    println!("  trygon.init(address=\"auto\")\n");
    let folder = start.temp_dir.as_ref().map(|folder| format!(" --temp-dir={}", folder.display())).unwrap_or_default();
    println!("See it:   trygon status{folder}");
    println!("Stop it:  {}", if start.block { "Ctrl-C".to_owned() } else { format!("trygon stop{folder}") });
}

#[cfg(test)]
mod tests {
    use super::{custom_resources, labels};

    #[test]
    fn resources_are_names_and_amounts() {
        assert_eq!(custom_resources("{\"disk\": 2}").map(|read| read["disk"]), Ok(2.0));
        assert!(custom_resources("{\"CPU\": 2}").is_err_and(|error| error.contains("--num-cpus")));
        assert!(custom_resources("disk=2").is_err() && custom_resources("{\"disk\": -1}").is_err());
    }

    #[test]
    fn labels_are_pairs_or_json() {
        let read = labels("zone=a, kind=fast").expect("two labels");
        assert_eq!((read["zone"].as_str(), read["kind"].as_str()), ("a", "fast"));
        assert_eq!(labels("{\"zone\": \"b\"}").map(|read| read["zone"].clone()), Ok("b".to_owned()));
        assert!(labels("zone").is_err() && labels("=a").is_err());
        assert_eq!(labels(""), Ok(std::collections::HashMap::new()));
    }
}
