//! A process died: its tasks are sent elsewhere, retried or failed with the one cause (OWN-8), what it owned fails (OWN-5).

use crate::actors::Begun;
use crate::effect::Outbox;
use crate::entry::Phase;
use crate::error_value::SystemError;
use crate::memory_retries::NextAttempt;
use crate::numbers::{ActorIndex, PeerIndex};
use crate::retry_delays::Failure;
use crate::state::Core;
use trygon_ids::WorkerId;

/// The cause of a "death" of a process that may well live: only the connection with it is gone.
pub const CONNECTION_LOST: &str = "connection";
/// Its node was drained: what it had begun is done elsewhere, and costs no retry.
const DRAINED: &str = "drained";

/// The task that was started and not finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupted {
    /// Its slot.
    pub slot: u32,
    /// Its generation.
    pub generation: u32,
    /// Which attempt.
    pub attempt: u32,
}

/// What is known of a death.
#[derive(Debug, Clone)]
pub struct Lost<'a> {
    /// The process.
    pub worker: WorkerId,
    /// The connection to it, if there was one.
    pub peer: Option<PeerIndex>,
    /// What it had started of this process's tasks.
    pub started: Option<Interrupted>,
    /// Nobody can say what it had started, because its record is lost with its machine or cannot be asked for: any task that was sent may
    /// have run.
    pub unrecorded: bool,
    /// The one cause: `signal`, `exit`, `user_exit`, ...
    pub cause_kind: &'a str,
    /// A sentence for people.
    pub message: &'a str,
    /// Process id.
    pub pid: u32,
    /// The signal, or 0.
    pub signal: i32,
    /// The exit code, or 0.
    pub exit_code: i32,
}

impl Core {
    /// A process died. Replies that its flight recorder kept were handled before.
    pub fn on_peer_lost<O: Outbox>(&mut self, lost: &Lost<'_>, now_ns: u64, outbox: &mut O) {
        if let Some(peer) = lost.peer {
            self.lose_leases(peer, lost, now_ns, outbox);
            self.lose_actors(peer, lost, outbox);
        }
        if lost.cause_kind == CONNECTION_LOST {
            self.on_connection_lost(lost.worker, lost.message, outbox);
        } else {
            self.on_process_died(lost.worker, lost.message, outbox);
        }
    }

    fn lose_leases<O: Outbox>(&mut self, peer: PeerIndex, lost: &Lost<'_>, now_ns: u64, outbox: &mut O) {
        for index in 0..self.leases.len() as u32 {
            let lease = &self.leases[index as usize];
            if lease.peer != peer || (!lease.is_held() && lease.in_flight == 0) {
                continue;
            }
            let class = lease.class;
            self.return_lease(index, true);
            let lost_slots: Vec<u32> = self
                .table
                .used()
                .filter(|(_, entry)| entry.phase == Phase::Pushed && entry.lease == index)
                .filter(|(_, entry)| self.functions[entry.function.0].actor.is_none())
                .map(|(slot, _)| slot)
                .collect();
            // From the back, because each goes to the front of the queue.
            for slot in lost_slots.into_iter().rev() {
                self.lose_task(slot, lost, now_ns, outbox);
            }
            self.refill(class, outbox);
        }
    }

    fn lose_task<O: Outbox>(&mut self, slot: u32, lost: &Lost<'_>, now_ns: u64, outbox: &mut O) {
        let entry = self.table.at(slot);
        let (lease, expected_ns) = (entry.lease, entry.expected_ns);
        let interrupted = Interrupted { slot, generation: entry.generation, attempt: entry.attempt };
        let was_started = lost.started == Some(interrupted) || self.is_unknown(lost);
        self.take_off_lease(lease, expected_ns, now_ns);
        if self.table.at(slot).cancelled && !self.defects.cancel_forgotten {
            return self.fail_cancelled(slot, outbox);
        }
        if was_started || self.defects.unstarted_pays {
            let is_moved = lost.cause_kind == DRAINED && self.table.at(slot).retries_left != 0;
            let next = if is_moved { NextAttempt::Now } else { self.next_attempt(slot, lost.cause_kind, now_ns) };
            match next {
                NextAttempt::None => {
                    let error = self.death_error(slot, lost);
                    return self.fail(slot, &error, outbox);
                }
                NextAttempt::Now => self.note_retry(slot, lost.message),
                NextAttempt::At(at_ns) => {
                    self.note_memory_retry(slot, lost.cause_kind, lost.message, at_ns - now_ns);
                    return self.resubmit_at(slot, at_ns);
                }
            }
            let delay_ns = if is_moved { 0 } else { self.retry_delay_ns(slot, Failure::Death) };
            if delay_ns > 0 {
                return self.resubmit_at(slot, now_ns + delay_ns);
            }
        }
        let entry = self.table.at_mut(slot);
        entry.attempt += 1;
        entry.phase = Phase::Queued;
        let class = self.class_of_task(slot);
        self.classes[class as usize].queue.push_front(slot);
    }

    fn is_unknown(&self, lost: &Lost<'_>) -> bool {
        lost.unrecorded && !self.defects.unknown_is_unstarted
    }

    fn death_error(&self, slot: u32, lost: &Lost<'_>) -> Box<[u8]> {
        let entry = self.table.at(slot);
        SystemError::new("worker_died")
            .with("name", &self.functions[entry.function.0].name)
            .with("task_id", self.task_id(slot, entry.generation).hex())
            .with("cause_kind", lost.cause_kind)
            .with("message", lost.message)
            .with("pid", lost.pid.to_string())
            .with("signal", lost.signal.to_string())
            .with("exit_code", lost.exit_code.to_string())
            .with("attempts", (entry.attempt + 1).to_string())
            .encode()
    }

    fn lose_actors<O: Outbox>(&mut self, peer: PeerIndex, lost: &Lost<'_>, outbox: &mut O) {
        for index in 0..self.actors.count() {
            let actor = &self.actors[index];
            let uses_peer = matches!(actor.state, crate::ActorState::Alive { peer: alive, .. } if alive == peer);
            // OWN-8: a call in flight to another process is not touched, whatever is known of its actor.
            if !uses_peer && (actor.in_flight.is_empty() || actor.sent_to != Some(peer)) {
                continue;
            }
            let unreachable = (lost.cause_kind == CONNECTION_LOST).then(|| {
                let error = SystemError::new("actor_unavailable").with("actor_id", actor.id.hex());
                error.with("message", lost.message).encode()
            });
            let begun = if self.is_unknown(lost) { Begun::Unknown } else { Begun::These(self.begun_of(lost)) };
            self.on_actor_connection_lost(ActorIndex(index), peer, &begun, unreachable.as_deref(), outbox);
        }
    }

    fn begun_of(&self, lost: &Lost<'_>) -> Vec<u32> {
        let is_in_flight = |started: &&Interrupted| {
            self.table
                .get(started.slot, started.generation)
                .is_some_and(|entry| entry.phase == Phase::Pushed && entry.attempt == started.attempt)
        };
        lost.started.iter().filter(is_in_flight).map(|started| started.slot).collect()
    }
}
