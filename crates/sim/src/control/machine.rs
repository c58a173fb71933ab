//! One node: what it holds, what lives on it, and what it says to the head. Bundles and actors take one CPU each.

use crate::control::ids::{actor_id, node, process, worker_id};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use trygon_control::{ProbedStream, Questions};
use trygon_ids::{ActorId, PlacementGroupId, WorkerId};
use trygon_proto::control::Death;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::{
    ActorPlaced, EndJob, HeldBundle, Load, NodeToHead, ProcessEnded, RegisterNode, ReserveGroup, StartJob,
};

/// A bundle: the group and its place in it.
pub(super) type Place = (PlacementGroupId, u32);

/// A worker that has an actor, or is to have it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    pub(super) worker: WorkerId,
    pub(super) life: u32,
    /// The head said that the constructor may run.
    pub(super) is_begun: bool,
    /// The constructor has ended, well or not.
    pub(super) is_over: bool,
    /// The head said that it knows that the actor runs.
    pub(super) is_running: bool,
}

/// A program, or a worker with an actor, that asks for things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asker {
    pub(super) process: WorkerId,
    pub(super) job: [u8; 4],
    /// The actor that it is.
    pub(super) actor: Option<ActorId>,
}

#[derive(Debug, Default)]
pub(super) struct Machine {
    pub(super) number: u64,
    /// Where it listens: a node that takes another one's place has its address.
    pub(super) place: u64,
    pub(super) cpus: usize,
    pub(super) is_alone: bool,
    pub(super) stream: Option<u64>,
    pub(super) incoming: Option<ProbedStream>,
    /// What was said on the stream and the head has not read.
    pub(super) said: VecDeque<NodeToHead>,
    is_registered: bool,
    /// The head gave it up while it held something, against the rules.
    pub(super) is_suspect: bool,
    /// The head has told it so.
    pub(super) is_given_up: bool,
    pub(super) known_number: u32,
    /// The attempt of each bundle, and whether it may be used.
    pub(super) held: BTreeMap<Place, (u32, bool)>,
    /// Groups that a node that is a cluster of its own is to reserve.
    pub(super) groups: VecDeque<ReserveGroup>,
    /// Actors that wait for a worker, with their lives and jobs.
    pub(super) queue: VecDeque<(ActorId, u32, [u8; 4])>,
    pub(super) works: BTreeMap<ActorId, Work>,
    pub(super) askers: BTreeMap<WorkerId, Asker>,
    pub(super) jobs: BTreeMap<[u8; 4], StartJob>,
    /// Jobs of which it was told, wherever their drivers are.
    pub(super) known_jobs: BTreeSet<[u8; 4]>,
    /// Drivers whose jobs are not accepted yet.
    pub(super) drivers: BTreeMap<u64, WorkerId>,
    pub(super) questions: Questions,
    next_process: u64,
    reported: Option<usize>,
}

impl Machine {
    pub(super) fn new(number: u64, place: u64, cpus: usize, is_alone: bool) -> Self {
        Self { number, place, cpus, is_alone, ..Self::default() }
    }

    pub(super) fn free(&self) -> usize {
        self.cpus.saturating_sub(self.held.len() + self.works.len())
    }

    pub(super) fn next_process(&mut self) -> WorkerId {
        self.next_process += 1;
        process(self.number, self.next_process)
    }

    /// What has a number goes in order, behind what the registration makes necessary to say again.
    pub(super) fn say(&mut self, body: Body) {
        let message = self.questions.note(body);
        if self.stream.is_some() && (message.number == 0 || self.is_registered) {
            self.said.push_back(message);
        }
    }

    pub(super) fn on_registered(&mut self, number: u32) {
        self.known_number = number;
        self.is_registered = true;
        self.said.extend(self.questions.open());
    }

    /// The stream is gone, with what was on its way.
    pub(super) fn disconnect(&mut self) -> Option<(u64, VecDeque<NodeToHead>)> {
        (self.incoming, self.is_registered, self.reported) = (None, false, None);
        let said = std::mem::take(&mut self.said);
        self.stream.take().map(|stream| (stream, said))
    }

    /// Finds workers for actors and room for groups, and reports.
    pub(super) fn act(&mut self) {
        while self.groups.front().is_some_and(|group| group.bundles.len() <= self.free())
            && let Some(group) = self.groups.pop_front()
        {
            let id = crate::control::ids::group_id(&group.group_id);
            group.bundles.iter().for_each(|bundle| _ = self.held.insert((id, bundle.index), (0, true)));
            self.say(Body::GroupReserved(trygon_proto::v1::GroupReserved { group_id: group.group_id }));
        }
        while self.free() > 0
            && let Some((actor, life, job)) = self.queue.pop_front()
        {
            let worker = self.next_process();
            self.askers.insert(worker, Asker { process: worker, job, actor: Some(actor) });
            let work = Work { worker, life, is_begun: false, is_over: false, is_running: false };
            if let Some(before) = self.works.insert(actor, work) {
                self.end(before.worker, "killed", "its actor has another worker");
            }
            self.say(Body::ActorPlaced(placed(actor, &work)));
        }
        let free = self.free();
        if self.reported != Some(free) && self.stream.is_some() {
            self.reported = Some(free);
            self.say(Body::Load(Load { free: cpus(free), ..Load::default() }));
        }
    }

    /// A process ends: a driver with its job, or another one.
    pub(super) fn end(&mut self, worker: WorkerId, kind: &str, message: &str) {
        let death = Some(Death { kind: kind.to_owned(), message: message.to_owned(), ..Death::default() });
        let job = self.jobs.iter().find(|(_, job)| job.driver_id == worker.as_bytes()).map(|(id, _)| *id);
        let was_known = self.askers.remove(&worker).is_some();
        self.works.retain(|_, work| work.worker != worker);
        if let Some(job) = job {
            self.jobs.remove(&job);
            self.questions.forget(worker);
            self.say(Body::EndJob(EndJob { job_id: job.to_vec(), death }));
        } else if was_known {
            self.say(Body::ProcessEnded(ProcessEnded { worker_id: worker.as_bytes().to_vec(), death }));
        }
    }

    /// A process is gone of which the daemon knows nothing any more.
    pub(super) fn forget(&mut self, worker: WorkerId) {
        self.askers.remove(&worker);
        self.works.retain(|_, work| work.worker != worker);
        self.questions.forget(worker);
    }

    pub(super) fn registration(&self) -> Body {
        let bundle = |((group, index), (attempt, is_committed)): (&Place, &(u32, bool))| HeldBundle {
            group_id: group.as_bytes().to_vec(),
            index: *index,
            attempt: *attempt,
            is_committed: *is_committed,
        };
        let starting = self.works.iter().filter(|(_, work)| !work.is_running);
        let processes = self.askers.keys().chain(self.drivers.values());
        let address = if self.is_alone { String::new() } else { format!("10.0.0.{}:6380", self.place) };
        Body::Register(RegisterNode {
            node_id: node(self.number).as_bytes().to_vec(),
            address,
            resources: cpus(self.cpus),
            known_number: self.known_number,
            actors: self.works.iter().map(|(actor, work)| placed(*actor, work)).collect(),
            jobs: self.jobs.values().cloned().collect(),
            bundles: self.held.iter().map(bundle).collect(),
            starting: starting.map(|(actor, _)| actor.as_bytes().to_vec()).collect(),
            processes: processes.map(|process| process.as_bytes().to_vec()).collect(),
            ended: self.questions.ended(),
            ..RegisterNode::default()
        })
    }
}

pub(super) fn placed(actor: ActorId, work: &Work) -> ActorPlaced {
    ActorPlaced {
        actor_id: actor.as_bytes().to_vec(),
        incarnation: work.life,
        worker_id: work.worker.as_bytes().to_vec(),
        pid: 1,
    }
}

/// The actor, life and worker that a message speaks of.
pub(super) fn parts(placed: &ActorPlaced) -> (ActorId, u32, WorkerId) {
    (actor_id(&placed.actor_id), placed.incarnation, worker_id(&placed.worker_id))
}

pub(super) fn cpus(count: usize) -> BTreeMap<String, f64> {
    if count == 0 { BTreeMap::new() } else { [("CPU".to_owned(), count as f64)].into() }
}
