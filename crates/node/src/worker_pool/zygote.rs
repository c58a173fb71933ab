//! The zygote: a warm interpreter from which workers are forked.

use crate::connection::{Connection, Flow};
use crate::log_tail::LineStream;
use crate::poller::{Poller, Role};
use crate::service::Service;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use trygon_wire::Kind;
use trygon_wire::control::{NodeFailed, WorkerForked, ZygoteReady};

/// The zygote's number in the poller: no worker ever gets it.
pub(crate) const ZYGOTE: u64 = 1 << 60;
/// The program that the interpreter runs. Its socket is standard input; the search path comes in the environment.
const PROGRAM: &str = "import os, sys\nsys.path[:] = os.environ.pop('TRYGON_SYS_PATH').split('\\n')\n\
                       from trygon._core.zygote import main\nmain(0)\n";
/// Failures in a row, without a zygote that became ready, after which the node gives up.
const MAX_FAILURES: u32 = 3;

/// How to start a zygote.
#[derive(Debug, Clone)]
pub(crate) struct ZygoteConfig {
    pub(crate) python: String,
    pub(crate) sys_path: Vec<String>,
    pub(crate) working_directory: String,
}

/// The zygote that runs.
#[derive(Debug)]
pub(crate) struct Zygote {
    pub(crate) config: ZygoteConfig,
    pub(crate) child: Child,
    pub(crate) connection: Connection,
    errors: LineStream,
    /// The last lines of its error stream, for the message when it dies.
    last_words: Vec<String>,
    ready: bool,
    failures: u32,
}

impl Zygote {
    /// Starts one.
    pub(crate) fn start(config: ZygoteConfig, poller: &Poller) -> std::io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        rustix::io::ioctl_fionbio(&ours, true)?;
        let (errors, errors_end) = pipe_with(PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&errors, true)?;
        let mut command = Command::new(&config.python);
        command.args(["-I", "-S", "-c", PROGRAM]).env("TRYGON_SYS_PATH", search_path(&config));
        command.stdin(Stdio::from(theirs)).stdout(Stdio::from(errors_end.try_clone()?)).stderr(Stdio::from(errors_end));
        let child = command.spawn()?;
        poller.add(&ours, ZYGOTE, Role::Control)?;
        poller.add(&errors, ZYGOTE, Role::Errors)?;
        let connection = Connection::new(ours);
        let errors = LineStream::new(Some(errors));
        Ok(Self { config, child, connection, errors, last_words: Vec::new(), ready: false, failures: 0 })
    }

    fn listen(&mut self) {
        self.errors.read();
        for batch in self.errors.take_batches() {
            self.last_words.extend(batch.lines);
        }
        let surplus = self.last_words.len().saturating_sub(30);
        self.last_words.drain(..surplus);
    }
}

/// The driver's search path, line by line; an empty entry means the program's directory.
fn search_path(config: &ZygoteConfig) -> String {
    let entry = |path: &String| if path.is_empty() { config.working_directory.clone() } else { path.clone() };
    let entries: Vec<String> = config.sys_path.iter().map(entry).filter(|path| !path.is_empty()).collect();
    entries.join("\n")
}

impl Service {
    /// The zygote prints only when something is wrong.
    pub(crate) fn on_zygote_errors(&mut self) {
        self.zygote.listen();
    }

    /// The zygote said something, or is gone.
    pub(crate) fn on_zygote_socket(&mut self) {
        let flow = self.zygote.connection.receive();
        let mut reader = std::mem::take(&mut self.zygote.connection.reader);
        let mut broken = false;
        loop {
            match reader.next_frame() {
                Ok(Some((header, body))) => match header.kind {
                    Kind::ZygoteReady if trygon_wire::decode::<ZygoteReady>(body).is_ok() => {
                        self.zygote.ready = true;
                        self.zygote.failures = 0;
                    }
                    Kind::WorkerForked => {
                        if let Ok(forked) = trygon_wire::decode::<WorkerForked>(body) {
                            self.on_worker_pid(forked.number, forked.pid);
                        }
                    }
                    _ => {}
                },
                Ok(None) => break,
                Err(_) => {
                    broken = true;
                    break;
                }
            }
        }
        self.zygote.connection.reader = reader;
        if broken || flow == Flow::Closed {
            self.on_zygote_died();
        }
    }

    /// Its workers live on; those that it had not forked yet fail with their sockets and are asked for again.
    fn on_zygote_died(&mut self) {
        let _ = self.zygote.child.kill();
        let _ = self.zygote.child.wait();
        self.zygote.listen();
        self.zygote.errors.finish();
        self.zygote.listen();
        let failures = if self.zygote.ready { 0 } else { self.zygote.failures + 1 };
        let words = self.zygote.last_words.join("\n");
        if failures >= MAX_FAILURES {
            let python = &self.zygote.config.python;
            let message = format!("workers cannot be started: {python} ended while it was made ready.\n{words}");
            self.send(crate::process::DRIVER, Kind::NodeFailed, &NodeFailed { message });
            self.stop();
            return;
        }
        match Zygote::start(self.zygote.config.clone(), &self.poller) {
            Ok(mut zygote) => {
                zygote.failures = failures;
                zygote.last_words = std::mem::take(&mut self.zygote.last_words);
                self.zygote = zygote;
            }
            Err(error) => {
                let message = format!("{} cannot be started: {error}", self.zygote.config.python);
                self.send(crate::process::DRIVER, Kind::NodeFailed, &NodeFailed { message });
                self.stop();
            }
        }
    }

    /// Sends what waits for the zygote.
    pub(crate) fn flush_zygote(&mut self) {
        let connection = &mut self.zygote.connection;
        let full = connection.flush() == Flow::Full;
        if full != connection.watches_room {
            connection.watches_room = full;
            self.poller.watch_room(connection.as_fd(), ZYGOTE, Role::Control, full);
        }
    }

    /// A pipe whose reading end the loop watches.
    pub(crate) fn watched_pipe(&self, number: u64, role: Role) -> rustix::io::Result<(LineStream, OwnedFd)> {
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(ours.as_fd(), true)?;
        self.poller.add(&ours, number, role)?;
        Ok((LineStream::new(Some(ours)), theirs))
    }
}
