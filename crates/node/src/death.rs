//! A worker ended: one cause, what its flight recorder kept, and everybody who has to know.

use crate::process::Process;
use crate::recorder;
use crate::service::Service;
use rustix::process::{Signal, WaitStatus};
use std::collections::BTreeMap;
use trygon_ids::WorkerId;
use trygon_node_core::Event;
use trygon_proto::v1::ProcessEnded;
use trygon_proto::v1::node_to_head::Body;
use trygon_wire::Kind;
use trygon_wire::control::Death;

impl Service {
    /// The worker's process is gone, or never came to be. `status` is missing when nobody can know it any more.
    pub(crate) fn on_worker_ended(&mut self, number: u64, status: Option<WaitStatus>) {
        // What it said and printed last was sent before it ended.
        self.drain_socket(number);
        self.drain_output(number);
        let Some(process) = self.processes.remove(&number) else {
            return;
        };
        self.talkative.remove(&number);
        if let Some(pid) = process.pid {
            self.by_pid.remove(&pid.as_raw_nonzero().get());
            // It led a group of its own: what it started and left behind ends with it.
            let _ = rustix::process::kill_process_group(pid, Signal::KILL);
        }
        self.end_orphans();
        self.look_for_orphans_again();
        let death = self.memory_cause(number, &process, status).unwrap_or_else(|| cause(&process, status));
        let worker = process.id;
        let record = process.recorder.as_ref().map(recorder::read).unwrap_or_default();
        self.tell_peers(number, worker, &process.peers, &record, &death);
        self.tell_remote_peers(worker, &process.remote_peers, &record, &death);
        self.note_failed_start(worker, &death.message);
        self.graveyard.bury(number, death.clone());
        self.on_store_user_died(number);
        self.forget_placed(worker);
        self.node_step(Event::ProcessDied { process: worker });
        let ended = ProcessEnded { worker_id: worker.as_bytes().to_vec(), death: Some(death) };
        self.tell_head(Body::ProcessEnded(ended));
        self.settle_job(process.job);
    }

    /// Why a process was ended for its memory, if it was.
    fn memory_cause(&mut self, number: u64, process: &Process, status: Option<WaitStatus>) -> Option<Death> {
        let verdict = self.memory.worker_ended(number);
        let signal = status.and_then(WaitStatus::terminating_signal)?;
        if signal != Signal::KILL.as_raw() || process.killed.is_some() {
            return None;
        }
        let by_kernel = verdict.is_none() && process.announced.is_none() && self.kernel_ran_out();
        let (kind, message) = match verdict {
            Some(verdict) => ("memory_limit", self.limit_message(&verdict, process)),
            None if by_kernel => ("out_of_memory", self.kernel_message()),
            None => return None,
        };
        Some(Death { kind: kind.to_owned(), signal, exit_code: 0, message, pid: process.pid_number() })
    }

    fn drain_socket(&mut self, number: u64) {
        use crate::connection::Flow;
        while let Some(process) = self.processes.get_mut(&number) {
            let flow = process.connection.receive();
            self.read_frames(number);
            if flow != Flow::Full {
                return;
            }
        }
    }

    /// OWN-8: each peer hears whether a task of its was started, and gets what was written for it and may not have arrived.
    pub(crate) fn tell_peers(
        &mut self,
        number: u64,
        worker: WorkerId,
        peers: &BTreeMap<u64, u64>,
        record: &[u8],
        death: &Death,
    ) {
        for (peer, connection) in peers {
            if let Some(other) = self.processes.get_mut(peer) {
                other.peers.remove(&number);
            }
            let message = recorder::last_words(worker, *connection, record, death);
            self.send(*peer, Kind::PeerDied, &message);
        }
    }
}

/// Exactly one cause. What the daemon did comes first, then what the worker announced, then what the system says.
fn cause(process: &Process, status: Option<WaitStatus>) -> Death {
    let pid = process.pid_number();
    let signal = status.and_then(WaitStatus::terminating_signal).unwrap_or(0);
    let exit_code = status.and_then(WaitStatus::exit_status).unwrap_or(0);
    let death = |kind: &str, message: String| Death { kind: kind.to_owned(), signal, exit_code, message, pid };
    if let Some((kind, message)) = &process.killed {
        return death(kind, message.clone());
    }
    // A worker that ends for a forced cancel kills itself: nothing of Python's stands in the way.
    if let Some(announced) = &process.announced
        && (signal == 0 || announced.kind == "cancelled")
    {
        return death(&announced.kind, announced.message.clone());
    }
    if let Some(message) = process.draining
        && signal == 0
        && exit_code == 0
    {
        return death("out_of_scope", message.to_owned());
    }
    match status {
        Some(_) if signal != 0 => {
            let name = signal_name(signal);
            let hint = if signal == 9 { "; somebody killed it, or the system was out of memory" } else { "" };
            death("signal", format!("worker process {pid} was ended by signal {signal} ({name}){hint}"))
        }
        Some(_) => death("exit", format!("worker process {pid} exited with code {exit_code} while it was in use")),
        None if pid == 0 => death("unknown", "the worker process could not be started".to_owned()),
        None => death("unknown", format!("worker process {pid} is gone; its status is not known")),
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => "a signal",
    }
}
