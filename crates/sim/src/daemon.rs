//! The node: its two brains, who is connected with whom, and the ends of processes.

use crate::encoded::number_of;
use crate::message::{Message, PeerDied, ToDaemon, ToProcess};
use crate::process::Process;
use crate::world::{DAEMON, Event, World};
use trygon_control_core::{ActorSpec, ActorState, Death, Effect as ActorEffect};
use trygon_ids::{ActorId, JobId, SegmentId, WorkerId};
use trygon_node_core::{ActorRequest, Effect, Event as NodeEvent, LeaseRequest, PLAIN};
use trygon_resources::{Amount, ResourceSet};

impl World {
    fn now_ms(&self) -> u64 {
        self.now_ns / 1_000_000
    }

    /// The job that a process asks for. Of workers, too: children of one job's tasks are of another's here, which no real node sees.
    pub(crate) fn job_of(&self, process: usize) -> JobId {
        JobId::new([(process % self.workload.jobs) as u8, 0, 0, 0])
    }

    pub(crate) fn send_process(&mut self, to: usize, message: ToProcess) {
        self.send(DAEMON, to, Message::Process(message));
    }

    pub(crate) fn daemon_tick(&mut self) {
        self.daemon.tick_planned_ms = 0;
        self.node_step(NodeEvent::Tick);
    }

    pub(crate) fn node_step(&mut self, event: NodeEvent) {
        let mut effects = Vec::new();
        let now_ms = self.now_ms();
        self.daemon.node.step(now_ms, event, &mut effects);
        for effect in effects {
            self.perform_node(effect);
        }
        let checked = self.daemon.node.sanity_check().and_then(|()| self.daemon.actors.sanity_check());
        if let Err(broken) = checked {
            self.fail(format!("daemon: {broken}"));
        }
        if let Some(deadline_ms) = self.daemon.node.next_deadline_ms()
            && self.daemon.tick_planned_ms == 0
            && self.daemon.node.waiting_leases() > 0
        {
            self.daemon.tick_planned_ms = deadline_ms.max(now_ms + 1);
            self.plan((self.daemon.tick_planned_ms * 1_000_000).saturating_sub(self.now_ns), Event::DaemonTick);
        }
    }

    fn perform_node(&mut self, effect: Effect) {
        match effect {
            Effect::StartWorker { worker, .. } => {
                let number = number_of(worker);
                if number != self.processes.len() {
                    return self.fail("daemon: workers are not numbered in turn");
                }
                let mut process = Process::new(number, worker);
                process.core.defects = self.defects;
                self.processes.push(process);
                let delay_ns = 100_000 + self.random.below(3_000_000);
                self.plan(delay_ns, Event::Started { process: number });
            }
            Effect::StopWorker { worker, .. } => {
                self.kill_worker(number_of(worker), "killed", "the daemon ended it".to_owned())
            }
            Effect::Grant { owner, request_id, lease, worker, .. } => {
                let (owner, worker) = (number_of(owner), number_of(worker));
                self.connect(owner, worker);
                self.send_process(owner, ToProcess::Granted { request: request_id, lease, worker });
            }
            Effect::ActorPlaced { actor, incarnation, worker, .. } => {
                let mut effects = Vec::new();
                if !self.daemon.actors.on_placed(actor, incarnation, worker, &mut effects) {
                    return self.kill_worker(
                        number_of(worker),
                        "killed",
                        "its actor was ended before it began".to_owned(),
                    );
                }
                let arguments = self.daemon.arguments.get(&actor).cloned().unwrap_or_default();
                self.send_process(number_of(worker), ToProcess::StartActor { actor, incarnation, arguments });
                self.perform_actors(effects);
            }
            Effect::Revoke { owner, lease } => {
                self.send_process(number_of(owner), ToProcess::Revoked { lease });
            }
            Effect::LeaseWaits { message, .. }
            | Effect::ActorWaits { message, .. }
            | Effect::LeaseRefused { message, .. }
            | Effect::ActorRefused { message, .. }
            | Effect::GroupWaits { message, .. } => self.fail(format!("daemon: {message}")),
            // No workload makes groups.
            Effect::GroupReserved { .. } => {}
            of_a_cluster => self.fail(format!("daemon: the one node asked for {of_a_cluster:?}")),
        }
    }

    fn perform_actors(&mut self, effects: Vec<ActorEffect>) {
        for effect in effects {
            match effect {
                // Time between two lives passes as it likes here.
                ActorEffect::Place { actor } | ActorEffect::Rest { actor, .. } => {
                    let Some(entry) = self.daemon.actors.get(actor) else { continue };
                    let request = ActorRequest {
                        actor,
                        incarnation: entry.incarnation,
                        owner: entry.spec.creator,
                        placement: entry.spec.placement.clone(),
                        lifetime: entry.spec.lifetime.clone(),
                        depth: entry.spec.depth,
                        name: entry.spec.class_name.clone(),
                        environment: PLAIN,
                    };
                    self.node_step(NodeEvent::ActorWanted(request));
                }
                ActorEffect::Unplace { actor } => self.node_step(NodeEvent::ActorUnwanted { actor }),
                ActorEffect::Start { .. } => {}
                ActorEffect::Running { worker } => self.node_step(NodeEvent::ActorRunning { worker }),
                ActorEffect::Notify { watcher, actor } => self.notify(watcher, actor),
                ActorEffect::Drain { worker } => self.send_process(number_of(worker), ToProcess::Exit),
                ActorEffect::Kill { worker, kind, message } => self.kill_worker(number_of(worker), kind, message),
            }
        }
    }

    fn notify(&mut self, watcher: WorkerId, actor: ActorId) {
        let Some(entry) = self.daemon.actors.get(actor) else { return };
        let worker = if let ActorState::Alive { worker } = entry.state { Some(number_of(worker)) } else { None };
        let message = entry.death().map_or(String::new(), |death| death.message.clone());
        let (state, incarnation) = (entry.state_name(), entry.incarnation);
        if let Some(worker) = worker {
            self.connect(number_of(watcher), worker);
        }
        self.send_process(number_of(watcher), ToProcess::Actor { actor, state, incarnation, worker, message });
    }

    fn connect(&mut self, left: usize, right: usize) {
        let is_gone = |number: usize| self.daemon.graveyard.contains_key(&number);
        if left == right || is_gone(left) || is_gone(right) || !self.daemon.peers.entry(left).or_default().insert(right)
        {
            return;
        }
        self.daemon.peers.entry(right).or_default().insert(left);
        self.send_process(left, ToProcess::Connected { worker: right });
        self.send_process(right, ToProcess::Connected { worker: left });
    }

    /// Ends a process at once.
    pub(crate) fn kill_worker(&mut self, number: usize, kind: &'static str, message: String) {
        self.daemon.killed.entry(number).or_insert((kind, message));
        self.end_process(number);
    }

    /// The process stops where it is. What it flushed is on its way, what it only staged is in its recorder.
    pub(crate) fn end_process(&mut self, number: usize) {
        if std::mem::replace(&mut self.processes[number].is_alive, false) {
            self.counts.deaths += 1;
            let delay_ns = 20_000 + self.random.below(500_000);
            self.plan(delay_ns, Event::Reaped { process: number });
        }
    }

    pub(crate) fn on_reaped(&mut self, number: usize) {
        let waiting =
            self.links.get_mut(&(number, DAEMON)).map(|link| std::mem::take(&mut link.queue)).unwrap_or_default();
        for message in waiting {
            if let Message::Daemon(message) = message {
                self.on_daemon_message(number, message);
            }
        }
        let killed = self.daemon.killed.get(&number).cloned();
        let kind = killed.as_ref().map(|(kind, _)| *kind).or(self.processes[number].announced).unwrap_or("signal");
        let message = killed.map_or_else(|| format!("process {number} ended: {kind}"), |(_, message)| message);
        let death = Death { kind: kind.to_owned(), message, pid: number as u32, ..Death::default() };
        let unrecorded = self.random.percent(self.workload.lost_record_percent);
        for peer in self.daemon.peers.remove(&number).unwrap_or_default() {
            if let Some(peers) = self.daemon.peers.get_mut(&peer) {
                peers.remove(&number);
            }
            let process = &self.processes[number];
            let started = process
                .started
                .filter(|started| started.0 == peer)
                .map(|(_, slot, generation, attempt)| (slot, generation, attempt));
            let (written, frames) = process.staged(peer);
            let died = match unrecorded {
                true => PeerDied::unrecorded(number, death.clone()),
                false => PeerDied { worker: number, death: death.clone(), started, written, frames, unrecorded },
            };
            self.send_process(peer, ToProcess::Died(died));
        }
        self.daemon.graveyard.insert(number, death.clone());
        self.store.retain(|_, stored| stored.owner != number);
        let id = self.processes[number].id;
        let mut effects = Vec::new();
        self.daemon.actors.on_process_died(id, &death, &mut effects);
        self.node_step(NodeEvent::ProcessDied { process: id });
        self.perform_actors(effects);
    }

    pub(crate) fn on_daemon_message(&mut self, from: usize, message: ToDaemon) {
        if self.daemon.graveyard.contains_key(&from) {
            return;
        }
        let worker = self.processes[from].id;
        let mut effects = Vec::new();
        match message {
            ToDaemon::Request { request, resources, count, depth, name } => {
                let resources: ResourceSet = resources
                    .into_iter()
                    .map(|(name, amount)| (name, Amount::from_f64(amount).unwrap_or(Amount::ZERO)))
                    .collect();
                let depth = u32::from(depth);
                self.node_step(NodeEvent::LeaseRequested(LeaseRequest {
                    owner: worker,
                    job: self.job_of(from),
                    request_id: request,
                    resources,
                    count,
                    depth,
                    name,
                    environment: PLAIN,
                }));
            }
            ToDaemon::Cancel { request } => {
                self.node_step(NodeEvent::LeaseCancelled { owner: worker, request_id: request })
            }
            ToDaemon::Return { lease, worker_exiting } => {
                self.node_step(NodeEvent::LeaseReturned { owner: worker, lease, worker_exiting });
            }
            ToDaemon::Connect { worker: other } => self.on_connect(from, other),
            ToDaemon::Ready => self.node_step(NodeEvent::WorkerReady { worker }),
            ToDaemon::Exiting { kind } => {
                self.processes[from].announced = Some(kind);
                self.node_step(NodeEvent::WorkerExiting { worker });
            }
            ToDaemon::Blocked { depth } => self.node_step(NodeEvent::Blocked { worker, depth: u32::from(depth) }),
            ToDaemon::Unblocked => self.node_step(NodeEvent::Unblocked { worker }),
            ToDaemon::Free { place } => self.on_free(place),
            ToDaemon::CreateActor { actor, arguments, max_restarts, depth } => {
                self.daemon.arguments.insert(actor, arguments);
                let spec = actor_spec(actor, worker, max_restarts, depth);
                self.daemon.actors.on_create(spec, &mut effects);
            }
            // A handle may be faster than the actor's creation, which travels on another connection: the question waits for it.
            ToDaemon::WatchActor { actor } if !self.daemon.arguments.contains_key(&actor) => {
                self.send(from, crate::world::DAEMON, Message::Daemon(ToDaemon::WatchActor { actor }));
            }
            ToDaemon::WatchActor { actor } => {
                if !self.daemon.actors.on_watch(worker, actor, &mut effects) {
                    let message = "no such actor is known".to_owned();
                    self.send_process(
                        from,
                        ToProcess::Actor { actor, state: "dead", incarnation: 0, worker: None, message },
                    );
                }
            }
            ToDaemon::KillActor { actor, no_restart, out_of_scope } => {
                if out_of_scope {
                    self.daemon.actors.on_out_of_scope(actor, &mut effects);
                } else {
                    self.daemon.actors.on_kill(actor, no_restart, &mut effects);
                }
            }
            ToDaemon::ActorStarted { actor, incarnation } => {
                self.daemon.actors.on_started(worker, actor, incarnation, Vec::new(), &mut effects);
            }
        }
        self.perform_actors(effects);
    }

    fn on_free(&mut self, place: u64) {
        let owner_is_known = self.store.remove(&place).is_some();
        if self.lost_nodes.contains(&SegmentId(place).node_number()) {
            return;
        }
        if !owner_is_known && !self.workload.has_deaths() {
            self.fail(format!("STORE-2: place {place} was freed twice"));
        }
    }

    fn on_connect(&mut self, from: usize, other: usize) {
        if let Some(death) = self.daemon.graveyard.get(&other).cloned() {
            let died = PeerDied::unrecorded(other, death);
            return self.send_process(from, ToProcess::Died(died));
        }
        self.connect(from, other);
    }
}

fn actor_spec(actor: ActorId, creator: WorkerId, max_restarts: i64, depth: u16) -> ActorSpec {
    ActorSpec {
        actor,
        creator,
        class_hash: Vec::new(),
        class_name: "Actor".to_owned(),
        name: String::new(),
        namespace: String::new(),
        placement: ResourceSet::new(),
        lifetime: ResourceSet::new(),
        max_restarts,
        arguments: Vec::new(),
        handle_meta: Vec::new(),
        options: Vec::new(),
        depth: u32::from(depth),
        detached: false,
        environment: Vec::new(),
    }
}
