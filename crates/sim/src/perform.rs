//! Effects of a process's core become messages, as the real runtime performs them.

use crate::encoded::number_of;
use crate::message::{Message, ToDaemon, ToPeer, ToProcess};
use crate::world::{DAEMON, World};
use trygon_ids::{ObjectId, WorkerId};
use trygon_node_core::PLAIN;
use trygon_worker_core::{Effect, PeerIndex, Reference, SystemError, Value};

impl World {
    pub(crate) fn send_daemon(&mut self, from: usize, message: ToDaemon) {
        self.send(from, DAEMON, Message::Daemon(message));
    }

    /// Performs until the core asks for nothing more.
    pub(crate) fn settle(&mut self, number: usize) {
        let mut effects = Vec::new();
        while self.processes[number].core.has_effects() {
            self.processes[number].core.take_effects(&mut effects);
            for effect in effects.drain(..) {
                self.perform(number, effect);
            }
        }
    }

    pub(crate) fn settle_and_flush(&mut self, number: usize) {
        self.settle(number);
        self.tell_owns(number);
        for index in 0..self.processes[number].links.out.len() {
            let frames = std::mem::take(&mut self.processes[number].links.out[index]);
            let to = self.processes[number].peers[index];
            if !frames.is_empty() {
                let written = &mut self.processes[number].links.written;
                written.resize(written.len().max(index + 1), Vec::new());
                written[index].clone_from(&frames);
            }
            for frame in frames {
                self.send(number, to, Message::Peer(frame));
            }
        }
    }

    /// A worker that owns objects is not ended for idling, and no actor is put on it: its daemon is told before anybody else hears.
    fn tell_owns(&mut self, number: usize) {
        let process = &mut self.processes[number];
        let owns = process.core.statistics().owned > 0;
        if self.workload.machines > 0 && number != 0 && owns != process.told_owns {
            process.told_owns = owns;
            self.send_daemon(number, ToDaemon::Owns { owns });
        }
    }

    fn perform(&mut self, number: usize, effect: Effect) {
        match effect {
            Effect::RequestLeases { request, resources, count, depth, name, environment } => {
                let environment = environment.first().copied().map_or(PLAIN, u32::from);
                self.send_daemon(number, ToDaemon::Request { request, resources, count, depth, name, environment });
            }
            Effect::CancelRequest { request } => self.send_daemon(number, ToDaemon::Cancel { request }),
            Effect::ReturnLease { lease_id, worker_exiting } => {
                self.send_daemon(number, ToDaemon::Return { lease: lease_id, worker_exiting });
            }
            Effect::FindCopy { object, borrowers, .. } => {
                for borrower in borrowers {
                    self.send_to(number, borrower, ToPeer::CopyQuery { object });
                }
                self.answer_own_search(number, &object, None);
            }
            // Where machines go, time passes until a copy is here.
            Effect::FetchCopy { object, location } if self.workload.drain_per_10000 > 0 => {
                self.send_process(number, ToProcess::Copied { object, location });
            }
            Effect::FetchCopy { object, location } => self.fetch_copy(number, &object, location),
            Effect::ReportLost { reference, location, .. } => {
                self.send_to(number, reference.owner, ToPeer::Lost { object: reference.object, location });
            }
            Effect::Rebuilding { .. } => self.counts.rebuilt += 1,
            Effect::Forgotten { object } => self.forget_copy(number, &object),
            Effect::FreeStored { location, .. } => {
                self.send_daemon(number, ToDaemon::Free { place: location.segment.0 })
            }
            Effect::ReportBorrow { reference, borrower, delta } => {
                self.send_to(number, reference.owner, ToPeer::Borrow { object: reference.object, borrower, delta });
            }
            Effect::Query { reference } => {
                self.send_to(number, reference.owner, ToPeer::Query { object: reference.object })
            }
            Effect::Steal { peer, count } => {
                self.processes[number].links.out[peer.0 as usize].push(ToPeer::Steal { count })
            }
            Effect::Answer { peer, object } => self.answer(number, peer, object),
            Effect::Cancel { peer, slot, generation, attempt, how } => {
                let cancel = ToPeer::Cancel { key: (slot, generation, attempt), recursive: how.recursive };
                self.processes[number].links.out[peer.0 as usize].push(cancel);
            }
            Effect::Complete { .. } | Effect::TaskEnded { .. } | Effect::Retried { .. } => {}
            Effect::StreamCredit { .. } | Effect::MethodsForgotten { .. } => {}
            Effect::WatchActor { actor } => self.send_daemon(number, ToDaemon::WatchActor { actor }),
            Effect::ActorOutOfScope { actor, .. } => {
                self.send_daemon(number, ToDaemon::KillActor { actor, no_restart: true, out_of_scope: true });
            }
        }
    }

    fn answer(&mut self, number: usize, peer: PeerIndex, object: ObjectId) {
        let process = &mut self.processes[number];
        let reference = Reference { object, owner: process.id };
        let freed = || Value::Error(SystemError::new("object_freed").with("object_id", object.hex()).encode());
        let value = match process.core.value_of(&reference) {
            None | Some(Value::Pending) => freed(),
            Some(value) => value.clone(),
        };
        let to = process.peers[peer.0 as usize];
        let contained = process.core.contained_in(&reference).to_vec();
        let borrower = self.processes[to].id;
        let process = &mut self.processes[number];
        for inner in &contained {
            process.core.lend(inner, borrower);
        }
        process.links.out[peer.0 as usize].push(ToPeer::Answer { object, value, contained });
    }

    /// Sends to a process, connecting first if need be.
    pub(crate) fn send_to(&mut self, number: usize, worker: WorkerId, message: ToPeer) {
        let to = number_of(worker);
        let process = &mut self.processes[number];
        if let Some(peer) = process.peer_of.get(&to) {
            process.links.out[peer.0 as usize].push(message);
        } else if let Some(cause) = process.dead.get(&to).cloned() {
            process.core.on_process_died(worker, &cause, &mut process.links);
        } else {
            let is_first = !process.connecting.contains_key(&to);
            process.connecting.entry(to).or_default().push(message);
            if is_first {
                self.send_daemon(number, ToDaemon::Connect { worker: to });
            }
        }
    }

    /// Connects to a process only to learn of its death.
    pub(crate) fn watch_process(&mut self, number: usize, worker: WorkerId) {
        let to = number_of(worker);
        let process = &mut self.processes[number];
        if let Some(cause) = process.dead.get(&to).cloned() {
            process.core.on_process_died(worker, &cause, &mut process.links);
        } else if let std::collections::btree_map::Entry::Vacant(entry) = process.connecting.entry(to) {
            entry.insert(Vec::new());
            self.send_daemon(number, ToDaemon::Connect { worker: to });
        }
    }
}
