//! The zygote: a warm interpreter from which workers are forked.

use crate::connection::Connection;
use crate::log_tail::LineStream;
use crate::poller::{Poller, Role};
use crate::worker_pool::shield::Shield;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Stdio};
use trygon_node_core::EnvironmentId;
use trygon_wire::control::ForkWorker;

/// Numbers of zygotes in the poller begin here; their environments count up from it, and the one before is that of zygotes
/// that were told to end. No worker ever gets one.
pub(crate) const ZYGOTE: u64 = 1 << 60;
/// The program that the interpreter runs. Its socket is standard input; the search path comes in the environment.
const PROGRAM: &str = "import os, sys\nsys.path[:] = os.environ.pop('TRYGON_SYS_PATH').split('\\n')\n\
                       from trygon._core.zygote import main\nmain(0)\n";

/// Holds a worker's number, in hexadecimal; zeros in a zygote.
pub(crate) const WORKER_MARK: &str = "TRYGON_WORKER_MARK";
/// As long as any number: a worker writes its own in its place.
const NO_WORKER: &str = "0000000000000000";

/// Tells a job's processes where its files are on this node of a cluster.
pub(crate) const DIRECTORY_VARIABLE: &str = "TRYGON_JOB_DIRECTORY";
/// Set where a job's driver is connected to another node.
pub(crate) const DRIVER_ELSEWHERE_VARIABLE: &str = "TRYGON_DRIVER_ELSEWHERE";

/// The same where the interpreter is not the driver's: it has packages of its own, which come first.
const PROGRAM_OF_ANOTHER: &str = "import os, sys\nown = [path for path in sys.path if path]\n\
                                  passed = os.environ.pop('TRYGON_SYS_PATH').split('\\n')\n\
                                  sys.path[:] = own + [path for path in passed if path not in own]\n\
                                  from trygon._core.zygote import main\nmain(0)\n";

/// How to start a zygote.
#[derive(Debug, Clone)]
pub(crate) struct ZygoteConfig {
    pub(crate) python: String,
    /// The driver's interpreter is not on this machine: this one is the node's.
    pub(crate) is_other_python: bool,
    pub(crate) sys_path: Vec<String>,
    pub(crate) working_directory: String,
    /// Where it runs: the first of these folders that is here; otherwise in the daemon's, which is the driver's.
    pub(crate) enters: Vec<String>,
    /// Added to its environment variables.
    pub(crate) variables: BTreeMap<String, String>,
}

impl ZygoteConfig {
    /// Sees to it that the last folder is there where none of the others is. What cannot be made is done without.
    pub(in crate::worker_pool) fn make_place(&self) {
        if let Some(last) = self.enters.last().filter(|_| self.place().is_none()) {
            let _ = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(last);
        }
    }

    fn place(&self) -> Option<&String> {
        self.enters.iter().find(|folder| Path::new(folder).is_dir())
    }
}

/// The zygote that runs.
#[derive(Debug)]
pub(crate) struct Zygote {
    pub(crate) child: Child,
    pub(crate) connection: Connection,
    pub(in crate::worker_pool) errors: LineStream,
    /// The last lines of its error stream, for the message when it dies.
    pub(in crate::worker_pool) last_words: Vec<String>,
    pub(in crate::worker_pool) ready: bool,
    pub(in crate::worker_pool) failures: u32,
    /// Somebody killed it: that says nothing of the interpreter.
    pub(in crate::worker_pool) was_killed: bool,
    /// Workers that are asked of it when it is ready.
    pub(in crate::worker_pool) waiting: Vec<(ForkWorker, Vec<OwnedFd>)>,
    /// Workers that were asked of it and that it has not forked, and when it is looked at because of them.
    pub(in crate::worker_pool) forks: BTreeSet<u64>,
    pub(in crate::worker_pool) look_ms: Option<u64>,
}

impl Zygote {
    /// Starts one. Any but the plain environment's is sent what it has to prepare first.
    pub(crate) fn start(
        config: &ZygoteConfig,
        environment: EnvironmentId,
        is_plain: bool,
        poller: &Poller,
        shield: &Shield,
    ) -> std::io::Result<Self> {
        let number = number_of(environment);
        let flags = SocketFlags::CLOEXEC;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        rustix::io::ioctl_fionbio(&ours, true)?;
        let (errors, errors_end) = pipe_with(PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&errors, true)?;
        let mut command = shield.command(config.python.as_ref());
        if config.is_other_python {
            command.args(["-I", "-c", PROGRAM_OF_ANOTHER]);
        } else {
            command.args(["-I", "-S", "-c", PROGRAM]);
        }
        command.env("TRYGON_SYS_PATH", search_path(config));
        // A daemon that was started in a job of another daemon has that job's.
        for name in [DIRECTORY_VARIABLE, DRIVER_ELSEWHERE_VARIABLE] {
            command.env_remove(name);
        }
        command.envs(&config.variables);
        command.env(WORKER_MARK, NO_WORKER);
        if let Some(folder) = config.place() {
            command.current_dir(folder);
        }
        if !is_plain {
            command.env("TRYGON_PREPARES_ENVIRONMENT", "1");
        }
        command.stdin(Stdio::from(theirs)).stdout(Stdio::from(errors_end.try_clone()?)).stderr(Stdio::from(errors_end));
        let child = command.spawn()?;
        poller.add(&ours, number, Role::Control)?;
        poller.add(&errors, number, Role::Errors)?;
        let connection = Connection::new(ours);
        let errors = LineStream::new(Some(errors));
        let (last_words, waiting) = (Vec::new(), Vec::new());
        Ok(Self {
            child,
            connection,
            errors,
            last_words,
            ready: false,
            failures: 0,
            was_killed: false,
            waiting,
            forks: BTreeSet::new(),
            look_ms: None,
        })
    }

    /// Ends it, and reads what it said last.
    pub(in crate::worker_pool) fn end(&mut self) {
        // One that is on its way out by itself has its status already, whatever is sent to it.
        let _ = self.child.kill();
        // Where the status is not to be had, it was taken with those of the other children.
        self.was_killed = self.child.wait().map_or(true, |status| status.signal() == Some(Signal::KILL.as_raw()));
        self.listen();
        self.errors.finish();
        self.listen();
    }

    pub(in crate::worker_pool) fn listen(&mut self) {
        self.errors.read();
        for batch in self.errors.take_batches() {
            self.last_words.extend(batch.lines);
        }
        let surplus = self.last_words.len().saturating_sub(30);
        self.last_words.drain(..surplus);
    }
}

/// The number in the poller of an environment's zygote.
pub(crate) fn number_of(environment: EnvironmentId) -> u64 {
    ZYGOTE + u64::from(environment)
}

/// The driver's search path, line by line; an empty entry means the program's directory.
fn search_path(config: &ZygoteConfig) -> String {
    let entry = |path: &String| {
        if path.is_empty() { config.working_directory.clone() } else { path.clone() }
    };
    let own = package_folder().filter(|_| config.is_other_python);
    let entries: Vec<String> =
        own.into_iter().chain(config.sys_path.iter().map(entry)).filter(|path| !path.is_empty()).collect();
    entries.join("\n")
}

/// Where the package is that this program belongs to.
fn package_folder() -> Option<String> {
    let binary = std::env::current_exe().ok()?;
    let package = binary.parent()?.parent()?;
    let is_package = package.join("__init__.py").is_file();
    package.parent().filter(|_| is_package).map(|folder| folder.to_string_lossy().into_owned())
}
