//! A real Redis server in a folder of its own, ended with the test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that listens on a Unix socket.
pub(crate) struct Server {
    pub(crate) folder: tempfile::TempDir,
    child: Child,
    arguments: Vec<String>,
}

impl Server {
    /// Starts one with these arguments besides; `None` (and a line that says why) where there is no Redis.
    pub(crate) fn start(arguments: &[&str]) -> Option<Self> {
        Self::start_in(tempfile::tempdir().expect("a folder"), arguments)
    }

    /// As `start`, in a folder that holds what the arguments name.
    pub(crate) fn start_in(folder: tempfile::TempDir, arguments: &[&str]) -> Option<Self> {
        let program = program()?;
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let child = launch(&program, folder.path(), &arguments);
        let server = Self { folder, child, arguments };
        server.wait();
        Some(server)
    }

    /// The address of its socket, with `query` behind it.
    pub(crate) fn address(&self, query: &str) -> String {
        format!("redis+unix://{}{query}", self.folder.path().join("socket").display())
    }

    /// Kills it, as a crash would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("ours");
        self.child.wait().expect("ours");
    }

    /// Starts it again on what it left.
    pub(crate) fn start_again(&mut self) {
        let program = program().expect("it was there");
        self.child = launch(&program, self.folder.path(), &self.arguments);
        self.wait();
    }

    fn wait(&self) {
        let socket = self.folder.path().join("socket");
        let since = Instant::now();
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            assert!(since.elapsed() < Duration::from_secs(20), "redis-server does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn launch(program: &Path, folder: &Path, arguments: &[String]) -> Child {
    let _ = std::fs::remove_file(folder.join("socket"));
    Command::new(program)
        .args(["--port", "0", "--unixsocketperm", "700", "--save", "", "--appendonly", "yes"])
        .args(["--appendfsync", "always", "--unixsocket"])
        .arg(folder.join("socket"))
        .arg("--dir")
        .arg(folder)
        .args(arguments)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server starts")
}

/// The server's program. Continuous integration installs it; nobody else's machine is changed by a test.
fn program() -> Option<PathBuf> {
    let find = || {
        let folders = ["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"];
        folders.iter().map(|folder| Path::new(folder).join("redis-server")).find(|path| path.exists())
    };
    if let Some(found) = find() {
        return Some(found);
    }
    if std::env::var_os("CI").is_none() || !rustix::process::geteuid().is_root() {
        println!("skipped: there is no redis-server here (on Debian: apt-get install redis-server)");
        return None;
    }
    // Each test is a process of its own: they wait for one another. The service that comes with it is not started.
    let script = "exec 9>/tmp/trygon-test-redis.lock; flock 9; command -v redis-server || { apt-get update; \
        RUNLEVEL=1 apt-get install -y --no-install-recommends redis-server; }";
    let install = Command::new("sh").args(["-c", script]).env("DEBIAN_FRONTEND", "noninteractive").output();
    let found = find();
    if found.is_none() {
        println!("skipped: redis-server cannot be installed: {install:?}");
    }
    found
}
