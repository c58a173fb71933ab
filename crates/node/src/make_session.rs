//! The node of a daemon that stays, made from what it is to be.

use crate::cluster::Entrance;
use crate::head_place::HeadLink;
use crate::service::Service;
use crate::session::{Role, Session, folder};
use crate::spill_options::spill_options;
use crate::start::NodeConfig;
use crate::worker_pool::Shield;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use trygon_ids::NodeId;
use trygon_wire::control::StartDaemon;

/// Connections that may wait to be taken.
const BACKLOG: i32 = 128;

/// Makes the node, up to where it waits for the head.
pub(crate) fn make(start: &StartDaemon) -> Result<Service, String> {
    let path = PathBuf::from(&start.session_directory);
    let failed = |error: io::Error| error.to_string();
    folder::make_private(&path).map_err(failed)?;
    let listener = listen(&path.join(folder::SOCKET)).map_err(failed)?;
    let mut service = Service::new(NodeConfig {
        resources: start.resources.clone(),
        labels: start.labels.clone(),
        object_store_memory_bytes: start.object_store_memory_bytes,
        idle_worker_ms: start.idle_worker_ms,
        max_workers: start.max_workers,
        address: start.ip.clone(),
        spill: spill_options(start.spill.clone(), Some(&path))?,
    })
    .map_err(failed)?;
    let (cluster, address) = Entrance { start, node_id: service.identity.node_id, folder: &path }.enter()?;
    let own_address = address.to_string();
    let (role, cluster_address) = match start.head_address.as_str() {
        "" => (Role::Head, own_address.clone()),
        head => (Role::Member { head: head.to_owned() }, head.to_owned()),
    };
    let session = Session {
        folder: path,
        name: start.name.clone(),
        role,
        cluster_address,
        own_address,
        python_version: start.python_version.clone(),
        kept_workers: start.prestart_workers as usize,
        listener,
        starter: None,
        arriving: BTreeMap::new(),
        life_lines: BTreeSet::new(),
        attaching: BTreeMap::new(),
    };
    describe(&session, service.identity.node_id).map_err(failed)?;
    service.session = Some(session);
    service.hide_secrets(start);
    service.cluster = Some(cluster);
    service.head = HeadLink::remote();
    service.watch_arrivals().map_err(|error| failed(error.into()))?;
    service.watch_network().map_err(failed)?;
    Ok(service)
}

/// Writes what commands and programs look for in a session's folder.
fn describe(session: &Session, node_id: NodeId) -> io::Result<()> {
    let path = &session.folder;
    folder::write(path, "pid", &std::process::id().to_string())?;
    folder::write(path, "address", &session.cluster_address)?;
    folder::write(path, "node_address", &session.own_address)?;
    folder::write(path, "node_id", &node_id.hex())?;
    folder::write(path, "role", if session.role == Role::Head { "head" } else { "member" })?;
    folder::write(path, "name", &session.name)
}

fn listen(path: &Path) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let listener = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::bind(&listener, &SocketAddrUnix::new(path)?)?;
    rustix::net::listen(listener.as_fd(), BACKLOG)?;
    Ok(listener)
}

impl Service {
    /// Keeps the cluster's key, and on the head's machine its authority, from what users run.
    fn hide_secrets(&mut self, start: &StartDaemon) {
        let key = Path::new(&start.key_file);
        let secrets = [key.to_owned(), key.with_file_name("authority.key")];
        match Shield::over(&secrets) {
            Ok(shield) => self.shield = shield,
            Err(error) => self.log(&format!(
                "tasks on this machine run as the user who owns {} and can read it: it cannot be hidden from them ({error})",
                key.display()
            )),
        }
    }
}
