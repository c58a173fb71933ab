//! `trygon symmetric-run`: the same line on every host makes a cluster, runs a command on its head, and ends it.

use crate::cluster::args::{Start, SymmetricRun};
use crate::cluster::connection::Connection;
use crate::cluster::machine;
use crate::cluster::nodes::{list, state};
use crate::cluster::start::{END_LIMIT, KEY_FILE, Started, start_node};
use crate::cluster::stop::end;
use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// Between two looks at something that is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Between two messages about it.
const TELL_AGAIN: Duration = Duration::from_secs(5);
/// Between two looks at the head's port.
const WATCH: Duration = Duration::from_secs(1);
/// The head has ended when nothing listens there for so many looks.
const REFUSALS: u32 = 3;
/// A head that is not heard of for so long counts as lost.
const SILENCE: Duration = Duration::from_secs(60);

/// Makes the node of this host, and does what its part is.
pub(crate) fn symmetric_run(run: &SymmetricRun) -> Result<ExitCode, String> {
    let (head, port) = resolve(&run.address)?;
    let ip = match own_ip(head, &run.address) {
        Some(ip) if ip.is_loopback() && run.min_nodes > 1 => {
            return Err(format!(
                "{} is this host for every host, so each would become a head; give an address that the other hosts reach",
                run.address
            ));
        }
        own => own,
    };
    match ip {
        Some(ip) => as_head(run, SocketAddr::new(ip, port)),
        None => as_member(run, SocketAddr::new(head, port)),
    }
}

fn as_head(run: &SymmetricRun, at: SocketAddr) -> Result<ExitCode, String> {
    let start = Start {
        head: true,
        address: None,
        port: Some(at.port()),
        node_ip_address: Some(at.ip()),
        node: crate::cluster::args::NodeOptions { token_file: None, ..run.node.clone() },
        storage: String::new(),
        storage_dir: None,
        head_reconnect_timeout: 0,
        certificate_lifetime: None,
        block: false,
        json: false,
        until_input_ends: false,
    };
    let started = start_node(&start, true)?;
    let key = started.session.join(KEY_FILE);
    // A head that nobody joins needs none.
    let key = if run.min_nodes > 1 || key.exists() { Some(Key::publish(&key, &key_path(run)?)?) } else { None };
    say(&format!("this host is the head of the cluster at {at}."));
    wait_for_nodes(&started, run)?;
    let outcome = Command::new(&run.command[0])
        .args(&run.command[1..])
        .env("TRYGON_ADDRESS", at.to_string())
        .status()
        .map_err(|error| format!("{} cannot be started: {error}", run.command[0].display()));
    drop(key);
    end(&started.session, Some(END_LIMIT))?;
    let status = outcome?;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    if code != 0 {
        say(&format!("the command ended with exit code {code}."));
    }
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

fn wait_for_nodes(started: &Started, run: &SymmetricRun) -> Result<(), String> {
    let mut connection = Connection::open(&started.session, false).ok_or("the head ended at once; see its log")?;
    let until = Instant::now() + Duration::from_secs(run.wait_s);
    let mut tell = Instant::now() + TELL_AGAIN;
    loop {
        let nodes = connection.ask("nodes", "")?;
        let alive = list(&nodes).iter().filter(|node| state(node) == "alive").count();
        if alive >= run.min_nodes as usize {
            return Ok(());
        }
        if Instant::now() > until {
            return Err(format!(
                "{alive} of {} nodes are there after {} s; is the same line running on all hosts, and do they reach {}? \
                 --wait-s waits longer",
                run.min_nodes, run.wait_s, run.address
            ));
        }
        if Instant::now() > tell {
            say(&format!("{alive} of {} nodes are there.", run.min_nodes));
            tell += TELL_AGAIN;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

fn as_member(run: &SymmetricRun, head: SocketAddr) -> Result<ExitCode, String> {
    let started = join(run, head)?;
    say(&format!("this host has joined the cluster at {}.", run.address));
    let life_line = started.life_line.as_ref().ok_or("the node ended at once; see its log")?;
    let mut refusals = 0;
    let mut heard = Instant::now();
    loop {
        let looked = Instant::now();
        if life_line.has_ended() {
            return Err("the node has ended; see its log".to_owned());
        }
        match TcpStream::connect_timeout(&head, WATCH) {
            Ok(_) => (refusals, heard) = (0, Instant::now()),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => refusals += 1,
            Err(_) => {}
        }
        if refusals >= REFUSALS {
            say("the head has ended, and so does this node.");
            end(&started.session, Some(END_LIMIT))?;
            return Ok(ExitCode::SUCCESS);
        }
        if heard.elapsed() > SILENCE {
            return Err(format!("the head at {} has not answered for {} s", run.address, SILENCE.as_secs()));
        }
        std::thread::sleep(WATCH.saturating_sub(looked.elapsed()));
    }
}

/// Joins as soon as the head is there; what a former run left in the key's file is overwritten by then.
fn join(run: &SymmetricRun, head: SocketAddr) -> Result<Started, String> {
    let path = key_path(run)?;
    let until = Instant::now() + Duration::from_secs(run.wait_s);
    let mut tell = Instant::now() + TELL_AGAIN;
    loop {
        let reason = match TcpStream::connect_timeout(&head, WATCH) {
            Err(error) => format!("nobody answers at {}: {error}", run.address),
            Ok(_) if !path.exists() => format!("the cluster's key is not in {}", path.display()),
            Ok(_) => {
                let start = Start {
                    head: false,
                    address: Some(run.address.clone()),
                    port: None,
                    node_ip_address: None,
                    node: crate::cluster::args::NodeOptions { token_file: Some(path.clone()), ..run.node.clone() },
                    storage: String::new(),
                    storage_dir: None,
                    head_reconnect_timeout: 0,
                    certificate_lifetime: None,
                    block: false,
                    json: false,
                    until_input_ends: false,
                };
                match start_node(&start, true) {
                    Ok(started) => return Ok(started),
                    Err(reason) => reason,
                }
            }
        };
        if Instant::now() > until {
            return Err(format!("the cluster was not joined within {} s: {reason}", run.wait_s));
        }
        if Instant::now() > tell {
            say(&format!("waits for the head at {}.", run.address));
            tell += TELL_AGAIN;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// The cluster's key where the other hosts find it, for as long as the command runs.
struct Key {
    path: PathBuf,
}

impl Key {
    fn publish(from: &Path, path: &Path) -> Result<Self, String> {
        let failed = |error: std::io::Error| {
            format!(
                "the cluster's key cannot be written to {}: {error}; give --token-file a file in another folder",
                path.display()
            )
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let key = std::fs::read(from).map_err(|error| format!("the cluster's key {}: {error}", from.display()))?;
        let mut incoming = path.as_os_str().to_owned();
        incoming.push(format!(".{}", std::process::id()));
        let _ = std::fs::remove_file(&incoming);
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&incoming);
        file.and_then(|mut file| file.write_all(&key)).map_err(failed)?;
        std::fs::rename(&incoming, path).map_err(failed)?;
        Ok(Self { path: path.to_owned() })
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn key_path(run: &SymmetricRun) -> Result<PathBuf, String> {
    if let Some(given) = &run.node.token_file {
        return Ok(given.clone());
    }
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    let home = home.ok_or("there is no home folder for the cluster's key; say with --token-file where it is to be")?;
    let name = format!("{}.key", run.address.replace([':', '/', '[', ']'], "_"));
    Ok(Path::new(&home).join(".trygon").join(name))
}

fn resolve(address: &str) -> Result<(IpAddr, u16), String> {
    let mut found =
        address.to_socket_addrs().map_err(|error| format!("the host of {address} is not known: {error}"))?;
    let first = found.next().ok_or_else(|| format!("the host of {address} has no address"))?;
    Ok((first.ip(), first.port()))
}

/// The address of this host that is meant; none if it is another host's.
fn own_ip(head: IpAddr, address: &str) -> Option<IpAddr> {
    // Only an address of this host can be bound.
    UdpSocket::bind((head, 0)).ok()?;
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']);
    // Many systems lead their own name, and no other host's, to a loopback address.
    let is_own_name = head.is_loopback() && host.parse::<IpAddr>().is_err() && host != "localhost";
    Some(if is_own_name { machine::own_address() } else { head })
}

fn say(message: &str) {
    eprintln!("trygon symmetric-run: {message}");
}

#[cfg(test)]
mod tests {
    use super::{Key, own_ip};
    use std::net::{IpAddr, Ipv4Addr};
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_host_knows_its_addresses() {
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert_eq!(own_ip(local, "127.0.0.1:6379"), Some(local));
        assert_eq!(own_ip(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 77)), "192.0.2.77:6379"), None);
    }

    #[test]
    fn the_key_is_private_and_goes_with_the_run() {
        let folder = std::env::temp_dir().join(format!("trygon-key-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let (from, path) = (folder.join("key"), folder.join("deep/copy"));
        std::fs::write(&from, "secret").expect("a file");
        let key = Key::publish(&from, &path).expect("a copy");
        assert_eq!(std::fs::metadata(&path).map(|found| found.mode() & 0o777).ok(), Some(0o600));
        assert_eq!(std::fs::read_to_string(&path).ok().as_deref(), Some("secret"));
        drop(key);
        assert!(!path.exists());
        std::fs::remove_dir_all(&folder).expect("to remove it");
    }
}
