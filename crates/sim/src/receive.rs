//! What a process does with what it receives, as the real runtime does.

use crate::message::{Done, Message, PeerDied, ToPeer, ToProcess};
use crate::process::Work;
use crate::world::World;
use std::collections::VecDeque;
use trygon_ids::ActorId;
use trygon_worker_core::{ActorState, Interrupted, Lost, PeerIndex, Returned, SystemError};

impl World {
    pub(crate) fn on_peer_message(&mut self, number: usize, peer: PeerIndex, from: usize, message: ToPeer) {
        let now_ns = self.clock_ns(number);
        let process = &mut self.processes[number];
        match message {
            ToPeer::Push(push) => {
                let is_plain = !push.is_actor_call;
                process.work.push_back(Work::Call { peer, push });
                if process.blocked && is_plain {
                    self.hand_back(number, None, true);
                }
                self.plan_step(number);
            }
            ToPeer::Done(done) => self.on_done(number, from, done),
            ToPeer::Item { key, value, contained } => {
                process.core.on_stream_item(&key, Returned { value, contained }, &mut process.links);
            }
            ToPeer::ItemsEnd { key } => process.core.on_stream_end(&key),
            ToPeer::HandBack { tasks, blocked } => {
                process.core.on_hand_back(&tasks, blocked, now_ns, &mut process.links)
            }
            ToPeer::Steal { count } => self.hand_back(number, Some((peer, count as usize)), false),
            ToPeer::Cancel { key, recursive } => self.on_cancel(number, peer, key, recursive),
            ToPeer::CancelObject { object, recursive } => self.cancel_own(number, &object, recursive),
            ToPeer::Query { object } => process.core.on_query(peer, object),
            ToPeer::Answer { object, value, contained } => {
                process.core.on_object_reply(&object, value, contained, &mut process.links);
            }
            ToPeer::Lost { object, location } => process.core.on_lost_report(&object, location, "its machine is lost"),
            ToPeer::CopyQuery { object } => self.on_copy_query(number, peer, object),
            ToPeer::CopyAnswer { object, place } => {
                let from = self.processes[from].id;
                let process = &mut self.processes[number];
                process.core.on_copy_answer(&object, from, place, &mut process.links);
            }
            ToPeer::Borrow { object, borrower, delta } => {
                if delta > 0 && crate::encoded::number_of(borrower) == from {
                    process.core.on_borrow_again(&object, borrower);
                } else {
                    process.core.on_borrow_report(&object, borrower, delta);
                }
                let is_known = process.peer_of.contains_key(&crate::encoded::number_of(borrower));
                if delta > 0 && !is_known {
                    self.watch_process(number, borrower);
                }
            }
        }
        // Whoever polls writes what it caused.
        self.settle_and_flush(number);
    }

    /// OWN-7: a reply of another attempt than the one that was sent last must not become the result.
    pub(crate) fn on_done(&mut self, number: usize, from: usize, done: Done) {
        let now_ns = self.clock_ns(number);
        let executor = self.processes[from].id;
        let process = &mut self.processes[number];
        let Done { reply, returns, kept } = done;
        let before = process.core.attempt(reply.slot, reply.generation);
        let mut returned: Vec<Returned> =
            returns.into_iter().map(|(value, contained)| Returned { value, contained }).collect();
        process.core.on_done(&reply, &mut returned, &kept, executor, now_ns, &mut process.links);
        let after = process.core.attempt(reply.slot, reply.generation);
        if before.is_some_and(|attempt| attempt != reply.attempt) && before != after {
            self.fail(format!("OWN-7: process {number} took the reply of attempt {} for {before:?}", reply.attempt));
        }
    }

    /// Gives plain tasks that were not started back to their owners: all of them, or the last `limit` of one peer's.
    pub(crate) fn hand_back(&mut self, number: usize, limit: Option<(PeerIndex, usize)>, blocked: bool) {
        let process = &mut self.processes[number];
        let mut back: Vec<(PeerIndex, (u32, u32, u32))> = Vec::new();
        let mut others = VecDeque::new();
        while let Some(work) = process.work.pop_back() {
            match work {
                Work::Call { peer, push }
                    if !push.is_actor_call
                        && limit.is_none_or(|(wanted, count)| wanted == peer && back.len() < count) =>
                {
                    back.push((peer, (push.slot, push.generation, push.attempt)));
                }
                other => others.push_front(other),
            }
        }
        process.work = others;
        back.reverse();
        for index in 0..process.peers.len() as u32 {
            let mine = back.iter().filter(|(peer, _)| peer.0 == index);
            let tasks: Vec<(u32, u32, u32)> = mine.map(|(_, key)| *key).collect();
            if !tasks.is_empty() {
                process.links.out[index as usize].push(ToPeer::HandBack { tasks, blocked });
            }
        }
    }

    pub(crate) fn on_control_message(&mut self, number: usize, message: ToProcess) {
        let now_ns = self.clock_ns(number);
        let process = &mut self.processes[number];
        match message {
            ToProcess::Granted { request, lease, worker } => match process.peer_of.get(&worker).copied() {
                Some(peer) => process.core.on_lease_granted(request, lease, peer, now_ns, &mut process.links),
                None => process.core.on_grant_unusable(request, lease),
            },
            ToProcess::Revoked { lease } => process.core.on_lease_revoked(lease, &mut process.links),
            ToProcess::Refused { request, kind } => {
                let error = SystemError::new(kind).encode();
                process.core.fail_queued(request, &error, &mut process.links);
            }
            ToProcess::NodeLost { node } => process.core.on_node_died(node, "its machine is lost"),
            ToProcess::NodeDrains { node } => process.core.on_node_drains(node),
            ToProcess::Copied { object, location } => self.fetch_copy(number, &object, location),
            ToProcess::Connected { worker } => {
                let peer = PeerIndex(process.peers.len() as u32);
                process.peers.push(worker);
                process.peer_of.insert(worker, peer);
                let waiting = process.connecting.remove(&worker).unwrap_or_default();
                process.links.out.push(waiting);
            }
            ToProcess::Died(died) => self.on_peer_died(number, died),
            ToProcess::Actor { actor, state, incarnation, worker, message } => {
                self.on_actor_update(number, actor, state, incarnation, worker, &message);
            }
            ToProcess::StartActor { actor, incarnation, arguments } => {
                process.is_actor = true;
                process.work.push_back(Work::StartActor { actor, incarnation, arguments });
                self.plan_step(number);
            }
            ToProcess::Exit => {
                process.work.push_back(Work::Exit);
                self.plan_step(number);
            }
        }
        self.settle_and_flush(number);
    }

    fn on_peer_died(&mut self, number: usize, died: PeerDied) {
        let PeerDied { worker, death, started, written, frames, unrecorded } = died;
        let peer = self.processes[number].peer_of.get(&worker).copied();
        if let Some(peer) = peer {
            // What it managed to write comes before what only its recorder kept.
            let is_late = self.random.percent(self.workload.late_percent);
            let waiting =
                self.links.get_mut(&(worker, number)).map(|link| std::mem::take(&mut link.queue)).unwrap_or_default();
            let mut messages: Vec<ToPeer> = waiting
                .into_iter()
                .filter_map(|message| if let Message::Peer(message) = message { Some(message) } else { None })
                .collect();
            let num_sent = messages.len();
            // What comes late came from nowhere else: it is not to be taken for a copy.
            messages.extend(written.into_iter().filter(|_| !is_late));
            messages.extend(frames);
            for (position, message) in messages.into_iter().enumerate() {
                self.processes[number].core.set_replaying(position >= num_sent);
                match message {
                    ToPeer::Done(done) if is_late => self.late.push((number, worker, done)),
                    message => self.on_peer_message(number, peer, worker, message),
                }
            }
            self.processes[number].core.set_replaying(false);
            self.processes[number]
                .work
                .retain(|work| !matches!(work, Work::Call { peer: caller, .. } if *caller == peer));
        }
        let process = &mut self.processes[number];
        process.peer_of.remove(&worker);
        process.connecting.remove(&worker);
        process.dead.insert(worker, death.message.clone());
        let started = started.map(|(slot, generation, attempt)| Interrupted { slot, generation, attempt });
        let id = self.processes[worker].id;
        let lost = Lost {
            worker: id,
            peer,
            started,
            unrecorded,
            cause_kind: &death.kind,
            message: &death.message,
            pid: death.pid,
            signal: death.signal,
            exit_code: death.exit_code,
        };
        let now_ns = self.clock_ns(number);
        let process = &mut self.processes[number];
        process.core.on_peer_lost(&lost, now_ns, &mut process.links);
        self.deliver_late(number, worker);
    }

    /// A network may deliver what the dead wrote long after everybody knows of the death.
    fn deliver_late(&mut self, number: usize, worker: usize) {
        let (mine, others) =
            std::mem::take(&mut self.late).into_iter().partition(|(to, from, _)| *to == number && *from == worker);
        self.late = others;
        let mine: Vec<(usize, usize, Done)> = mine;
        self.settle_and_flush(number);
        for (_, _, done) in mine {
            self.on_done(number, worker, done);
        }
    }

    fn on_actor_update(
        &mut self,
        number: usize,
        actor: ActorId,
        state: &str,
        incarnation: u32,
        worker: Option<usize>,
        message: &str,
    ) {
        let process = &mut self.processes[number];
        let index = process.core.actor(actor);
        let error = |kind| SystemError::new(kind).with("actor_id", actor.hex()).with("message", message).encode();
        let state = match state {
            "alive" => match worker.and_then(|worker| process.peer_of.get(&worker)) {
                Some(peer) => ActorState::Alive { peer: *peer, incarnation },
                None => ActorState::Pending,
            },
            "restarting" => ActorState::Restarting { error: error("actor_unavailable") },
            "dead" => ActorState::Dead { error: error("actor_died") },
            _ => ActorState::Pending,
        };
        process.core.on_actor_state(index, state, &mut process.links);
    }
}
