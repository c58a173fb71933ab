//! The node: its two brains, who is connected with whom, and the ends of processes.

use crate::far::{is_far, is_for_head};
use crate::machines::{machine_of, number_of};
use crate::message::{Message, PeerDied, ToDaemon, ToProcess};
use crate::process::Process;
use crate::world::{DAEMON, Event, World};
use trygon_control_core::{ActorSpec, ActorState, Death, Effect as ActorEffect};
use trygon_ids::{ActorId, JobId, SegmentId, WorkerId};
use trygon_node_core::{ActorRequest, Effect, Event as NodeEvent, LeaseRequest, PLAIN, StopReason};
use trygon_resources::{Amount, ResourceSet};

impl World {
    /// A machine's clock.
    pub(crate) fn machine_ns(&self, machine: usize) -> u64 {
        self.now_ns + self.daemon.machines[machine].ahead_ns
    }

    /// The clock of a process's machine.
    pub(crate) fn clock_ns(&self, process: usize) -> u64 {
        self.machine_ns(machine_of(process))
    }

    /// The job that a process asks for. Of workers, too: children of one job's tasks are of another's here, which no real node sees.
    pub(crate) fn job_of(&self, process: usize) -> JobId {
        JobId::new([(process % self.workload.jobs) as u8, 0, 0, 0])
    }

    pub(crate) fn send_process(&mut self, to: usize, message: ToProcess) {
        self.send(DAEMON, to, Message::Process(message));
    }

    pub(crate) fn daemon_tick(&mut self, machine: usize) {
        self.daemon.machines[machine].tick_planned_ms = 0;
        self.node_step(machine, NodeEvent::Tick);
    }

    pub(crate) fn node_step(&mut self, machine: usize, event: NodeEvent) {
        if !self.daemon.machines[machine].is_alive {
            return;
        }
        let mut effects = Vec::new();
        let now_ns = self.machine_ns(machine);
        let now_ms = now_ns / 1_000_000;
        self.daemon.machines[machine].node.step(now_ms, event, &mut effects);
        for effect in effects {
            self.perform_node(machine, effect);
        }
        let is_alone = self.workload.machines == 0;
        let place = &mut self.daemon.machines[machine];
        let checked = place.node.sanity_check().and_then(|()| self.daemon.actors.sanity_check());
        let deadline_ms = place.node.next_deadline_ms().filter(|_| place.tick_planned_ms == 0);
        if let Some(deadline_ms) = deadline_ms.filter(|_| !is_alone || place.node.waiting_leases() > 0) {
            place.tick_planned_ms = deadline_ms.max(now_ms + 1);
            let delay_ns = (place.tick_planned_ms * 1_000_000).saturating_sub(now_ns);
            self.plan(delay_ns, Event::DaemonTick { machine });
        }
        if let Err(broken) = checked {
            self.fail(format!("daemon of machine {machine}: {broken}"));
        }
    }

    fn perform_node(&mut self, machine: usize, effect: Effect) {
        let is_alone = self.workload.machines == 0;
        match effect {
            Effect::StartWorker { worker, environment } => {
                let number = number_of(worker);
                let mut process = Process::new(number, worker, &self.workload, self.defects.core);
                process.environment = environment;
                if machine_of(number) != machine || !self.processes.add(process) {
                    return self.fail("daemon: workers are not numbered in turn");
                }
                let delay_ns = 100_000 + self.random.below(3_000_000);
                self.plan(delay_ns, Event::Started { process: number });
            }
            Effect::StopWorker { worker, reason: StopReason::MemoryPressure } => self.end_for_memory(worker),
            Effect::StopWorker { worker, reason: StopReason::Idle | StopReason::PlaceNeeded } if !is_alone => {
                self.send_process(number_of(worker), ToProcess::Exit);
            }
            Effect::StopWorker { worker, .. } => {
                self.kill_worker(number_of(worker), "killed", "the daemon ended it".to_owned())
            }
            Effect::MemoryLimited { worker, lease, limit_bytes, .. } => self.limit_memory(worker, lease, limit_bytes),
            Effect::MemoryUnlimited { worker, lease } => self.lift_limit(worker, lease),
            far if self.workload.machines > 0 && is_far(&far) => self.perform_far(machine, far),
            Effect::Grant { owner, request_id, lease, worker, .. } => {
                let (owner, worker) = (number_of(owner), number_of(worker));
                if self.daemon.cancelled.contains(&(owner, request_id)) || !self.may_own(machine, owner) {
                    return self
                        .fail(format!("LEASE-4: lease {lease} for request {request_id} of {owner}, which is over"));
                }
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
            of_a_cluster => self.perform_far(machine, of_a_cluster),
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
                    self.node_step(0, NodeEvent::ActorWanted(request));
                }
                ActorEffect::Unplace { actor } => self.node_step(0, NodeEvent::ActorUnwanted { actor }),
                ActorEffect::Start { .. } => {}
                ActorEffect::Running { worker } => self.node_step(0, NodeEvent::ActorRunning { worker }),
                ActorEffect::Notify { watcher, actor } => self.notify(watcher, actor),
                ActorEffect::Drain { worker } => self.send_process(number_of(worker), ToProcess::Exit),
                ActorEffect::Kill { worker, kind, message } => self.kill_worker(number_of(worker), kind, message),
            }
        }
    }

    /// Whether a process may hold leases: its daemon does not know of its end.
    fn may_own(&self, machine: usize, owner: usize) -> bool {
        machine_of(owner) == machine && !self.daemon.graveyard.contains_key(&owner)
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

    pub(crate) fn connect(&mut self, left: usize, right: usize) {
        // Of a machine that is gone nobody knows until its death is told.
        let is_gone = |number: usize| {
            self.daemon.graveyard.contains_key(&number) && self.daemon.machines[machine_of(number)].is_alive
        };
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
            self.tell_of_death(number, peer, died);
        }
        self.daemon.graveyard.insert(number, death.clone());
        self.store.retain(|_, stored| stored.owner != number);
        let id = self.processes[number].id;
        let mut effects = Vec::new();
        self.daemon.actors.on_process_died(id, &death, &mut effects);
        self.daemon.limits.remove(&number);
        self.daemon.victims.remove(&number);
        self.node_step(machine_of(number), NodeEvent::ProcessDied { process: id });
        self.say_ended(number, &death);
        self.perform_actors(effects);
    }

    pub(crate) fn on_daemon_message(&mut self, from: usize, message: ToDaemon) {
        if self.daemon.graveyard.contains_key(&from) {
            return;
        }
        let worker = self.processes[from].id;
        let machine = machine_of(from);
        if self.daemon.head.is_some() && is_for_head(&message) {
            return self.ask_head(from, message);
        }
        let mut effects = Vec::new();
        match message {
            request @ ToDaemon::Request { .. } => self.on_request(from, request),
            ToDaemon::Cancel { request } => {
                self.daemon.cancelled.insert((from, request));
                self.node_step(machine, NodeEvent::LeaseCancelled { owner: worker, request_id: request })
            }
            ToDaemon::Return { lease, worker_exiting } => {
                self.node_step(machine, NodeEvent::LeaseReturned { owner: worker, lease, worker_exiting });
            }
            ToDaemon::Connect { worker: other } => self.on_connect(from, other),
            ToDaemon::Ready => self.node_step(machine, NodeEvent::WorkerReady { worker }),
            ToDaemon::Exiting { kind } => {
                self.processes[from].announced = Some(kind);
                self.node_step(machine, NodeEvent::WorkerExiting { worker });
            }
            ToDaemon::Owns { owns } => self.node_step(machine, NodeEvent::WorkerOwns { worker, owns }),
            ToDaemon::Blocked { depth } => {
                self.node_step(machine, NodeEvent::Blocked { worker, depth: u32::from(depth) })
            }
            ToDaemon::Unblocked => self.node_step(machine, NodeEvent::Unblocked { worker }),
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
            ToDaemon::CreateGroup { .. } | ToDaemon::RemoveGroup { .. } => {}
            ToDaemon::ActorStarted { actor, incarnation } => {
                self.daemon.actors.on_started(worker, actor, incarnation, Vec::new(), &mut effects);
            }
        }
        self.perform_actors(effects);
    }

    /// An owner asks for leases.
    fn on_request(&mut self, from: usize, message: ToDaemon) {
        let ToDaemon::Request { request, resources, count, depth, name, environment } = message else { return };
        let (machine, worker) = (machine_of(from), self.processes[from].id);
        let resources: ResourceSet = resources
            .into_iter()
            .map(|(name, amount)| (name, Amount::from_f64(amount).unwrap_or(Amount::ZERO)))
            .collect();
        let depth = u32::from(depth);
        let job = self.job_of(from);
        let request =
            LeaseRequest { owner: worker, job, request_id: request, resources, count, depth, name, environment };
        if environment != PLAIN && self.prepared.insert((machine, environment)) {
            let delay_ns = self.random.below(5_000_000);
            self.plan(delay_ns, Event::Prepared { machine, environment });
        }
        if !self.refuses_removed_group(machine, &request) {
            self.node_step(machine, NodeEvent::LeaseRequested(request));
        }
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
        let is_gone = self.daemon.machines[machine_of(from)].gone.contains(&machine_of(other));
        let is_dead_here = is_gone || self.daemon.machines[machine_of(other)].is_alive;
        if let Some(death) = self.daemon.graveyard.get(&other).filter(|_| is_dead_here).cloned() {
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
