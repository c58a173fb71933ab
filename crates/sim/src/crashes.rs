//! The head and its journal: random events of several nodes, and crashes of the head at any moment, after which it is replayed.
//!
//! Invariants, checked after every crash:
//! - **JOURNAL-2** the state after replay equals, in every byte, the state before, if everything was written; else it holds everything that
//!   anybody was told.
//! - **HEAR-1** what a node says again changes nothing a second time.
//! - **JOURNAL-3** while the disk is full nothing that had to be kept changes anything or is told; with room again it goes on.
//! - the head's own laws, after every event.

mod full;
mod planted;

#[cfg(test)]
pub(crate) use planted::DEFECTS as DEFECTS_IN_DISK;
pub use planted::find_in_disk;

use crate::random::Random;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use trygon_control::journal::{Journal, Limits};
use trygon_control::storage::{Large, Loaded, MemoryStorage, Record, Storage, StorageError};
use trygon_control::{FullDefects, Head};
use trygon_ids::{ActorId, NodeId, PlacementGroupId, WorkerId};
use trygon_proto::control::{
    ActorStarted, Bundle, CreateActor, CreatePlacementGroup, Death, FunctionPut, KeyValueRequest, KillActor,
    RemovePlacementGroup,
};
use trygon_proto::v1::from_process::Request;
use trygon_proto::v1::head_to_node::Body as ToNode;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::to_process::Reply;
use trygon_proto::v1::{
    ActorPlaced, BundlesPrepared, FromProcess, HeadToNode, Load, NodeLeaves, NodeToHead, ProcessEnded, RegisterNode,
    StartJob,
};

/// What a disk may do wrong, to see that it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PlantedInDisk {
    /// It says that an append is on the disk when it is not: effects leave before their events are kept.
    pub acknowledges_early: bool,
    /// While it is full it says that what it drops is kept.
    pub full_is_silent: bool,
    /// A snapshot forgets the last event that it is to hold.
    pub snapshot_is_old: bool,
    /// FULL-1: what the head does with what a full disk refuses.
    pub full: FullDefects,
}

/// What one seed came to.
#[derive(Debug, Clone, Default)]
pub struct Crashes {
    /// Events that were taken in.
    pub events: u64,
    /// Crashes of the head.
    pub crashes: u64,
    /// Batches that a full disk refused.
    pub refused: u64,
    /// What was found wrong.
    pub failure: Option<String>,
}

const STEPS: u64 = 400;

/// Runs one seed with so many nodes.
pub fn crashes(seed: u64, nodes: u64, planted: PlantedInDisk) -> Crashes {
    let mut world = World::new(seed, nodes, planted);
    let mut outcome = Crashes::default();
    for _ in 0..STEPS {
        if let Err(failure) = world.step() {
            outcome.failure = Some(failure);
            break;
        }
    }
    (outcome.events, outcome.crashes, outcome.refused) = (world.events, world.crashes, world.refused);
    outcome
}

/// A disk that outlives the head, with what its cache holds and a crash takes.
#[derive(Debug, Clone, Default)]
struct Disk(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    storage: MemoryStorage,
    cache: Vec<Vec<Record>>,
    is_full: bool,
    planted: PlantedInDisk,
}

impl Disk {
    fn with<R>(&self, action: impl FnOnce(&mut Kept) -> R) -> Result<R, StorageError> {
        let failed = |_| StorageError::Unavailable { place: "the disk".to_owned(), message: "poisoned".to_owned() };
        self.0.lock().map(|mut kept| action(&mut kept)).map_err(failed)
    }
}

impl Storage for Disk {
    fn place(&self) -> String {
        "the disk".to_owned()
    }

    fn load(&mut self) -> Result<Loaded, StorageError> {
        self.with(|kept| {
            kept.cache.clear();
            kept.storage.load()
        })?
    }

    fn append(&mut self, records: &[Record]) -> Result<(), StorageError> {
        self.with(|kept| {
            if kept.is_full && !kept.planted.full_is_silent {
                return Err(StorageError::Full { place: "the disk".to_owned(), message: "no space left".to_owned() });
            } else if kept.is_full {
                return Ok(());
            }
            kept.cache.push(records.to_vec());
            let held = if kept.planted.acknowledges_early { 2 } else { 0 };
            while kept.cache.len() > held {
                let oldest = kept.cache.remove(0);
                kept.storage.append(&oldest)?;
            }
            Ok(())
        })?
    }

    fn snapshot(&mut self, through: u64, state: &[u8], large: &[Large<'_>]) -> Result<(), StorageError> {
        self.with(|kept| {
            for records in std::mem::take(&mut kept.cache) {
                kept.storage.append(&records)?;
            }
            let through = if kept.planted.snapshot_is_old { through.saturating_sub(1) } else { through };
            kept.storage.snapshot(through, state, large)
        })?
    }
}

/// The nodes, as far as the head can tell, and the head.
struct World {
    random: Random,
    disk: Disk,
    journal: Option<Journal<Head>>,
    now_us: u64,
    nodes: u64,
    next: u64,
    numbers: BTreeMap<u64, u64>,
    /// The last numbered message of each node, which may be said again.
    last: BTreeMap<u64, NodeToHead>,
    /// What somebody was told: names of actors, and keys with values.
    told_actors: BTreeSet<u64>,
    told_keys: BTreeMap<u64, u64>,
    /// What nodes will answer.
    answers: Vec<(u64, Body)>,
    events: u64,
    crashes: u64,
    refused: u64,
    full: FullDefects,
}

fn node_id(number: u64) -> NodeId {
    let mut bytes = [7; NodeId::LEN];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    NodeId::new(bytes)
}

fn number_of(node: NodeId) -> u64 {
    node.as_bytes().first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

fn worker(node: u64, process: u64) -> Vec<u8> {
    let mut bytes = [0; WorkerId::LEN];
    bytes[..20].copy_from_slice(&node_id(node).as_bytes()[..20]);
    bytes[20..].copy_from_slice(&process.to_be_bytes());
    bytes.to_vec()
}

fn id<const LEN: usize>(number: u64) -> Vec<u8> {
    let mut bytes = [1; LEN];
    bytes[LEN - 8..].copy_from_slice(&number.to_be_bytes());
    bytes.to_vec()
}

fn last_number(bytes: &[u8]) -> u64 {
    bytes.last_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

impl World {
    fn new(seed: u64, nodes: u64, planted: PlantedInDisk) -> Self {
        let disk = Disk::default();
        let _ = disk.with(|kept| kept.planted = planted);
        Self {
            random: Random::new(seed),
            disk,
            journal: None,
            now_us: 1,
            nodes,
            next: 0,
            numbers: BTreeMap::new(),
            last: BTreeMap::new(),
            told_actors: BTreeSet::new(),
            told_keys: BTreeMap::new(),
            answers: Vec::new(),
            events: 0,
            crashes: 0,
            refused: 0,
            full: planted.full,
        }
    }

    fn step(&mut self) -> Result<(), String> {
        if self.journal.is_none() {
            return self.begin();
        }
        self.now_us += self.random.below(30_000);
        let mut batch = Vec::new();
        for _ in 0..=self.random.below(6) {
            batch.extend(self.choose());
        }
        if self.random.percent(5) {
            self.disk.with(|kept| kept.is_full = true).map_err(|error| error.to_string())?;
        }
        self.commit(batch)?;
        self.tick()?;
        if self.random.percent(6) {
            self.snapshot()?;
        }
        if self.random.percent(8) { self.crash() } else { Ok(()) }
    }

    fn begin(&mut self) -> Result<(), String> {
        let limits = Limits { events: u64::MAX, size_bytes: u64::MAX };
        let opened = Journal::open(Head::new(), Box::new(self.disk.clone()), limits);
        self.journal = Some(opened.map_err(|error| format!("JOURNAL-2: {error}"))?.0);
        self.check_told()?;
        for node in 0..self.nodes {
            let register = RegisterNode {
                node_id: node_id(node).as_bytes().to_vec(),
                address: format!("10.0.0.{node}:6380"),
                package_version: String::new(),
                resources: [("CPU".to_owned(), 8.0), ("memory".to_owned(), 1e9)].into(),
                known_number: u32::from(self.crashes > 0) * (node as u32 + 1),
                processes: (1..4).map(|process| worker(node, process)).collect(),
                ..RegisterNode::default()
            };
            let mut batch = vec![(node_id(node), message(0, Body::Register(register)))];
            // HEAR-1: what may not have been heard is said again.
            batch.extend(self.last.get(&node).map(|last| (node_id(node), last.clone())));
            self.commit(batch)?;
        }
        Ok(())
    }

    fn journal(&mut self) -> Result<&mut Journal<Head>, String> {
        self.journal.as_mut().ok_or_else(|| "there is no head".to_owned())
    }

    fn commit(&mut self, mut batch: Vec<(NodeId, NodeToHead)>) -> Result<(), String> {
        self.events += batch.len() as u64;
        let (now_us, mut out) = (self.now_us, Vec::new());
        let before = self.disk.with(|kept| kept.is_full).map_err(|error| error.to_string())?;
        let before = if before { Some(self.journal()?.machine().snapshot()?.bytes) } else { None };
        let tried = self.journal()?.commit(now_us, &mut batch, &mut out);
        if let Some(before) = before {
            let refused = matches!(tried, Err(StorageError::Full { .. }));
            self.refused += u64::from(refused);
            let is_same = batch.is_empty() || self.journal()?.machine().snapshot()?.bytes == before;
            if refused && !(is_same && out.is_empty()) {
                return Err("JOURNAL-3: what a full disk refused was done or told".to_owned());
            }
            self.disk.with(|kept| kept.is_full = false).map_err(|error| error.to_string())?;
        }
        if let Err(error @ StorageError::Full { .. }) = &tried {
            self.sort_out(&mut batch, &mut out, &error.to_string())?;
            // There is room again: the rest is tried once more.
            self.journal()?.commit(now_us, &mut batch, &mut out).map_err(|error| error.to_string())?;
        } else {
            tried.map_err(|error| error.to_string())?;
        }
        self.journal()?.machine().sanity_check()?;
        out.into_iter().for_each(|(node, message)| self.hear(number_of(node), message));
        Ok(())
    }

    fn tick(&mut self) -> Result<(), String> {
        while let Some(at_us) = self.journal()?.machine().next_deadline_us().filter(|at_us| *at_us <= self.now_us) {
            self.now_us = self.now_us.max(at_us);
            self.commit(vec![(NodeId::nil(), NodeToHead::default())])?;
        }
        Ok(())
    }

    /// A node hears something: it answers later, or never.
    fn hear(&mut self, node: u64, message: HeadToNode) {
        match message.body {
            Some(ToNode::PlaceActor(place)) => {
                self.next += 1;
                let process = 1_000 + self.next;
                let actor_id = place.actor.map(|actor| actor.actor_id).unwrap_or_default();
                let worker_id = worker(node, process);
                let placed = ActorPlaced { actor_id, incarnation: place.incarnation, worker_id, pid: 5 };
                self.answers.push((node, Body::ActorPlaced(placed)));
            }
            Some(ToNode::StartActor(start)) => {
                let started =
                    ActorStarted { actor_id: start.actor_id, incarnation: start.incarnation, error: Vec::new() };
                let request = Some(Request::ActorStarted(started));
                let message = FromProcess { worker_id: worker(node, 1), request, ..FromProcess::default() };
                self.answers.push((node, Body::FromProcess(message)));
            }
            Some(ToNode::PrepareBundles(prepare)) => {
                let (group_id, attempt) = (prepare.group_id, prepare.attempt);
                let ok = !attempt.is_multiple_of(3);
                let prepared = BundlesPrepared { group_id, attempt, ok, ..BundlesPrepared::default() };
                self.answers.push((node, Body::BundlesPrepared(prepared)));
            }
            Some(ToNode::ToProcess(message)) => match message.reply {
                Some(Reply::CreateActor(reply)) if reply.error.is_empty() && reply.out_of_disk.is_empty() => {
                    _ = self.told_actors.insert(reply.request_id)
                }
                // The value is the number of the question.
                Some(Reply::KeyValue(reply)) if reply.out_of_disk.is_empty() => {
                    _ = self.told_keys.insert(reply.request_id, reply.request_id)
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn choose(&mut self) -> Option<(NodeId, NodeToHead)> {
        let waiting = self.answers.len() as u64;
        if waiting > 0 && self.random.percent(60) {
            let place = self.random.below(waiting) as usize;
            let (node, body) = self.answers.swap_remove(place);
            return Some((node_id(node), message(0, body)));
        }
        let node = self.random.below(self.nodes);
        self.next += 1;
        let number = self.next;
        let asked = |request: Request| {
            Body::FromProcess(FromProcess {
                worker_id: worker(node, 1),
                job_id: vec![1, 0, 0, 0],
                request: Some(request),
            })
        };
        let body = match self.random.below(12) {
            0 => Body::Load(Load { free: [("CPU".to_owned(), self.random.below(8) as f64)].into(), ..Load::default() }),
            1 => Body::StartJob(StartJob { request_id: number, driver_id: worker(node, 2), ..StartJob::default() }),
            2 => {
                let worker_id = worker(node, 1_000 + self.random.below(number));
                Body::ProcessEnded(ProcessEnded { worker_id, death: Some(Death::default()) })
            }
            3 if self.random.percent(5) => Body::Leaves(NodeLeaves { message: "it was unplugged".to_owned() }),
            4 => asked(Request::KillActor(KillActor {
                actor_id: id::<{ ActorId::LEN }>(self.random.below(number)),
                no_restart: self.random.percent(50),
                out_of_scope: false,
            })),
            5 => asked(Request::FunctionPut(FunctionPut {
                hash: number.to_be_bytes().to_vec(),
                body: vec![number as u8; 10 + 70_000 * (self.random.below(8) / 7) as usize],
            })),
            6 => asked(create_group(number)),
            7 => asked(Request::RemoveGroup(RemovePlacementGroup {
                group_id: id::<{ PlacementGroupId::LEN }>(self.random.below(number)),
            })),
            8 | 9 => asked(create_actor(number, self.random.below(3) as f64)),
            _ => asked(Request::KeyValue(KeyValueRequest {
                request_id: number,
                operation: "put".to_owned(),
                namespace: "told".to_owned(),
                key: number.to_be_bytes().to_vec(),
                value: number.to_be_bytes().to_vec(),
                overwrite: false,
            })),
        };
        let is_numbered = matches!(body, Body::FromProcess(_) | Body::StartJob(_) | Body::ProcessEnded(_));
        let last = self.numbers.entry(node).or_default();
        *last += u64::from(is_numbered);
        let said = message(if is_numbered { *last } else { 0 }, body);
        if is_numbered {
            self.last.insert(node, said.clone());
        }
        Some((node_id(node), said))
    }

    fn snapshot(&mut self) -> Result<(), String> {
        self.journal()?.snapshot().map_err(|error| error.to_string())
    }

    /// The head ends without a word, and the next one begins.
    fn crash(&mut self) -> Result<(), String> {
        self.crashes += 1;
        let is_written = self.random.percent(50);
        let journal = self.journal()?;
        if is_written {
            journal.write().map_err(|error| error.to_string())?;
        }
        let before = journal.machine().snapshot()?;
        let (before, index) = (before.bytes, journal.last_index());
        self.journal = None;
        let limits = Limits { events: u64::MAX, size_bytes: u64::MAX };
        let opened = Journal::open(Head::new(), Box::new(self.disk.clone()), limits);
        let journal = opened.map_err(|error| format!("JOURNAL-2: {error}"))?.0;
        let after = journal.machine().snapshot()?;
        if is_written && (after.bytes != before || journal.last_index() != index) {
            return Err(format!("JOURNAL-2: event {} of {index} is the last after replay", journal.last_index()));
        }
        drop(journal);
        self.begin()
    }

    /// What anybody was told is so.
    fn check_told(&mut self) -> Result<(), String> {
        let (keys, actors) = (self.told_keys.clone(), self.told_actors.clone());
        let (now_us, journal) = (self.now_us, self.journal()?);
        for (key, value) in keys {
            let call = KeyValueRequest {
                request_id: key,
                operation: "get".to_owned(),
                namespace: "told".to_owned(),
                key: key.to_be_bytes().to_vec(),
                ..KeyValueRequest::default()
            };
            let request = Some(Request::KeyValue(call));
            let asked =
                FromProcess { worker_id: WorkerId::nil().as_bytes().to_vec(), request, ..FromProcess::default() };
            let mut out = Vec::new();
            journal.answer(now_us, node_id(0), message(0, Body::FromProcess(asked)), &mut out);
            let is_there = out.iter().any(|(_, said)| match &said.body {
                Some(ToNode::ToProcess(said)) => {
                    matches!(&said.reply, Some(Reply::KeyValue(reply)) if last_number(&reply.value) == value)
                }
                _ => false,
            });
            // A head that counts no node as alive is not asked.
            if !is_there && journal.machine().members().contains(&node_id(0)) {
                return Err(format!("JOURNAL-1: key {key}, whose put was answered, is gone"));
            }
        }
        let known: BTreeSet<u64> = journal.machine().actors().map(|actor| last_number(actor.as_bytes())).collect();
        match actors.iter().find(|actor| !known.contains(*actor)) {
            Some(actor) => Err(format!("JOURNAL-1: actor {actor}, whose creation was answered, is gone")),
            None => Ok(()),
        }
    }
}

fn message(number: u64, body: Body) -> NodeToHead {
    NodeToHead { number, done: 0, body: Some(body) }
}

fn create_actor(number: u64, cpus: f64) -> Request {
    Request::CreateActor(CreateActor {
        request_id: number,
        actor_id: id::<{ ActorId::LEN }>(number),
        class_name: "Counter".to_owned(),
        name: format!("actor-{number}"),
        placement_resources: [("CPU".to_owned(), cpus)].into(),
        max_restarts: (number % 3) as i64 - 1,
        detached: number.is_multiple_of(2),
        ..CreateActor::default()
    })
}

fn create_group(number: u64) -> Request {
    let strategy = ["PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"][number as usize % 4].to_owned();
    Request::CreateGroup(CreatePlacementGroup {
        request_id: number,
        group_id: id::<{ PlacementGroupId::LEN }>(number),
        name: format!("group-{number}"),
        strategy,
        bundles: vec![Bundle { resources: [("CPU".to_owned(), 1.0)].into() }; 1 + number as usize % 3],
        ..CreatePlacementGroup::default()
    })
}
