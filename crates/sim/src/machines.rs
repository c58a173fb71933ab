//! The machines: which process runs on which, their clocks, and what of them is known elsewhere.

use crate::process::Process;
use crate::workload::Workload;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Index, IndexMut};
use trygon_ids::{NodeId, PlacementGroupId, WorkerId};
use trygon_node_core::{Node, Options, PLAIN};
use trygon_resources::{Amount, ResourceSet};

/// Numbers of processes of one machine begin here, those of the next one as much higher.
pub(crate) const STRIDE: usize = 1 << 20;
/// Numbers from here on are daemons, when they speak with one another and with the head.
pub(crate) const DAEMONS: usize = 1 << 40;
/// The head.
pub(crate) const HEAD: usize = 1 << 41;
/// The first two bytes of ids on the first machine.
const FIRST: u16 = 0x0909;

/// The machine of a process.
pub(crate) fn machine_of(process: usize) -> usize {
    process / STRIDE
}

/// The first bytes of ids of a machine's workers.
pub(crate) fn prefix(machine: usize) -> [u8; 20] {
    let mut bytes = [9; 20];
    bytes[..2].copy_from_slice(&(FIRST + machine as u16).to_be_bytes());
    bytes
}

/// The id of a machine's node.
pub(crate) fn node_id(machine: usize) -> NodeId {
    let mut bytes = [9; NodeId::LEN];
    bytes[..20].copy_from_slice(&prefix(machine));
    NodeId::new(bytes)
}

fn machine_in(bytes: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([bytes[0], bytes[1]]).wrapping_sub(FIRST))
}

/// The machine of a node.
pub(crate) fn machine_of_node(node: NodeId) -> usize {
    machine_in(node.as_bytes())
}

/// The number of a process.
pub(crate) fn number_of(worker: WorkerId) -> usize {
    let mut number = [0; 8];
    number.copy_from_slice(&worker.as_bytes()[20..]);
    machine_in(worker.as_bytes()) * STRIDE + u64::from_be_bytes(number) as usize
}

/// One machine, as long as its daemon is one node: one that comes back is another.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) node: Node,
    pub(crate) is_alive: bool,
    pub(crate) tick_planned_ms: u64,
    /// Nothing of it goes on before.
    pub(crate) paused_until_ns: u64,
    /// No message to or from others arrives before.
    pub(crate) cut_until_ns: u64,
    /// What its clock is ahead.
    pub(crate) ahead_ns: u64,
    /// Machines of whose death it was told.
    pub(crate) gone: BTreeSet<usize>,
    /// Groups that were removed.
    pub(crate) removed_groups: BTreeSet<PlacementGroupId>,
}

impl Machine {
    pub(crate) fn new(node: Node) -> Self {
        Self {
            node,
            is_alive: true,
            tick_planned_ms: 0,
            paused_until_ns: 0,
            cut_until_ns: 0,
            ahead_ns: 0,
            gone: BTreeSet::new(),
            removed_groups: BTreeSet::new(),
        }
    }
}

/// A machine's node, in which nothing happened yet.
pub(crate) fn new_node(machine: usize, cpus: i64, workload: &Workload) -> Node {
    // What all groups at a time may hold is there besides, so that tasks outside of them always find a CPU.
    let in_groups = if workload.machines > 0 { 4 } else { 0 };
    let mut resources: ResourceSet = [("CPU".to_owned(), Amount::whole(cpus + in_groups))].into_iter().collect();
    if workload.is_pressed {
        resources.set("memory", Amount::whole(1_000));
    }
    Node::new(Options {
        resources,
        node_id: if workload.machines > 0 { node_id(machine).hex() } else { String::new() },
        labels: trygon_node_core::Labels::new(),
        prestart_workers: cpus as usize,
        idle_worker_ms: if workload.machines > 0 { 20 } else { u64::MAX / 2_000_000 },
        max_workers: 0,
        max_parallel_starts: 4,
        environment: PLAIN,
        worker_id_prefix: prefix(machine),
    })
}

/// All processes that ever were, by number.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    list: Vec<Process>,
    places: BTreeMap<usize, usize>,
}

impl Processes {
    pub(crate) fn add(&mut self, process: Process) -> bool {
        let place = self.list.len();
        let is_new = self.places.insert(process.number, place).is_none();
        self.list.push(process);
        is_new
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Process> {
        self.list.iter()
    }

    pub(crate) fn get(&self, number: usize) -> Option<&Process> {
        self.places.get(&number).map(|place| &self.list[*place])
    }

    /// The living ones on a machine.
    pub(crate) fn living_on(&self, machine: usize) -> Vec<usize> {
        let range = self.places.range(machine * STRIDE..(machine + 1) * STRIDE);
        range.filter(|(_, place)| self.list[**place].is_alive).map(|(number, _)| *number).collect()
    }

    pub(crate) fn numbers(&self) -> Vec<usize> {
        self.places.keys().copied().collect()
    }
}

impl Index<usize> for Processes {
    type Output = Process;

    fn index(&self, number: usize) -> &Process {
        &self.list[self.places[&number]]
    }
}

impl IndexMut<usize> for Processes {
    fn index_mut(&mut self, number: usize) -> &mut Process {
        &mut self.list[self.places[&number]]
    }
}
