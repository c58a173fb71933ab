//! The worker's side: what is to run next, and the reply to what ran.

use crate::engine::Engine;
use crate::link::Peer;
use crate::reply::{ReturnedValue, put_references, put_return};
use crate::runtime::Runtime;
use crate::wait::Patience;
use crate::work::{Call, Executing, Work};
use std::sync::Arc;
use trygon_ids::{FunctionHash, TaskId, WorkerId};
use trygon_wire::{Header, Kind, control, peer, task};
use trygon_worker_core::{PeerIndex, Reference};

/// How a task ended.
#[derive(Debug)]
pub struct Finished<'a> {
    /// `task::STATUS_*`.
    pub status: u8,
    /// How long it ran.
    pub execution_ns: u64,
    /// Its results.
    pub returns: &'a [ReturnedValue<'a>],
    /// References that came with its arguments and may still be held.
    pub carried: &'a [Reference],
    /// The process exits after this reply.
    pub exiting: bool,
}

/// Why the main thread has to leave its loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerExit(pub String);

/// Time to see processes end that user code started.
pub(crate) const ORPHANS_LIMIT: std::time::Duration = std::time::Duration::from_millis(500);
/// A function that runs longer than this is flushed for before it starts: what waits would be stuck behind it.
const SHORT_NS: u64 = 20_000;

impl Runtime {
    /// The next thing to do, if there is one now; when there is none, what waits is written.
    pub fn try_next_work(&self) -> Result<Option<Work>, WorkerExit> {
        let mut engine = self.lock();
        if let Some(mut work) = engine.work.pop_front() {
            if let Work::Call(call) = &mut work {
                engine.running.start(call);
            }
            return Ok(Some(work));
        }
        engine.tell_ownership();
        engine.settle_and_flush();
        let reason = engine.exit.clone();
        drop(engine);
        reason.map_or(Ok(None), |reason| Err(self.leaving(reason)))
    }

    /// Waits for something to do. `None` when interrupted.
    pub fn wait_for_work(&self, patience: &Patience) -> Result<(), WorkerExit> {
        self.wait(patience, |engine| !engine.work.is_empty() || engine.is_closed());
        let engine = self.lock();
        let reason = engine.exit.clone().filter(|_| engine.work.is_empty());
        drop(engine);
        reason.map_or(Ok(()), |reason| Err(self.leaving(reason)))
    }

    /// The process is about to end. With the daemon gone, nobody else ends what user code started here.
    fn leaving(&self, reason: String) -> WorkerExit {
        let is_orphan = self.lock().control.closed;
        if is_orphan {
            trygon_processes::end_descendants(ORPHANS_LIMIT);
        }
        WorkerExit(reason)
    }

    /// Marks a task as started (OWN-8) and makes sure that replies do not wait behind a long one. False when the task was cancelled, and
    /// answered, meanwhile: it is not to be run.
    pub fn begin(&self, call: &Call, expected_ns: Option<u64>) -> bool {
        let mut engine = self.lock();
        let engine = &mut *engine;
        if !engine.running.begin(call) {
            return false;
        }
        let connection = engine.links.peer(call.peer).connection;
        if let Some(recorder) = &mut engine.links.recorder {
            recorder.set_retriable(call.is_retriable);
            recorder.set_started(connection, call.push.slot, call.push.generation, call.push.attempt);
        }
        engine.core.begin_task();
        engine.executing = Some(Executing { depth: call.push.depth });
        if expected_ns.is_none_or(|expected| expected > SHORT_NS) {
            engine.settle_and_flush();
        }
        true
    }

    /// As [`Runtime::begin`], for a constructor.
    pub fn begin_constructor(&self, depth: u16) {
        let mut engine = self.lock();
        engine.executing = Some(Executing { depth });
        engine.settle_and_flush();
    }

    /// The constructor is done: `error` is empty or the error's byte form.
    pub fn actor_started(&self, actor_id: &[u8], incarnation: u32, error: Vec<u8>) {
        let mut engine = self.lock();
        engine.executing = None;
        let message = control::ActorStarted { actor_id: actor_id.to_vec(), incarnation, error };
        engine.control.send(Kind::ActorStarted, &message);
        engine.settle_and_flush();
    }

    /// Sends the reply of a task. References inside its results are lent to the caller; those it carried and still holds are named.
    pub fn finish(&self, call: &Call, finished: &Finished<'_>) {
        let mut engine = self.lock();
        let is_full = engine.reply(call, finished);
        if is_full {
            engine.settle_and_flush();
            if !engine.links.replies_are_written() {
                drop(engine);
                // Replies that have no place in the recorder would be lost with the process: let the readers catch up first.
                self.wait_through(&Patience::for_ever(), |engine| {
                    engine.links.replies_are_written() || engine.is_closed()
                });
                engine = self.lock();
            }
            // OWN-8: one that nothing else keeps counts as started until it is written, and is not sent elsewhere for nothing.
            if let Some(recorder) = &mut engine.links.recorder {
                recorder.clear_started();
            }
        } else {
            drop(engine);
            self.ensure_ticking();
        }
    }

    /// The task that runs, for `get_runtime_context`.
    pub fn task_id_of(&self, call: &Call) -> TaskId {
        let mut engine = self.lock();
        let owner = engine.links.peer(call.peer).worker;
        let incarnation = engine.incarnations.get(&owner).copied();
        let job = engine.core.identity().job;
        incarnation.map_or(TaskId::nil(), |owner| TaskId::of(job, owner, call.push.slot, call.push.generation))
    }

    /// The process behind a connection.
    pub fn worker_of(&self, peer: PeerIndex) -> WorkerId {
        self.lock().links.peer(peer).worker
    }

    /// Asks for the body of a function until it is there. `None` when nobody has it, or whoever has it is gone.
    pub fn function_body(&self, hash: FunctionHash, from: Option<PeerIndex>) -> Option<Arc<[u8]>> {
        let mut engine = self.lock();
        if let Some(body) = engine.known_body(&hash) {
            return Some(body);
        }
        let message_hash = hash.as_bytes().to_vec();
        match from {
            Some(peer) => engine.links.send(peer, Kind::FunctionFetch, &peer::FunctionFetch { hash: message_hash }),
            None => engine.control.send(Kind::FunctionGet, &control::FunctionGet { hash: message_hash }),
        }
        engine.settle_and_flush();
        drop(engine);
        self.wait_through(&Patience::for_ever(), |engine| {
            let is_answered = engine.known_body(&hash).is_some() || engine.missing.contains(&hash);
            is_answered || engine.is_closed() || from.is_some_and(|peer| !engine.links.peer(peer).is_open())
        });
        let mut engine = self.lock();
        engine.missing.remove(&hash);
        engine.known_body(&hash)
    }

    /// Forgets a fetched body that was loaded: the loaded function is kept by the caller. An own function's body stays,
    /// for this process may have sent tasks of it to others that have yet to ask.
    pub fn forget_body(&self, hash: &FunctionHash) {
        self.lock().fetched.remove(hash);
    }

    /// Tells the daemon that the process is about to exit on purpose, and writes everything that waits.
    pub fn announce_exit(&self, kind: &str, message: &str, exit_code: i32) {
        let mut engine = self.lock();
        let exiting = control::WorkerExiting { kind: kind.to_owned(), message: message.to_owned(), exit_code };
        engine.control.send(Kind::WorkerExiting, &exiting);
        engine.settle_and_flush();
        drop(engine);
        let soon = Patience::until(std::time::Duration::from_secs(2));
        self.wait_through(&soon, |engine| {
            engine.links.peers.values_mut().all(Peer::is_delivered) || engine.is_closed()
        });
    }

    /// Names what runs, for the lines it prints.
    pub fn set_running_name(&self, name: &str) {
        if let Some(recorder) = &mut self.lock().links.recorder {
            recorder.set_name(name);
        }
    }

    /// Tells the daemon that tasks may come.
    pub fn announce_ready(&self, pid: u32) {
        let mut engine = self.lock();
        engine.control.send(Kind::WorkerReady, &control::WorkerReady { pid });
        engine.control.flush();
    }

    /// How many tasks wait in this process.
    pub fn waiting_work(&self) -> usize {
        self.lock().work.len()
    }
}

impl Engine {
    /// Appends a reply to its connection. True when the recorder is full, and everything has to be written first.
    fn reply(&mut self, call: &Call, finished: &Finished<'_>) -> bool {
        self.executing = None;
        self.forget_stream(call);
        // OWN-4: one that is answered without having begun, because its method is not there, leaves the others counted.
        if self.running.end(call) {
            self.concurrent_calls = self.concurrent_calls.saturating_sub(1);
        }
        let caller: WorkerId = self.links.peer(call.peer).worker;
        let mut kept = Vec::new();
        for reference in finished.carried {
            if !kept.contains(reference) && self.core.report_kept(reference) {
                kept.push(*reference);
            }
        }
        for returned in finished.returns {
            if let ReturnedValue::Inline(_, contained) | ReturnedValue::Stored(_, contained) = returned {
                for inner in *contained {
                    self.core.lend(inner, caller);
                }
            }
        }
        // Lends to others must be known before the caller unpins: they leave first.
        if self.core.has_effects() {
            self.settle_and_flush();
        }
        let flags =
            if kept.is_empty() { 0 } else { task::DONE_KEPT } | if finished.exiting { task::DONE_EXITING } else { 0 };
        let done = task::Done {
            slot: call.push.slot,
            generation: call.push.generation,
            attempt: call.push.attempt,
            execution_ns: finished.execution_ns.min(u64::from(u32::MAX)) as u32,
            status: finished.status,
            flags,
            num_returns: finished.returns.len() as u16,
        };
        self.write_done(call.peer, &done, finished.returns, &kept)
    }

    fn write_done(
        &mut self,
        index: PeerIndex,
        done: &task::Done,
        returns: &[ReturnedValue<'_>],
        kept: &[Reference],
    ) -> bool {
        let peer = &mut self.links.peers[index.0];
        let out = peer.out.bytes_mut();
        let start = out.len();
        out.extend_from_slice(&[0; Header::LEN + task::Done::LEN]);
        for returned in returns {
            put_return(returned, out);
        }
        if !kept.is_empty() {
            out.extend_from_slice(&(kept.len() as u32).to_le_bytes());
            put_references(kept, out);
        }
        let payload_len = out.len() - start - Header::LEN - task::Done::LEN;
        out[start..start + Header::LEN + task::Done::LEN].copy_from_slice(&done.head(payload_len));
        let frame_len = out.len() - start;
        let is_full = self.stage_last(index, frame_len);
        let is_kept = !self.links.has_unstaged;
        if let Some(recorder) = self.links.recorder.as_mut().filter(|_| is_kept) {
            recorder.clear_started();
        }
        self.links.mark_dirty(index);
        self.activity += 1;
        is_full
    }

    /// Copies the frame that was appended last to the flight recorder. True when that is full, or when enough waits to be written.
    pub(crate) fn stage_last(&mut self, index: PeerIndex, frame_len: usize) -> bool {
        let peer = &mut self.links.peers[index.0];
        let mut is_full = peer.out.len() >= crate::link::COALESCE_BYTES;
        let connection = peer.connection;
        if let Some(recorder) = &mut self.links.recorder {
            let out = peer.out.bytes_mut();
            let frame = &out[out.len() - frame_len..];
            let is_unstaged = recorder.stage(connection, &[frame]).is_err();
            self.links.has_unstaged |= is_unstaged;
            is_full |= is_unstaged;
        }
        is_full
    }

    /// The worker's main thread is about to wait: unstarted tasks go back to their owners and its CPU is lent out.
    pub(crate) fn enter_blocked(&mut self) {
        let Some(executing) = self.executing else {
            return;
        };
        if self.blocked {
            return;
        }
        self.blocked = true;
        if !self.is_actor {
            self.hand_back(None, true);
        }
        self.control.send(Kind::Blocked, &control::Blocked { depth: u32::from(executing.depth) });
        self.settle_and_flush();
    }

    /// It goes on.
    pub(crate) fn leave_blocked(&mut self) {
        if std::mem::take(&mut self.blocked) {
            self.control.send(Kind::Unblocked, &control::Unblocked {});
            self.control.flush();
        }
    }
}
