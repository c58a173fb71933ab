//! A cluster: what daemons say to one another and to the head, and what they hear.

use crate::machines::{DAEMONS, HEAD, machine_of, machine_of_node, node_id, number_of};
use crate::message::{Far, Message, PeerDied, ToDaemon, ToProcess};
use crate::scale::answers;
use crate::world::{Event, World};
use trygon_control::{Out, resource_set};
use trygon_control_core::Death;
use trygon_ids::{ActorId, NodeId, WorkerId};
use trygon_node_core::{Effect, Event as NodeEvent, LeaseRequest, RemoteAsk, group_of};
use trygon_placement::{Delta, NodeState};
use trygon_proto::control::{
    ActorStarted, ActorUpdate, Bundle, CreateActor, CreatePlacementGroup, Death as WireDeath, KillActor,
    RemovePlacementGroup, WatchActor, WatchPlacementGroup,
};
use trygon_proto::v1::from_process::Request;
use trygon_proto::v1::head_to_node::Body as FromHead;
use trygon_proto::v1::node_to_head::Body as ToHead;
use trygon_proto::v1::to_process::Reply;
use trygon_proto::v1::{FromProcess, HeadToNode, NodeToHead, ProcessEnded, RegisterNode, View};

/// Clusters up to this size are checked as a whole after each of the head's events, larger ones after every thousandth.
const SMALL: usize = 50;

/// Whether an effect concerns other nodes or the head.
pub(crate) fn is_far(effect: &Effect) -> bool {
    matches!(effect, Effect::ActorPlaced { .. } | Effect::LeaseWaits { .. } | Effect::ActorWaits { .. })
        || matches!(effect, Effect::LeaseRefused { .. } | Effect::ActorRefused { .. })
}

/// Whether the head answers a message.
pub(crate) fn is_for_head(message: &ToDaemon) -> bool {
    matches!(message, ToDaemon::CreateActor { .. } | ToDaemon::WatchActor { .. } | ToDaemon::KillActor { .. })
        || matches!(message, ToDaemon::CreateGroup { .. } | ToDaemon::RemoveGroup { .. })
        || matches!(message, ToDaemon::ActorStarted { .. })
}

impl World {
    pub(crate) fn say(&mut self, machine: usize, body: ToHead) {
        self.send(DAEMONS + machine, HEAD, Message::Far(Far::ToHead(Box::new(body))));
    }

    fn tell_node(&mut self, machine: usize, node: NodeId, event: NodeEvent) {
        let to = DAEMONS + machine_of_node(node);
        self.send(DAEMONS + machine, to, Message::Far(Far::Node(Box::new(event))));
    }

    pub(crate) fn register(&mut self, machine: usize) {
        let total = self.daemon.machines[machine].node.total().clone();
        let register = RegisterNode {
            node_id: node_id(machine).as_bytes().to_vec(),
            address: format!("10.0.{}.{}:6380", machine >> 8, machine & 255),
            hostname: format!("machine-{machine}"),
            resources: trygon_control::amounts(&total),
            ..RegisterNode::default()
        };
        self.say(machine, ToHead::Register(register));
    }

    /// What a node's brain asks for beyond its machine.
    pub(crate) fn perform_far(&mut self, machine: usize, effect: Effect) {
        let node = node_id(machine);
        match effect {
            Effect::AskNode {
                node: to,
                owner,
                job,
                request_id,
                resources,
                count,
                depth,
                name,
                environment,
                may_wait,
            } => {
                let request = LeaseRequest { owner, job, request_id, resources, count, depth, name, environment };
                self.tell_node(machine, to, NodeEvent::RemoteAsk(RemoteAsk { node, request, may_wait }));
            }
            Effect::CancelAsk { node: to, owner, request_id } => {
                self.tell_node(machine, to, NodeEvent::RemoteCancel { node, owner, request_id });
            }
            Effect::GrantRemote { node: to, owner, request_id, lease, worker, devices } => {
                let granted = NodeEvent::RemoteGranted { node, owner, request_id, lease, worker, devices };
                self.tell_node(machine, to, granted);
            }
            Effect::DeclineAsk { node: to, owner, request_id, count, free } => {
                self.tell_node(machine, to, NodeEvent::RemoteDeclined { node, owner, request_id, count, free });
            }
            Effect::RefuseAsk { node: to, owner, request_id, refusal, message } => {
                self.tell_node(machine, to, NodeEvent::RemoteRefused { node, owner, request_id, refusal, message });
            }
            Effect::ForwardReturn { node: to, owner, lease, worker_exiting } => {
                self.tell_node(machine, to, NodeEvent::LeaseReturned { owner, lease, worker_exiting });
            }
            Effect::OwnerGone { node: to, owner } => {
                self.tell_node(machine, to, NodeEvent::OwnersLost { owners: vec![owner] });
            }
            Effect::RevokeRemote { node: to, owner, lease } => {
                let to = DAEMONS + machine_of_node(to);
                self.send(DAEMONS + machine, to, Message::Far(Far::Revoke { owner, lease }));
            }
            Effect::ActorPlaced { actor, incarnation, worker, .. } => {
                self.daemon.placed.insert((actor, incarnation), worker);
                self.say(machine, answers::placed(actor, incarnation, worker));
            }
            Effect::LeaseRefused { owner, request_id, refusal, .. } => {
                let kind = match refusal.as_str() {
                    "placement_group_removed" => "task_placement_group_removed",
                    _ => "task_unschedulable",
                };
                self.send_process(number_of(owner), ToProcess::Refused { request: request_id, kind });
            }
            Effect::LeaseWaits { .. } => {}
            effect => {
                if let Some(body) = answers::of_effect(effect) {
                    self.say(machine, body);
                }
            }
        }
    }

    pub(crate) fn on_far_message(&mut self, from: usize, to: usize, message: Far) {
        if to == HEAD {
            if let Far::ToHead(body) = message {
                self.hear(from - DAEMONS, *body);
            }
            return;
        }
        let machine = to - DAEMONS;
        let place = &self.daemon.machines[machine];
        if !place.is_alive || (from != HEAD && place.gone.contains(&(from - DAEMONS))) {
            return;
        }
        match message {
            Far::Node(event) => self.node_step(machine, *event),
            Far::Revoke { owner, lease } => self.send_process(number_of(owner), ToProcess::Revoked { lease }),
            Far::PeerDied { to, died } => self.on_far_death(machine, to, died),
            Far::FromHead(body) => self.on_head_message(machine, *body),
            Far::ToHead(_) => {}
        }
    }

    /// The head hears a node.
    fn hear(&mut self, machine: usize, body: ToHead) {
        let now_us = self.now_ns / 1_000;
        let Some(cluster) = &mut self.daemon.head else { return };
        let mut out = Out::new();
        let message = NodeToHead { body: Some(body), ..NodeToHead::default() };
        cluster.head.apply(now_us, node_id(machine), message, &mut out);
        self.tell(out);
    }

    pub(crate) fn head_tick(&mut self) {
        let now_us = self.now_ns / 1_000;
        let Some(cluster) = &mut self.daemon.head else { return };
        cluster.tick_planned_us = 0;
        let mut out = Out::new();
        cluster.head.tick(now_us, &mut out);
        self.tell(out);
    }

    /// The head holds a node for dead.
    pub(crate) fn give_up(&mut self, machine: usize) {
        let now_us = self.now_ns / 1_000;
        let Some(cluster) = &mut self.daemon.head else { return };
        let mut out = Out::new();
        cluster.head.on_node_lost(now_us, node_id(machine), "its machine is lost", &mut out);
        self.tell(out);
    }

    /// What the head says goes on its way, after its laws were checked.
    fn tell(&mut self, out: Out) {
        for (node, HeadToNode { body }) in out {
            if let Some(body) = body {
                let to = DAEMONS + machine_of_node(node);
                self.send(HEAD, to, Message::Far(Far::FromHead(Box::new(body))));
            }
        }
        let (now_us, count) = (self.now_ns / 1_000, self.daemon.machines.len());
        let Some(cluster) = &mut self.daemon.head else { return };
        cluster.heard += 1;
        let is_due = count <= SMALL || cluster.heard.is_multiple_of(1_000);
        let checked = if is_due { cluster.head.sanity_check() } else { Ok(()) };
        let deadline_us = cluster.head.next_deadline_us().filter(|_| cluster.tick_planned_us == 0);
        if let Some(deadline_us) = deadline_us {
            cluster.tick_planned_us = deadline_us.max(now_us + 1);
            let delay_ns = (cluster.tick_planned_us * 1_000).saturating_sub(self.now_ns);
            self.plan(delay_ns, Event::HeadTick);
        }
        if let Err(broken) = checked {
            self.fail(format!("head: {broken}"));
        }
    }

    /// What a process asks the head.
    pub(crate) fn ask_head(&mut self, from: usize, message: ToDaemon) {
        let request = match message {
            ToDaemon::CreateActor { actor, arguments, max_restarts, depth } => {
                self.daemon.arguments.insert(actor, arguments);
                Request::CreateActor(CreateActor {
                    actor_id: actor.as_bytes().to_vec(),
                    class_name: "Actor".to_owned(),
                    max_restarts,
                    depth: u32::from(depth),
                    ..CreateActor::default()
                })
            }
            ToDaemon::WatchActor { actor } => Request::WatchActor(WatchActor { actor_id: actor.as_bytes().to_vec() }),
            ToDaemon::KillActor { actor, no_restart, out_of_scope } => {
                Request::KillActor(KillActor { actor_id: actor.as_bytes().to_vec(), no_restart, out_of_scope })
            }
            ToDaemon::ActorStarted { actor, incarnation } => Request::ActorStarted(ActorStarted {
                actor_id: actor.as_bytes().to_vec(),
                incarnation,
                error: Vec::new(),
            }),
            ToDaemon::CreateGroup { group, strategy } => {
                let group_id = group.as_bytes().to_vec();
                let bundle = Bundle { resources: [("CPU".to_owned(), 1.0)].into() };
                let create = CreatePlacementGroup {
                    group_id: group_id.clone(),
                    strategy: strategy.to_owned(),
                    bundles: vec![bundle; 2],
                    ..CreatePlacementGroup::default()
                };
                self.ask(from, Request::CreateGroup(create));
                Request::WatchGroup(WatchPlacementGroup { group_id })
            }
            ToDaemon::RemoveGroup { group } => {
                Request::RemoveGroup(RemovePlacementGroup { group_id: group.as_bytes().to_vec() })
            }
            _ => return,
        };
        self.ask(from, request);
    }

    fn ask(&mut self, from: usize, request: Request) {
        let worker_id = self.processes[from].id.as_bytes().to_vec();
        let job_id = self.job_of(from).as_bytes().to_vec();
        let message = FromProcess { worker_id, job_id, request: Some(request) };
        self.say(machine_of(from), ToHead::FromProcess(message));
    }

    /// A request in a group that was removed is refused by the node that knows it.
    pub(crate) fn refuses_removed_group(&mut self, machine: usize, request: &LeaseRequest) -> bool {
        let removed = &self.daemon.machines[machine].removed_groups;
        let is_removed =
            !removed.is_empty() && group_of(&request.resources).is_some_and(|group| removed.contains(&group));
        if is_removed {
            let refused = ToProcess::Refused { request: request.request_id, kind: "task_placement_group_removed" };
            self.send_process(number_of(request.owner), refused);
        }
        is_removed
    }

    /// The head says something to a node.
    fn on_head_message(&mut self, machine: usize, body: FromHead) {
        match body {
            FromHead::Registered(registered) => {
                self.node_step(machine, NodeEvent::Numbered { number: registered.node_number });
            }
            FromHead::View(view) => self.on_view(machine, view),
            FromHead::ToProcess(message) => {
                let to = WorkerId::from_bytes(&message.worker_id).map(number_of);
                if let (Ok(to), Some(Reply::ActorUpdate(update))) = (to, message.reply) {
                    self.on_actor_news(to, update);
                }
            }
            FromHead::StartActor(start) => {
                let Some(actor) = answers::actor(&start.actor_id) else { return };
                let incarnation = start.incarnation;
                let Some(worker) = self.daemon.placed.remove(&(actor, incarnation)) else { return };
                let arguments = self.daemon.arguments.get(&actor).cloned().unwrap_or_default();
                self.send_process(number_of(worker), ToProcess::StartActor { actor, incarnation, arguments });
            }
            FromHead::DrainWorker(drain) => {
                if let Ok(worker) = WorkerId::from_bytes(&drain.worker_id) {
                    self.send_process(number_of(worker), ToProcess::Exit);
                }
            }
            FromHead::KillWorker(kill) => {
                if let Ok(worker) = WorkerId::from_bytes(&kill.worker_id) {
                    self.kill_worker(number_of(worker), "killed", kill.message);
                }
            }
            FromHead::GroupNews(news) if news.state == "removed" => {
                let group = trygon_control::group_id(&news.group_id);
                self.daemon.machines[machine].removed_groups.insert(group);
                self.node_step(machine, NodeEvent::GroupRemoved { group });
            }
            FromHead::GivenUp(_) => self.fail(format!("NODE-1: machine {machine} lives and is given up")),
            body => {
                if let Some(event) = answers::event(body) {
                    self.node_step(machine, event);
                }
            }
        }
    }

    fn on_actor_news(&mut self, to: usize, update: ActorUpdate) {
        let Ok(actor) = ActorId::from_bytes(&update.actor_id) else { return };
        let worker = WorkerId::from_bytes(&update.worker_id).ok().filter(|_| update.state == "alive").map(number_of);
        if let Some(worker) = worker {
            self.connect(to, worker);
        }
        let state = match update.state.as_str() {
            "alive" => "alive",
            "restarting" => "restarting",
            "dead" => "dead",
            _ => "pending",
        };
        if state == "dead" {
            self.daemon.dead_actors.insert(actor);
        }
        let message = update.death.map_or(String::new(), |death| death.message);
        self.send_process(to, ToProcess::Actor { actor, state, incarnation: update.incarnation, worker, message });
    }

    fn on_view(&mut self, machine: usize, view: View) {
        let mut delta = Delta { is_whole: view.is_whole, ..Delta::default() };
        for node in view.nodes {
            let Ok(id) = NodeId::from_bytes(&node.node_id) else { continue };
            if node.state == "dead" {
                delta.gone.push(id);
                continue;
            }
            delta.nodes.push(NodeState {
                node: id,
                number: node.node_number,
                total: resource_set(&node.total),
                free: resource_set(&node.free),
                labels: node.labels.into_iter().collect(),
                is_draining: node.state == "draining",
                queued: u64::from(node.waiting),
            });
        }
        for node in delta.gone.clone() {
            self.on_node_dead(machine, machine_of_node(node));
        }
        self.node_step(machine, NodeEvent::ClusterChanged(delta));
    }

    /// A node hears of the death of another one: first its processes hear where nothing lies any more, then who is dead.
    fn on_node_dead(&mut self, machine: usize, dead: usize) {
        if machine == dead || !self.daemon.machines[machine].gone.insert(dead) {
            return;
        }
        for number in self.processes.living_on(machine) {
            self.send_process(number, ToProcess::NodeLost { node: dead as u64 + 1 });
        }
        for number in self.processes.living_on(machine) {
            let peers = self.daemon.peers.get(&number).into_iter().flatten();
            let lost: Vec<usize> = peers.copied().filter(|peer| machine_of(*peer) == dead).collect();
            for other in lost {
                let death = node_death(other);
                self.tell_far_death(machine, number, PeerDied::unrecorded(other, death));
            }
        }
        self.node_step(machine, NodeEvent::NodeLost { node: node_id(dead) });
    }

    /// OWN-8: who was connected with a dead process hears of it, by way of its own daemon.
    pub(crate) fn tell_of_death(&mut self, dead: usize, peer: usize, died: PeerDied) {
        if machine_of(dead) == machine_of(peer) {
            if let Some(peers) = self.daemon.peers.get_mut(&peer) {
                peers.remove(&dead);
            }
            return self.send_process(peer, ToProcess::Died(died));
        }
        let (from, to) = (DAEMONS + machine_of(dead), DAEMONS + machine_of(peer));
        self.send(from, to, Message::Far(Far::PeerDied { to: peer, died }));
    }

    fn on_far_death(&mut self, machine: usize, to: usize, died: PeerDied) {
        let owner = self.processes[died.worker].id;
        self.tell_far_death(machine, to, died);
        self.node_step(machine, NodeEvent::OwnersLost { owners: vec![owner] });
    }

    fn tell_far_death(&mut self, machine: usize, to: usize, died: PeerDied) {
        let (own, other) = (self.processes[to].id, self.processes[died.worker].id);
        if let Some(peers) = self.daemon.peers.get_mut(&to) {
            peers.remove(&died.worker);
        }
        self.send_process(to, ToProcess::Died(died));
        for lease in self.daemon.machines[machine].node.foreign_leases(own, other) {
            self.node_step(machine, NodeEvent::LeaseReturned { owner: own, lease, worker_exiting: true });
        }
    }

    /// The head hears of the end of a process.
    pub(crate) fn say_ended(&mut self, number: usize, death: &Death) {
        if self.daemon.head.is_none() {
            return;
        }
        let worker_id = self.processes[number].id.as_bytes().to_vec();
        let death = WireDeath { kind: death.kind.clone(), message: death.message.clone(), ..WireDeath::default() };
        self.say(machine_of(number), ToHead::ProcessEnded(ProcessEnded { worker_id, death: Some(death) }));
    }
}

/// How a process ended whose machine is lost.
pub(crate) fn node_death(number: usize) -> Death {
    let message = format!("the machine of process {number} is lost");
    Death { kind: "node".to_owned(), message, pid: number as u32, ..Death::default() }
}
