//! The world of a run: the head, the nodes, and time.

use crate::control::ends::{HeadEnd, OldStream};
use crate::control::ids::{node, number_of};
use crate::control::machine::Machine;
use crate::control::planted::{Counts, PlantedInControl};
use crate::control::watch::{self, Watch};
use crate::random::Random;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use trygon_control::{Head, Out};
use trygon_control_core::{LeaseTerms, Presence};
use trygon_ids::NodeId;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::{HeadToNode, Heard, NodeLeaves, NodeToHead, RegisterNode, head_to_node};

/// Times of trouble, each of so many steps, after which everything comes to rest.
const ROUNDS: usize = 3;
const STEPS: usize = 400;
/// Steps towards rest.
const MOST_STEPS: usize = 6_000;
/// Actors and groups that are over and are remembered.
const REMEMBERED: usize = 12;
/// A head that begins again gives nodes of its journal so long.
const GRACE_MS: u64 = 12_000;

pub(super) struct World {
    pub(super) random: Random,
    pub(super) now_us: u64,
    pub(super) head: Head,
    pub(super) presence: Presence,
    pub(super) planted: PlantedInControl,
    pub(super) machines: BTreeMap<u64, Machine>,
    /// What the head tells nodes by.
    pub(super) links: BTreeMap<u64, HeadEnd>,
    /// What was said on each stream to a node and it has not taken.
    pub(super) under_way: BTreeMap<u64, VecDeque<HeadToNode>>,
    /// Streams that nodes have left, with what the head has not read of them.
    pub(super) old: Vec<OldStream>,
    /// The stream that each node opened last.
    pub(super) opened: BTreeMap<u64, u64>,
    /// Nodes whose farewell was heard.
    pub(super) farewells: BTreeSet<NodeId>,
    pub(super) watch: Watch,
    pub(super) next: Next,
    pub(super) is_alone: bool,
    /// Little is asked for, and much becomes of it.
    pub(super) is_calm: bool,
    /// Nothing more goes wrong.
    pub(super) is_peace: bool,
    pub(super) counts: Counts,
}

/// The last of each that was made.
#[derive(Debug, Default)]
pub(super) struct Next {
    pub(super) machine: u64,
    pub(super) stream: u64,
    pub(super) actor: u64,
    pub(super) group: u64,
    pub(super) request: u64,
}

impl World {
    pub(super) fn new(seed: u64, planted: PlantedInControl) -> Self {
        let mut random = Random::new(seed);
        let (is_alone, is_calm) = (random.percent(10), random.percent(40));
        let count = if is_alone { 1 } else { 2 + random.below(4) };
        let mut world = Self {
            random,
            now_us: 1_000_000,
            head: Head::new(),
            presence: Presence::with_defects(LeaseTerms::default(), planted.presence),
            planted,
            machines: BTreeMap::new(),
            links: BTreeMap::new(),
            under_way: BTreeMap::new(),
            old: Vec::new(),
            opened: BTreeMap::new(),
            farewells: BTreeSet::new(),
            watch: Watch::default(),
            next: Next::default(),
            is_alone,
            is_calm,
            is_peace: false,
            counts: Counts::default(),
        };
        world.head.plant(REMEMBERED, planted.head);
        (0..count).for_each(|place| world.add(place));
        world
    }

    pub(super) fn run(mut self) -> Result<Counts, String> {
        for round in 0..ROUNDS {
            self.is_peace = false;
            for step in 0..STEPS {
                let outcome = self.step().and_then(|()| self.check_used());
                outcome.map_err(|broken| format!("round {round}, step {step}: {broken}"))?;
            }
            self.is_peace = true;
            let rested = self.settle().and_then(|()| self.check_rest()).and_then(|()| self.check_waited_for());
            rested.map_err(|broken| format!("round {round}, at rest: {broken}"))?;
        }
        Ok(self.counts)
    }

    /// A new node at a place.
    pub(super) fn add(&mut self, place: u64) {
        self.next.machine += 1;
        let (number, cpus) = (self.next.machine, 1 + self.random.below(4) as usize);
        self.machines.insert(number, Machine::new(number, place, cpus, self.is_alone));
        self.connect(number);
        self.start_driver(number);
    }

    /// A node that was given up has ended what it had, and its daemon is another node.
    pub(super) fn replace(&mut self, number: u64) {
        if let Some(mut machine) = self.machines.remove(&number) {
            self.leave_stream(&mut machine, false);
            self.add(machine.place);
        }
    }

    pub(super) fn any(&mut self) -> u64 {
        let place = self.random.below(self.machines.len() as u64) as usize;
        self.machines.keys().nth(place).copied().unwrap_or(0)
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.now_us / 1_000
    }

    /// The head takes something in that came by a stream that is heard.
    pub(super) fn hear(&mut self, number: u64, message: NodeToHead) -> Result<(), String> {
        self.now_us += 10;
        self.counts.events += 1;
        let (of, said) = (message.number, placed_in(&message));
        let prepared = match &message.body {
            Some(Body::BundlesPrepared(prepared)) if prepared.ok => Some(prepared.clone()),
            _ => None,
        };
        self.trace(|| format!("node {number} says {:?}", message.body));
        let mut out = Out::new();
        self.head.apply(self.now_us, node(number), message.clone(), &mut out);
        self.watch.check_started(&self.head, &message)?;
        if of > 0 {
            let heard = head_to_node::Body::Heard(Heard { number: of });
            out.push((node(number), HeadToNode { body: Some(heard) }));
        }
        self.watch.check_placed(&self.head, &said)?;
        if let Some(prepared) = prepared {
            watch::check_late(&self.head, node(number), &prepared, &out)?;
        }
        self.after(out)
    }

    /// The head checks itself, and what it says is watched and sent.
    pub(super) fn after(&mut self, out: Out) -> Result<(), String> {
        self.watch.look(&self.head, self.now_us);
        for (to, message) in &out {
            self.watch.observe(&self.head, self.now_us, *to, message)?;
        }
        self.head.sanity_check()?;
        out.into_iter().for_each(|(to, message)| self.tell(number_of(to.as_bytes()), message));
        Ok(())
    }

    pub(super) fn trace(&self, line: impl FnOnce() -> String) {
        if self.planted.is_traced {
            println!("{:>9.6} {}", self.now_us as f64 / 1e6, line());
        }
    }

    /// Time passes: nodes renew their leases, and the head does what is due.
    pub(super) fn pass(&mut self, delay_us: u64) -> Result<(), String> {
        self.now_us += delay_us;
        let now_ms = self.now_ms();
        for number in self.machines.keys() {
            // Who was given up hears so on its stream.
            let _ = self.presence.renew(node(*number), now_ms);
        }
        for (lost, message) in self.presence.take_lost(now_ms) {
            if self.farewells.contains(&lost) {
                return Err(format!("STREAM-3: node {lost} said farewell and was waited for"));
            }
            let number = number_of(lost.as_bytes());
            self.links.remove(&number);
            let gone = Body::Leaves(NodeLeaves { message });
            self.hear(number, NodeToHead { body: Some(gone), ..NodeToHead::default() })?;
        }
        let mut out = Out::new();
        if self.head.next_deadline_us().is_some_and(|at_us| at_us <= self.now_us) {
            self.counts.events += 1;
            self.head.tick(self.now_us, &mut out);
        }
        self.after(out)
    }

    /// The head is started again, from what it had kept: the same in every byte.
    pub(super) fn restart_head(&mut self) -> Result<(), String> {
        self.old.clear();
        self.links.clear();
        for number in self.machines.keys().copied().collect::<Vec<u64>>() {
            self.disconnect(number);
        }
        self.old.clear();
        let before = self.head.snapshot()?;
        let large = before.large.iter().map(|large| (large.digest, large.bytes.to_vec())).collect();
        let mut head = Head::restore(&before.bytes, large)?;
        if head.snapshot()? != before {
            return Err("JOURNAL-2: a head that was started again is another one".to_owned());
        }
        head.plant(REMEMBERED, self.planted.head);
        let now_ms = self.now_ms();
        self.presence = Presence::with_defects(LeaseTerms::default(), self.planted.presence);
        head.members().into_iter().for_each(|node| self.presence.expect(node, now_ms, GRACE_MS));
        head.former().into_iter().for_each(|node| self.presence.refuse(node));
        self.head = head;
        Ok(())
    }

    /// Connects everybody, and goes on until nothing more happens.
    fn settle(&mut self) -> Result<(), String> {
        for _ in 0..MOST_STEPS {
            let mut is_any = self.read_old()?;
            for number in self.machines.keys().copied().collect::<Vec<u64>>() {
                is_any |= self.connect(number);
                while self.deliver_to_node(number)? || self.deliver_to_head(number)? {
                    is_any = true;
                }
                self.run_constructors(number);
                if let Some(machine) = self.machines.get_mut(&number) {
                    machine.act();
                    is_any |= !machine.said.is_empty();
                }
            }
            if is_any {
                continue;
            }
            let is_missed = |node: &NodeId| !self.machines.contains_key(&number_of(node.as_bytes()));
            if let Some(at_us) = self.head.next_deadline_us() {
                self.pass(at_us.saturating_sub(self.now_us))?;
            } else if self.head.members().iter().any(is_missed) {
                self.pass(500_000)?;
            } else {
                return Ok(());
            }
        }
        Err("FAIL-1: it never comes to rest".to_owned())
    }

    /// STREAM-3, NODE-2: leases are renewed, and nobody is given up.
    fn check_waited_for(&mut self) -> Result<(), String> {
        let before = self.head.members();
        for _ in 0..3 {
            self.pass(2_000_000)?;
        }
        if self.head.members() == before { Ok(()) } else { Err("NODE-2: a node with a lease was given up".to_owned()) }
    }
}

/// The workers of actors of which a message speaks.
fn placed_in(message: &NodeToHead) -> Vec<trygon_proto::v1::ActorPlaced> {
    match &message.body {
        Some(Body::ActorPlaced(placed)) => vec![placed.clone()],
        Some(Body::Register(RegisterNode { actors, .. })) => actors.clone(),
        _ => Vec::new(),
    }
}

/// One run of a seed: the counts, or what was broken and when.
///
/// # Errors
/// A sentence that names the law.
pub fn run(seed: u64, planted: PlantedInControl) -> Result<Counts, String> {
    World::new(seed, planted).run()
}
