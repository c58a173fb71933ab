//! The world of a run: the head, the machines, what is under way, and what goes wrong.

use crate::partitions::machine::Machine;
use crate::partitions::planted::{Counts, Planted};
use crate::random::Random;
use std::collections::{BTreeMap, BTreeSet};
use trygon_control::{Head, Out};
use trygon_control_core::{LeaseTerms, Presence, PresenceDefects};
use trygon_ids::{ActorId, NodeId, WorkerId};
use trygon_proto::control::CreateActor;
use trygon_proto::v1::from_process::Request;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::{FenceNode, FromProcess, HeadToNode, NodeLeaves, NodeToHead, head_to_node};

/// How long things go wrong, and how long they may take to be well again.
const TROUBLE_MS: u64 = 60_000;
const PEACE_MS: u64 = 40_000;
/// Machines look at themselves and the head at what is due this often.
const STEP_MS: u64 = 20;
const RENEW_MS: u64 = 500;
/// A stream over a link that is cut breaks after this.
const SILENCE_MS: u64 = 2_000;
/// A daemon that comes back needs this.
const RETURN_MS: u64 = 300;

/// What is under way.
pub(super) enum Event {
    /// A machine asks for its lease.
    Ask { machine: usize, node: NodeId, asked_ms: u64 },
    /// The answer: the length, or a refusal.
    Answer { machine: usize, node: NodeId, asked_ms: u64, lease: Result<u64, String> },
    /// The answer of the machine that the head is not on.
    Nobody { machine: usize, node: NodeId, asked_ms: u64 },
    /// On a stream to the head.
    Said { machine: usize, stream: u64, body: Box<Body> },
    /// On a stream from the head.
    Told { machine: usize, stream: u64, body: Box<head_to_node::Body> },
    /// Machines look at themselves, and the head at what is due.
    Step,
    /// A machine renews its lease.
    Renew { machine: usize },
    /// A machine that was frozen goes on: before anything else it looks at its lease.
    Thaw { machine: usize },
    /// Something goes wrong.
    Trouble,
    /// A daemon that has ended is started again.
    Return { machine: usize },
    /// A head begins again on its journal: at the address of the last one, or elsewhere.
    HeadReturns { is_elsewhere: bool },
}

pub(super) struct World {
    pub(super) random: Random,
    pub(super) now_ms: u64,
    queue: BTreeMap<(u64, u64), Event>,
    sequence: u64,
    pub(super) head: Head,
    pub(super) presence: Presence,
    pub(super) machines: Vec<Machine>,
    next_stream: u64,
    /// When the last message of a stream arrives, in either direction.
    last_ms: BTreeMap<(u64, bool), u64>,
    cut_since_ms: Vec<Option<u64>>,
    pub(super) actors: usize,
    fenced: BTreeSet<NodeId>,
    /// No head runs, and its machine says so.
    pub(super) is_headless: bool,
    pub(super) defects: PresenceDefects,
    counts: Counts,
}

impl World {
    pub(super) fn new(seed: u64, planted: Planted) -> Self {
        let mut random = Random::new(seed);
        let count = 3 + random.below(10) as usize;
        let mut machines = Vec::new();
        for place in 0..count {
            // Clocks run up to 5 % apart.
            machines.push(Machine::new(place, random.below(101) as i64 - 50, planted.node));
        }
        let mut world = Self {
            now_ms: 1_000,
            queue: BTreeMap::new(),
            sequence: 0,
            head: Head::new(),
            presence: Presence::with_defects(LeaseTerms::default(), planted.head),
            machines,
            next_stream: 1,
            last_ms: BTreeMap::new(),
            cut_since_ms: vec![None; count],
            actors: 1 + random.below(2 * count as u64) as usize,
            fenced: BTreeSet::new(),
            is_headless: false,
            defects: planted.head,
            counts: Counts::default(),
            random,
        };
        world.at(0, Event::Step);
        world.at(500, Event::Trouble);
        for machine in 0..count {
            let first_ms = world.random.below(RENEW_MS);
            world.at(first_ms, Event::Renew { machine });
        }
        world
    }

    pub(super) fn run(mut self) -> Result<Counts, String> {
        let end_ms = self.now_ms + TROUBLE_MS + PEACE_MS;
        let mut is_created = false;
        while let Some(((at_ms, _), event)) = self.queue.pop_first() {
            if at_ms > end_ms {
                break;
            }
            self.now_ms = at_ms;
            self.counts.events += 1;
            let outcome = self.handle(event);
            outcome.map_err(|broken| format!("at {at_ms} ms: {broken}"))?;
            if !is_created && !self.is_headless && !self.head.members().is_empty() {
                is_created = true;
                self.create_actors();
            }
            self.head.sanity_check().map_err(|broken| format!("at {at_ms} ms: {broken}"))?;
        }
        self.check_peace()?;
        Ok(self.counts)
    }

    pub(super) fn at(&mut self, delay_ms: u64, event: Event) {
        self.sequence += 1;
        self.queue.insert((self.now_ms + delay_ms, self.sequence), event);
    }

    pub(super) fn delay_ms(&mut self) -> u64 {
        match self.random.below(100) {
            0..=89 => self.random.below(20),
            90..=97 => self.random.below(400),
            _ => self.random.below(1_800),
        }
    }

    fn handle(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Ask { machine, node, asked_ms } if !self.finds_head(machine) => {
                // Nobody listens; the machine there says so, and nothing else does.
                if self.machines[machine].hears(self.now_ms) {
                    let delay_ms = self.delay_ms();
                    self.at(delay_ms, Event::Nobody { machine, node, asked_ms });
                }
            }
            Event::Ask { machine, node, asked_ms } => {
                let lease = self.presence.renew(node, self.now_ms);
                if self.machines[machine].hears(self.now_ms) {
                    for _ in 0..=u64::from(self.random.percent(5)) {
                        let delay_ms = self.delay_ms();
                        self.at(delay_ms, Event::Answer { machine, node, asked_ms, lease: lease.clone() });
                    }
                }
            }
            Event::Answer { machine, node, asked_ms, lease } => self.on_answer(machine, node, asked_ms, lease),
            Event::Said { machine, stream, body } => {
                let node = self.machines[machine].node;
                if self.presence.is_current(node, stream) && self.machines[machine].stream == Some(stream) {
                    self.hear(node, *body);
                }
            }
            Event::Told { machine, stream, body } => self.on_told(machine, stream, *body)?,
            Event::Step => {
                self.step()?;
                self.at(STEP_MS, Event::Step);
            }
            Event::Renew { machine } => {
                self.ask(machine);
                self.at(RENEW_MS, Event::Renew { machine });
            }
            Event::Thaw { machine } => self.look(machine),
            Event::Trouble => self.trouble(),
            Event::Return { machine } => self.machines[machine].begin(),
            Event::Nobody { machine, node, asked_ms } => self.on_nobody(machine, node, asked_ms),
            Event::HeadReturns { is_elsewhere } => self.begin_head(is_elsewhere),
        }
        Ok(())
    }

    /// A machine asks for its lease. The message may be doubled.
    fn ask(&mut self, machine: usize) {
        let it = &self.machines[machine];
        if !it.is_up || it.is_frozen(self.now_ms) || !it.is_heard(self.now_ms) {
            return;
        }
        let (node, asked_ms) = (it.node, it.clock_ms(self.now_ms));
        for _ in 0..=u64::from(self.random.percent(5)) {
            let delay_ms = self.delay_ms();
            self.at(delay_ms, Event::Ask { machine, node, asked_ms });
        }
    }

    fn on_answer(&mut self, machine: usize, node: NodeId, asked_ms: u64, lease: Result<u64, String>) {
        let now_ms = self.now_ms;
        let it = &mut self.machines[machine];
        if it.is_frozen(now_ms) {
            // It waits in the machine's own buffers.
            let left_ms = it.paused_until_ms - now_ms;
            return self.at(left_ms, Event::Answer { machine, node, asked_ms, lease });
        }
        if it.is_up && it.node == node {
            let clock_ms = it.clock_ms(now_ms);
            match lease {
                Ok(lease_ms) => it.lease.granted(asked_ms, clock_ms, lease_ms),
                Err(reason) => it.lease.refused(&reason),
            }
        }
    }

    fn on_told(&mut self, machine: usize, stream: u64, body: head_to_node::Body) -> Result<(), String> {
        let now_ms = self.now_ms;
        let it = &mut self.machines[machine];
        if it.stream != Some(stream) || !it.is_up {
            return Ok(());
        }
        if it.is_frozen(now_ms) {
            let left_ms = it.paused_until_ms - now_ms;
            let at_ms = self.last_ms.get(&(stream, false)).copied().unwrap_or(0).max(now_ms + left_ms) + 1;
            self.last_ms.insert((stream, false), at_ms);
            self.at(at_ms - now_ms, Event::Told { machine, stream, body: Box::new(body) });
            return Ok(());
        }
        if it.lease.look(it.clock_ms(now_ms)).is_some() {
            self.stop(machine);
            return Ok(());
        }
        let mut said = Vec::new();
        match it.hear(body, &mut said) {
            None => self.stop(machine),
            Some(begun) => {
                said.into_iter().for_each(|body| self.say(machine, body));
                if let Some(actor) = begun {
                    self.counts.lives += 1;
                    self.check_alone(actor, machine)?;
                }
            }
        }
        Ok(())
    }

    /// NODE-1: no other life of the actor runs.
    fn check_alone(&self, actor: ActorId, machine: usize) -> Result<(), String> {
        for (other, it) in self.machines.iter().enumerate().filter(|(other, _)| *other != machine) {
            let runs = it.lives.get(&actor).is_some_and(|life| life.is_begun);
            if runs && it.is_up && !it.is_frozen(self.now_ms) {
                return Err(format!("NODE-1: a life of {actor} begins on machine {machine} while one runs on {other}"));
            }
        }
        Ok(())
    }

    /// What a machine says on its stream: in order, until the stream breaks.
    fn say(&mut self, machine: usize, body: Body) {
        let Some(stream) = self.machines[machine].stream else {
            return;
        };
        let delay_ms = self.in_order(stream, true);
        self.at(delay_ms, Event::Said { machine, stream, body: Box::new(body) });
    }

    fn in_order(&mut self, stream: u64, is_up: bool) -> u64 {
        let at_ms = self.now_ms + self.delay_ms();
        let last_ms = self.last_ms.entry((stream, is_up)).or_default();
        *last_ms = at_ms.max(*last_ms);
        *last_ms - self.now_ms
    }

    /// The head takes something in.
    fn hear(&mut self, node: NodeId, body: Body) {
        if self.is_headless {
            return;
        }
        if matches!(body, Body::Leaves(_)) {
            self.presence.left(node);
        }
        let mut out = Out::new();
        self.head.apply(self.now_ms * 1_000, node, NodeToHead { body: Some(body), ..NodeToHead::default() }, &mut out);
        self.tell(out);
    }

    fn tell(&mut self, out: Out) {
        self.head.leaseless().into_iter().for_each(|node| self.presence.refuse(node));
        for (node, HeadToNode { body }) in out {
            let machine = self.machines.iter().position(|it| it.node == node);
            let (Some(machine), Some(body)) = (machine, body) else {
                continue;
            };
            let stream = self.machines[machine].stream.filter(|stream| self.presence.is_current(node, *stream));
            if let Some(stream) = stream {
                let delay_ms = self.in_order(stream, false);
                self.at(delay_ms, Event::Told { machine, stream, body: Box::new(body) });
            }
        }
    }

    /// Everybody looks at what is due.
    fn step(&mut self) -> Result<(), String> {
        for machine in 0..self.machines.len() {
            self.look(machine);
        }
        if self.is_headless {
            return Ok(());
        }
        for (node, reason) in self.presence.take_lost(self.now_ms) {
            self.counts.given_up += 1;
            self.check_stopped(node)?;
            self.hear(node, Body::Leaves(NodeLeaves { message: reason }));
        }
        let mut out = Out::new();
        if self.head.next_deadline_us().is_some_and(|at_us| at_us <= self.now_ms * 1_000) {
            self.head.tick(self.now_ms * 1_000, &mut out);
        }
        self.tell(out);
        Ok(())
    }

    /// NODE-2: a node that is given up has stopped, or would as soon as it ran.
    fn check_stopped(&mut self, node: NodeId) -> Result<(), String> {
        let now_ms = self.now_ms;
        let Some(it) = self.machines.iter_mut().find(|it| it.node == node && it.is_up) else {
            return Ok(());
        };
        let clock_ms = it.clock_ms(now_ms);
        let has_lease = it.lease.look(clock_ms).is_none();
        if has_lease && (!it.lives.is_empty() || it.lease.deadline_ms().is_some()) {
            return Err(format!("NODE-2: node {node} is given up, and has its lease"));
        }
        Ok(())
    }

    /// One machine looks at its lease and its stream.
    fn look(&mut self, machine: usize) {
        let now_ms = self.now_ms;
        let it = &mut self.machines[machine];
        if !it.is_up || it.is_frozen(now_ms) {
            return;
        }
        if it.lease.look(it.clock_ms(now_ms)).is_some() {
            return self.stop(machine);
        }
        let (is_cut, has_stream) = (!it.hears(now_ms) || !it.is_heard(now_ms), it.stream.is_some());
        if !self.finds_head(machine) {
            return self.break_stream(machine, "refused");
        }
        if !is_cut {
            self.cut_since_ms[machine] = None;
            if !has_stream {
                self.attach(machine);
            }
            return;
        }
        let since_ms = *self.cut_since_ms[machine].get_or_insert(now_ms);
        if now_ms - since_ms >= SILENCE_MS {
            self.break_stream(machine, "silent");
        }
    }

    fn attach(&mut self, machine: usize) {
        let (stream, now_ms) = (self.next_stream, self.now_ms);
        self.next_stream += 1;
        let it = &mut self.machines[machine];
        it.stream = Some(stream);
        let clock_ms = it.clock_ms(now_ms);
        it.lease.begin(clock_ms, LeaseTerms::default().lease_ms);
        let (node, registration) = (it.node, it.registration());
        self.presence.opened(node, stream, now_ms);
        // The stream stands when its first message is read.
        self.hear(node, registration);
    }

    pub(super) fn break_stream(&mut self, machine: usize, reason: &str) {
        if let Some(stream) = self.machines[machine].stream.take() {
            let node = self.machines[machine].node;
            self.presence.closed(node, stream, self.now_ms, reason);
        }
    }

    /// The node stops what it runs, and its daemon comes back as another one.
    fn stop(&mut self, machine: usize) {
        let message = "it has stopped".to_owned();
        let is_heard = self.machines[machine].is_heard(self.now_ms);
        self.machines[machine].lives.clear();
        if is_heard
            && !self.is_headless
            && let Some(stream) = self.machines[machine].stream
        {
            let node = self.machines[machine].node;
            if self.presence.is_current(node, stream) {
                self.hear(node, Body::Leaves(NodeLeaves { message }));
            }
        }
        self.machines[machine].is_up = false;
        self.break_stream(machine, "closed");
        self.at(RETURN_MS, Event::Return { machine });
    }

    fn trouble(&mut self) {
        let now_ms = self.now_ms;
        if now_ms > 1_000 + TROUBLE_MS {
            for it in &mut self.machines {
                (it.deaf_until_ms, it.mute_until_ms, it.paused_until_ms) = (0, 0, it.paused_until_ms.min(now_ms));
            }
            (0..self.machines.len()).for_each(|machine| self.look(machine));
            for node in std::mem::take(&mut self.fenced) {
                self.fence(node, true);
            }
            if !self.fenced.is_empty() {
                // Nobody is there who could say it.
                self.at(500, Event::Trouble);
            }
            return;
        }
        let machine = self.random.below(self.machines.len() as u64) as usize;
        let long_ms = 200 + self.random.below(12_000);
        let kind = self.random.below(100);
        let it = &mut self.machines[machine];
        match kind {
            0..=29 => (it.deaf_until_ms, it.mute_until_ms) = (now_ms + long_ms, now_ms + long_ms),
            30..=44 => it.deaf_until_ms = now_ms + long_ms,
            45..=59 => it.mute_until_ms = now_ms + long_ms,
            60..=79 => {
                it.paused_until_ms = now_ms + long_ms / 2;
                self.at(long_ms / 2, Event::Thaw { machine });
            }
            // It slept, which only its clock has noticed.
            80..=87 => it.ahead_ms += long_ms / 3,
            88..=92 => self.kill(machine),
            93..=95 => self.end_head(),
            // The first machine is the head's, which is not fenced.
            _ if machine > 0 => {
                let node = it.node;
                self.fence(node, false);
            }
            _ => {}
        }
        let next_ms = 100 + self.random.below(2_000);
        self.at(next_ms, Event::Trouble);
    }

    /// A daemon is killed: its workers end with it, and its machine says so to who asks.
    fn kill(&mut self, machine: usize) {
        let it = &mut self.machines[machine];
        if !it.is_up {
            return;
        }
        it.lives.clear();
        it.is_up = false;
        let (node, stream, is_heard) = (it.node, it.stream, it.is_heard(self.now_ms) && it.hears(self.now_ms));
        self.break_stream(machine, "reset");
        if let Some(stream) = stream.filter(|_| is_heard) {
            self.presence.ended(node, stream, self.now_ms);
        }
        self.at(1_000, Event::Return { machine });
    }

    fn fence(&mut self, node: NodeId, is_over: bool) {
        if !is_over {
            self.fenced.insert(node);
        }
        let (node_id, reason) = (node.as_bytes().to_vec(), "a person".to_owned());
        let speaker = self.head.members().first().copied().filter(|_| !self.is_headless);
        if let Some(speaker) = speaker {
            self.hear(speaker, Body::Fence(FenceNode { node_id, reason, is_over }));
        } else if is_over {
            self.fenced.insert(node);
        }
    }

    fn create_actors(&mut self) {
        let speaker = self.head.members()[0];
        for number in 0..self.actors as u64 {
            let mut actor = [1; ActorId::LEN];
            actor[..8].copy_from_slice(&number.to_be_bytes());
            let create = CreateActor {
                actor_id: actor.to_vec(),
                class_name: "Once".to_owned(),
                placement_resources: [("CPU".to_owned(), 1.0)].into(),
                max_restarts: -1,
                detached: true,
                ..CreateActor::default()
            };
            let worker_id = WorkerId::new([0; WorkerId::LEN]).as_bytes().to_vec();
            let request = Some(Request::CreateActor(create));
            self.hear(speaker, Body::FromProcess(FromProcess { worker_id, job_id: vec![1, 0, 0, 0], request }));
        }
    }
}
