//! What a daemon is told to be: the command's words, checked, and this machine's own amounts for the rest.

use crate::cluster::args::Start;
use crate::cluster::machine;
use crate::launch;
use std::collections::BTreeMap;
use trygon_wire::control::StartDaemon;

/// The port of a head, unless another is asked for.
const HEAD_PORT: u16 = 6379;
/// The key of a cluster, for machines to which no file was copied.
pub(super) const KEY_VARIABLE: &str = "TRYGON_CLUSTER_KEY";
/// In the folder that outlives a head: its journal, and the address at which it was last.
const JOURNAL: &str = "journal";
pub(super) const ADDRESS: &str = "address";
const LEAST_STORE_BYTES: u64 = 75_000_000;
const LARGEST_STORE_BYTES: u64 = 200_000_000_000;
/// Idle workers beyond those that are kept end after this.
const IDLE_WORKER_MS: u32 = 10_000;

/// The request that makes it; where its files are is added when they are there.
pub(super) fn request(start: &Start) -> Result<StartDaemon, String> {
    let cpus = start.node.num_cpus.unwrap_or_else(machine::cpu_count);
    let gpus = start.node.num_gpus.unwrap_or_else(machine::gpu_count);
    let memory = machine::memory_bytes();
    let store = match start.node.object_store_memory {
        None => (memory / 10 * 3).clamp(LEAST_STORE_BYTES, LARGEST_STORE_BYTES),
        Some(given) if given < LEAST_STORE_BYTES => {
            return Err(format!("--object-store-memory must be at least {LEAST_STORE_BYTES} bytes (75 MB)"));
        }
        Some(given) => given,
    };
    let ip = start.node_ip_address.unwrap_or_else(machine::own_address).to_string();
    let mut resources = BTreeMap::from([
        ("CPU".to_owned(), cpus),
        ("GPU".to_owned(), gpus),
        ("memory".to_owned(), start.node.memory.unwrap_or_else(|| memory.saturating_sub(store)) as f64),
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
    resources.extend(custom_resources(&start.node.resources)?);
    resources.retain(|_, amount| *amount > 0.0);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Ok(StartDaemon {
        package_version: env!("CARGO_PKG_VERSION").to_owned(),
        python_version: launch::python_version(),
        session_directory: String::new(),
        name: start.node.node_name.clone().unwrap_or_else(machine::host_name),
        head_address: start.address.clone().unwrap_or_default(),
        ip,
        port: u32::from(start.port.or_else(|| known_port(start)).unwrap_or(if start.head { HEAD_PORT } else { 0 })),
        key_file: String::new(),
        resources,
        labels: labels(&start.node.labels)?,
        object_store_memory_bytes: store,
        prestart_workers: u32::try_from((cpus as usize).min(cores)).unwrap_or(u32::MAX),
        max_workers: start.node.max_workers,
        idle_worker_ms: IDLE_WORKER_MS,
        key_text: if start.node.token_file.is_none() {
            std::env::var(KEY_VARIABLE).unwrap_or_default()
        } else {
            String::new()
        },
        storage: storage(start)?,
        head_patience_s: if start.head { 0 } else { start.head_reconnect_timeout },
        certificate_lifetime_s: start.certificate_lifetime.unwrap_or(0),
        spill: Some(start.node.spill.config()?),
    })
}

/// Where the journal is: in the folder that outlives the session, unless it is said to be elsewhere.
fn storage(start: &Start) -> Result<String, String> {
    let Some(folder) = start.storage_dir.as_ref().filter(|_| start.storage.is_empty()) else {
        return Ok(start.storage.clone());
    };
    let failed = |error: std::io::Error| format!("--storage-dir {}: {error}", folder.display());
    std::fs::create_dir_all(folder).map_err(failed)?;
    Ok(format!("file:{}", folder.canonicalize().map_err(failed)?.join(JOURNAL).display()))
}

/// The port at which the other nodes look for a head that begins again.
fn known_port(start: &Start) -> Option<u16> {
    let address = std::fs::read_to_string(start.storage_dir.as_ref()?.join(ADDRESS)).ok()?;
    address.trim().rsplit_once(':')?.1.parse().ok()
}

fn custom_resources(text: &str) -> Result<BTreeMap<String, f64>, String> {
    let wrong =
        || format!("--resources must be a JSON object of names and amounts, as in '{{\"disk\": 2}}', not {text:?}");
    let read: BTreeMap<String, f64> = serde_json::from_str(text).map_err(|_| wrong())?;
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
fn labels(text: &str) -> Result<BTreeMap<String, String>, String> {
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
        assert_eq!(labels(""), Ok(std::collections::BTreeMap::new()));
    }
}
