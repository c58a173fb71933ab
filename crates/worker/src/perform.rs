//! Effects of the core become frames.

use crate::engine::Engine;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::time::{SystemTime, UNIX_EPOCH};
use trygon_ids::{ObjectId, WorkerId};
use trygon_wire::{Kind, Message, control, encode_into, peer, stream};
use trygon_worker_core::{Cancel, Effect, Location, PeerIndex, Reference, Value};

/// Events kept until the next batch goes out.
const MAX_EVENTS: usize = 1000;
/// Of a retry's reason, as much is logged.
const MAX_REASON_CHARS: usize = 500;

pub(crate) fn wire_reference(reference: &Reference) -> peer::Reference {
    peer::Reference { object_id: reference.object.as_bytes().to_vec(), owner: reference.owner.as_bytes().to_vec() }
}

/// What the log says of a retry. A long reason is cut: the line must fit into one write.
fn retry_line(name: &str, attempt: u32, left: i32, reason: &str) -> String {
    let reason: String = reason.chars().take(MAX_REASON_CHARS).collect();
    let left = match left {
        0 => "this is the last retry".to_owned(),
        1 => "1 retry is left after it".to_owned(),
        left if left < 0 => "there is no limit".to_owned(),
        left => format!("{left} retries are left after it"),
    };
    format!("{name} is tried again after attempt {}: {reason} ({left})", attempt + 1)
}

impl Engine {
    /// Performs until the core asks for nothing more.
    pub(crate) fn perform(&mut self) {
        while self.core.has_effects() {
            let mut effects = std::mem::take(&mut self.effects);
            self.core.take_effects(&mut effects);
            for effect in effects.drain(..) {
                self.perform_one(effect);
            }
            self.effects = effects;
        }
    }

    fn perform_one(&mut self, effect: Effect) {
        match effect {
            Effect::RequestLeases { request, resources, count, depth, name, environment } => {
                let resources = resources.into_iter().collect();
                let (request_id, depth) = (request, u32::from(depth));
                let message = control::LeaseRequest { request_id, resources, count, depth, name, environment };
                self.control.send(Kind::LeaseRequest, &message);
            }
            Effect::CancelRequest { request } => {
                self.control.send(Kind::LeaseCancel, &control::LeaseCancel { request_id: request });
            }
            Effect::ReturnLease { lease_id, worker_exiting } => {
                self.control.send(Kind::LeaseReturn, &control::LeaseReturn { lease_id, worker_exiting });
            }
            Effect::FreeStored { object, location } => {
                self.release_copy(&object);
                self.free_stored(&object, location);
            }
            Effect::Forgotten { object } => self.release_copy(&object),
            Effect::FindCopy { object, location, borrowers } => self.find_copy(&object, location, &borrowers),
            Effect::FetchCopy { object, location } => self.fetch_copy(&object, location),
            Effect::ReportLost { reference, location, reason } => self.report_lost(&reference, location, &reason),
            Effect::Rebuilding { function, reason } => {
                let name = &self.core.function(function).name;
                let line = format!("{name} is run again because a result of it was lost: {reason}");
                self.say_of_loss(line);
            }
            Effect::ReportBorrow { reference, borrower, delta } => self.report_borrow(&reference, borrower, delta),
            Effect::Query { reference } => {
                let message = peer::ObjectQuery { object_id: reference.object.as_bytes().to_vec() };
                self.send_to(reference.owner, Kind::ObjectQuery, &message);
            }
            Effect::Answer { peer, object } => self.answer(peer, &object),
            Effect::Steal { peer, count } => self.links.send(peer, Kind::Steal, &peer::Steal { count }),
            Effect::StreamCredit { peer, slot, generation, attempt, taken } => {
                let credit = stream::Stream { slot, generation, attempt, number: taken };
                self.links.send_bytes(peer, &credit.credit(0));
            }
            Effect::Cancel { peer, slot, generation, attempt, how } => {
                self.send_cancel(peer, peer::TaskKey { slot, generation, attempt }, how);
            }
            Effect::Retried { slot, generation, peer, function, attempt, left, reason } => {
                self.say(&retry_line(&self.core.function(function).name, attempt, left, &reason));
                self.note_failed(slot, generation, attempt, peer, reason);
            }
            Effect::Complete { queue, token } => self.push_token(queue, token),
            Effect::WatchActor { actor } => {
                let message = control::WatchActor { actor_id: actor.as_bytes().to_vec() };
                self.control.send(Kind::WatchActor, &message);
            }
            Effect::MethodsForgotten { functions } => self.links.forget_exports(&functions),
            Effect::ActorOutOfScope { actor, .. } => {
                let message =
                    control::KillActor { actor_id: actor.as_bytes().to_vec(), no_restart: true, out_of_scope: true };
                self.control.send(Kind::KillActor, &message);
            }
            Effect::TaskEnded { slot, generation, state, attempt, function } => {
                let name = self.core.function(function).name.clone();
                let task = self.core.task_id(slot, generation);
                self.record_event(task.as_bytes().to_vec(), name, state, attempt);
            }
        }
    }

    fn note_failed(&mut self, slot: u32, generation: u32, attempt: u32, peer: Option<PeerIndex>, reason: String) {
        let executor = peer.map(|peer| self.links.peer(peer).worker).filter(|executor| !executor.is_nil());
        self.past.note(self.core.task_id(slot, generation), attempt, reason, executor);
    }

    /// Cancels a task where it runs.
    fn send_cancel(&mut self, peer: PeerIndex, task: peer::TaskKey, how: Cancel) {
        let message = peer::Cancel { task: Some(task), force: how.force, recursive: how.recursive };
        self.links.send(peer, Kind::Cancel, &message);
        if how.force {
            // It ends itself, unless it is stopped.
            let worker_id = self.links.peer(peer).worker.as_bytes().to_vec();
            self.control.send(Kind::CancelForced, &control::CancelForced { worker_id });
        }
    }

    /// A line of the engine itself for whoever reads the log: printed by the driver, written to standard error by a worker.
    pub(crate) fn say(&mut self, line: &str) {
        if self.links.recorder.is_none() {
            return self.on_log_lines(control::LogLines {
                name: "trygon".to_owned(),
                is_stderr: true,
                lines: vec![line.to_owned()],
                ..Default::default()
            });
        }
        // The daemon reads it. A pipe with room for a page takes a line at once; without room the line is not worth waiting for.
        let stderr = std::io::stderr();
        let mut ready = [PollFd::new(&stderr, PollFlags::OUT)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        if poll(&mut ready, Some(&now)).is_ok_and(|ready| ready > 0) {
            let _ = rustix::io::write(&stderr, format!("{line}\n").as_bytes());
        }
    }

    pub(crate) fn record_event(&mut self, task_id: Vec<u8>, name: String, state: &str, attempt: u32) {
        if self.events.len() >= MAX_EVENTS {
            self.events_dropped += 1;
            return;
        }
        let time_us = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64);
        let state = state.to_owned();
        self.events.push(control::TaskEvent { task_id, name, state, attempt, time_us, ..Default::default() });
    }

    /// Sends the events that were recorded.
    pub(crate) fn flush_events(&mut self) {
        if !self.events.is_empty() {
            let events = std::mem::take(&mut self.events);
            let dropped = std::mem::take(&mut self.events_dropped);
            self.control.send(Kind::TaskEvents, &control::TaskEvents { events, dropped });
        }
    }

    fn report_borrow(&mut self, reference: &Reference, borrower: WorkerId, delta: i64) {
        let message = peer::BorrowReport {
            object_id: reference.object.as_bytes().to_vec(),
            incarnation: self.core.identity().incarnation.as_bytes().to_vec(),
            borrower: borrower.as_bytes().to_vec(),
            lends: delta,
            ..Default::default()
        };
        self.send_to(reference.owner, Kind::BorrowReport, &message);
    }

    /// Frees an object's place in shared memory: at once when this process wrote it, through the daemon otherwise.
    pub(crate) fn free_stored(&mut self, object: &ObjectId, location: Location) {
        let is_watched = self.replicas.watched.contains_key(&location.segment);
        let reclaimed = !is_watched && self.store.free(location.segment.0, location.offset_bytes, location.size_bytes);
        let message = control::ObjectFree {
            object_id: object.as_bytes().to_vec(),
            segment_id: location.segment.0,
            offset_bytes: location.offset_bytes,
            size_bytes: location.size_bytes,
            reclaimed,
        };
        self.control.send(Kind::ObjectFree, &message);
        if self.clock.now_ns() < self.segments_wanted_until_ns {
            self.return_empty_segments();
            self.control.flush();
        }
    }

    /// Answers a peer that waited for an own object. References inside are lent to it.
    fn answer(&mut self, index: PeerIndex, object: &ObjectId) {
        let reference = Reference { object: *object, owner: self.core.identity().worker };
        let mut reply = peer::ObjectReply { object_id: object.as_bytes().to_vec(), ..Default::default() };
        match self.core.value_of(&reference) {
            Some(Value::Inline(bytes)) => reply.value = bytes.as_slice().to_vec(),
            Some(Value::Stored(location)) => {
                reply.form = 1;
                reply.segment_id = location.segment.0;
                reply.offset_bytes = location.offset_bytes;
                reply.size_bytes = location.size_bytes;
            }
            Some(Value::Error(error)) => {
                reply.form = 2;
                reply.value = error.to_vec();
            }
            Some(Value::Pending) | None => reply.form = 3,
        }
        let borrower = self.links.peer(index).worker;
        for inner in self.core.contained_in(&reference).to_vec() {
            reply.contained.push(wire_reference(&inner));
            self.core.lend(&inner, borrower);
        }
        self.links.send(index, Kind::ObjectReply, &reply);
    }

    /// Sends a frame to a process, connecting to it first if need be.
    pub(crate) fn send_to(&mut self, worker: WorkerId, kind: Kind, message: &impl Message) {
        if let Some(index) = self.peer_of.get(&worker) {
            self.links.send(*index, kind, message);
            return;
        }
        if let Some(cause) = self.dead.get(&worker).cloned() {
            self.core.on_process_died(worker, &cause, &mut self.links);
            return;
        }
        let is_first = !self.connecting.contains_key(&worker);
        encode_into(kind, message, self.connecting.entry(worker).or_default());
        if is_first {
            let message = control::ConnectPeer { worker_id: worker.as_bytes().to_vec() };
            self.control.send(Kind::ConnectPeer, &message);
        }
    }
}
