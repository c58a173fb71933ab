//! Where sessions have their folders, and how they are found. `python/trygon/_core/sessions.py` reads the same files.
//!
//! ```text
//! BASE/current                  link to the session that was started last
//! BASE/session_<time>_<pid>/    0700: node.sock, pid, address, role, name, key, logs/
//! DEFAULT BASE/nodes/<name>     link to the folder of every session of this user, wherever its base is
//! ```

use crate::options;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// Chooses the folder under which the default base is.
pub const BASE_VARIABLE: &str = "TRYGON_TMPDIR";
/// The socket of a session's daemon.
pub const SOCKET: &str = "node.sock";
/// Longest path that the system takes for a socket.
const MAX_SOCKET_PATH: usize = 107;

/// The folder of this user's sessions: `TRYGON_TMPDIR`, the user's runtime folder, or the system's temporary one.
pub fn default_base() -> PathBuf {
    let own = format!("trygon-{}", rustix::process::getuid().as_raw());
    if let Some(folder) = options::folder(BASE_VARIABLE) {
        return folder.join(own);
    }
    match options::folder("XDG_RUNTIME_DIR").filter(|folder| folder.is_dir()) {
        Some(folder) => folder.join("trygon"),
        None => Path::new("/tmp").join(own),
    }
}

/// The folder of links to every session of this user.
pub fn registry() -> PathBuf {
    default_base().join("nodes")
}

/// Makes a folder that only this user can look into, or checks that the one that is there is such a one.
///
/// # Errors
/// When it cannot be made, or is somebody else's.
pub fn make_private(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = std::fs::symlink_metadata(path)?;
    if !found.is_dir() || found.uid() != rustix::process::getuid().as_raw() || found.mode() & 0o077 != 0 {
        let message = format!(
            "{} must be a folder of yours that nobody else can look into; remove it, or set {BASE_VARIABLE} to another",
            path.display()
        );
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    Ok(())
}

/// Makes a new session's folder under `base`.
///
/// # Errors
/// When it cannot be made, or its path is too long for a socket.
pub fn create(base: &Path, name: &str) -> io::Result<PathBuf> {
    if base == default_base() {
        make_private(base)?;
    } else {
        std::fs::create_dir_all(base)?;
    }
    let folder = base.canonicalize()?.join(name);
    let len = folder.join(SOCKET).as_os_str().len();
    if len > MAX_SOCKET_PATH {
        let message = format!(
            "the path {} has {len} bytes, and the system takes {MAX_SOCKET_PATH} for a socket; choose a shorter --temp-dir",
            folder.join(SOCKET).display()
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    make_private(&folder)?;
    make_private(&folder.join("logs"))?;
    Ok(folder)
}

/// Connects to a session's daemon, if it runs.
pub fn connect(folder: &Path) -> Option<UnixStream> {
    UnixStream::connect(folder.join(SOCKET)).ok()
}

/// The process of a session's daemon, if it runs, also when nobody can connect to it: while it waits to come back to its cluster.
pub fn daemon(folder: &Path) -> Option<i32> {
    let pid: i32 = read(folder, "pid").parse().ok()?;
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let is_daemon = words.split(|byte| *byte == 0).skip(1).take(2).eq([b"node".as_slice(), b"--session".as_slice()]);
    let is_here = std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == folder);
    (is_daemon && is_here).then_some(pid)
}

/// The session that was started last under `base`, if its folder is there.
pub fn current(base: &Path) -> Option<PathBuf> {
    std::fs::read_link(base.join("current")).ok().map(|link| base.join(link)).filter(|folder| folder.is_dir())
}

/// The folders of all sessions of this user, the newest first; whether their daemons run is another question.
pub fn all() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(registry()).into_iter().flatten().flatten();
    let mut links: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    links.sort();
    links.iter().rev().filter_map(|link| std::fs::read_link(link).ok()).collect()
}

/// What a small file of a session says; empty when it is not there.
pub fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).map(|text| text.trim().to_owned()).unwrap_or_default()
}

/// Writes a small file of a session.
///
/// # Errors
/// When it cannot be written.
pub fn write(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let incoming = folder.join(format!(".{name}"));
    std::fs::write(&incoming, format!("{text}\n"))?;
    std::fs::rename(incoming, folder.join(name))
}

/// Makes a session findable: by the link of its base, and by that of this user.
pub(crate) fn announce(folder: &Path) -> io::Result<()> {
    if let Some(base) = folder.parent() {
        link(&base.join("current"), Path::new(folder.file_name().unwrap_or_default()))?;
    }
    make_private(&default_base())?;
    make_private(&registry())?;
    link(&registry().join(folder.file_name().unwrap_or_default()), folder)
}

/// Takes away what leads to a session that ended. Its logs stay.
pub fn withdraw(folder: &Path) {
    for name in [SOCKET, "pid", "address"] {
        let _ = std::fs::remove_file(folder.join(name));
    }
    let name = folder.file_name().unwrap_or_default();
    let _ = std::fs::remove_file(registry().join(name));
    let current = folder.parent().map(|base| base.join("current")).unwrap_or_default();
    if std::fs::read_link(&current).is_ok_and(|link| link == Path::new(name)) {
        let _ = std::fs::remove_file(current);
    }
}

/// Removes the folders of sessions that ended under `base`, but for the newest `kept`.
pub fn sweep(base: &Path, kept: usize) {
    let entries = std::fs::read_dir(base).into_iter().flatten().flatten();
    let is_over = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("session_"))
            && !path.join("pid").exists()
    };
    let mut over: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_over).collect();
    over.sort();
    over.truncate(over.len().saturating_sub(kept));
    for folder in over {
        let _ = std::fs::remove_dir_all(folder);
    }
}

/// A link, in one step: nobody finds it missing.
fn link(at: &Path, to: &Path) -> io::Result<()> {
    let mut incoming = at.as_os_str().to_owned();
    incoming.push(format!(".{}", std::process::id()));
    let _ = std::fs::remove_file(&incoming);
    std::os::unix::fs::symlink(to, &incoming)?;
    std::fs::rename(&incoming, at)
}
