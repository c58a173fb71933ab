//! The table with its effects, and a model of who waits, who holds and what may still be written to.

use crate::storage::planted::Counts;
use std::collections::{BTreeMap, BTreeSet};
use trygon_ids::{ObjectId, SegmentId, WorkerId};
use trygon_store_core::{
    FetchEnd, FetchOutcome, ObjectLocation, Priority, PullDefects, PullEffect, PullLimits, PullRequest, PullTable,
    Source,
};

pub(super) const PROCESSES: u64 = 4;
pub(super) const OBJECTS: u64 = 6;
pub(super) const RETRY_MS: u64 = 1_000;
pub(super) const GIVE_UP_MS: u64 = 60_000;

/// Nothing, or what is broken.
pub(super) type Held = Result<(), String>;

fn worker(number: u8) -> WorkerId {
    WorkerId::new([number; 28])
}

fn object(number: u8) -> ObjectId {
    ObjectId::new([number; 28])
}

fn location(node: u32, id: u8) -> ObjectLocation {
    let segment = SegmentId(u64::from(node) << 40 | 1);
    ObjectLocation { segment, offset_bytes: 64, size_bytes: 10 + u64::from(id) * 25 }
}

pub(super) struct World {
    table: PullTable,
    pub(super) now_ms: u64,
    /// Fetches that were begun and did not end.
    pub(super) running: BTreeMap<u64, u8>,
    /// Objects that have room.
    rooms: BTreeSet<u8>,
    /// Objects whose copy is complete.
    sealed: BTreeSet<u8>,
    pub(super) waits: BTreeMap<(u8, u8), Priority>,
    holds: BTreeSet<(u8, u8)>,
    pub(super) wanted_room: BTreeSet<u8>,
    /// Transfers to other nodes that run, by object: the number of the copy, and whether it is here.
    pub(super) sends: BTreeMap<u8, Vec<(u64, bool)>>,
    pub(super) counts: Counts,
}

impl World {
    pub(super) fn new(defects: PullDefects, budget_bytes: u64) -> Self {
        let mut table = PullTable::new(PullLimits { budget_bytes, retry_ms: RETRY_MS, give_up_ms: GIVE_UP_MS });
        table.set_defects(defects);
        Self {
            table,
            now_ms: 0,
            running: BTreeMap::new(),
            rooms: BTreeSet::new(),
            sealed: BTreeSet::new(),
            waits: BTreeMap::new(),
            holds: BTreeSet::new(),
            wanted_room: BTreeSet::new(),
            sends: BTreeMap::new(),
            counts: Counts::default(),
        }
    }

    pub(super) fn source(&self, node: u32, id: u8) -> Source {
        Source { node, location: location(node, id), is_direct: false, failed_node: None }
    }

    fn after(&mut self, effects: Vec<PullEffect>) -> Held {
        self.counts.events += 1;
        let mut least_urgent = None;
        for effect in effects {
            if let PullEffect::Reserve { object, .. } = &effect {
                let id = object.as_bytes()[0];
                let urgency = self.waits.iter().filter(|((_, waited), _)| *waited == id).map(|(_, why)| *why).min();
                least_urgent = least_urgent.max(urgency);
            }
            self.carry_out(effect)?;
        }
        self.check_order(least_urgent)?;
        self.table.sanity_check()
    }

    /// PULL-2: what was let in is at least as urgent as what waits.
    fn check_order(&self, let_in: Option<Priority>) -> Held {
        let Some(let_in) = let_in else { return Ok(()) };
        match self.table.queued().find(|(_, priority)| *priority < let_in) {
            Some((object, priority)) => {
                Err(format!("PULL-2: {object:?} waits for a {priority:?} while one for a {let_in:?} begins"))
            }
            None => Ok(()),
        }
    }

    fn is_written(&self, id: u8) -> bool {
        self.running.values().any(|other| *other == id)
    }

    fn carry_out(&mut self, effect: PullEffect) -> Held {
        let broken = |words: String| Err(words);
        match effect {
            PullEffect::Reserve { object, .. } => {
                let id = object.as_bytes()[0];
                if !self.wanted_room.insert(id) || self.rooms.contains(&id) {
                    return broken(format!("PULL-1: room for {id} is wanted twice"));
                }
            }
            PullEffect::Fetch { object, attempt, .. } => {
                let id = object.as_bytes()[0];
                if !self.rooms.contains(&id) {
                    return broken(format!("PULL-4: {id} is fetched into no room"));
                }
                if self.is_written(id) || self.sealed.contains(&id) {
                    return broken(format!("PULL-1: {id} is fetched twice"));
                }
                self.counts.fetches += 1;
                self.running.insert(attempt, id);
            }
            PullEffect::Stop { object, attempt } => {
                if self.running.get(&attempt) != Some(&object.as_bytes()[0]) {
                    return broken(format!("PULL-4: fetch {attempt} is to stop and does not run"));
                }
            }
            PullEffect::Seal { object } => {
                let id = object.as_bytes()[0];
                if !self.rooms.contains(&id) || !self.sealed.insert(id) {
                    return broken(format!("PULL-1: {id} is sealed twice, or where no room is"));
                }
                self.counts.copies += 1;
            }
            PullEffect::Free { object } => return self.give_back(object.as_bytes()[0]),
            PullEffect::Answer { to, object, result } => {
                let pair = (to.as_bytes()[0], object.as_bytes()[0]);
                if self.waits.remove(&pair).is_none() {
                    return broken(format!("PULL-3: {pair:?} was answered before, or never asked"));
                }
                if result.is_ok() {
                    if !self.sealed.contains(&pair.1) {
                        return broken(format!("PULL-3: {pair:?} is told of a copy that is not here"));
                    }
                    self.holds.insert(pair);
                }
            }
        }
        Ok(())
    }

    fn give_back(&mut self, id: u8) -> Held {
        if self.is_written(id) {
            return Err(format!("PULL-4: room of {id} is given back while it is written to"));
        }
        if !self.rooms.remove(&id) {
            return Err(format!("PULL-4: room of {id} is given back twice"));
        }
        if let Some((who, _)) = self.holds.iter().find(|(_, held)| *held == id) {
            return Err(format!("PULL-5: the copy of {id} goes, and {who} holds it"));
        }
        let is_sent = self.sends.get(&id).is_some_and(|sends| sends.iter().any(|(_, is_here)| *is_here));
        if self.sealed.remove(&id) && is_sent {
            return Err(format!("PULL-5: the copy of {id} goes while another node is sent it"));
        }
        // Whoever is sent what was given up finds that it is (PULL-6).
        self.sends.entry(id).and_modify(|sends| sends.iter_mut().for_each(|send| send.1 = false));
        Ok(())
    }

    pub(super) fn ask(&mut self, who: u8, id: u8, node: u32, priority: Priority) -> Held {
        if self.holds.contains(&(who, id)) {
            return Ok(());
        }
        self.counts.objects += 1;
        let before = self.waits.get(&(who, id)).copied();
        self.waits.insert((who, id), before.map_or(priority, |before| before.min(priority)));
        let mut effects = Vec::new();
        let request =
            PullRequest { from: worker(who), object: object(id), node, location: location(node, id), priority };
        self.table.on_pull(&request, &mut effects);
        self.after(effects)
    }

    fn leave(&mut self, who: u8, id: u8) {
        self.waits.remove(&(who, id));
        self.holds.remove(&(who, id));
    }

    pub(super) fn let_go(&mut self, who: u8, id: u8) -> Held {
        self.leave(who, id);
        let mut effects = Vec::new();
        self.table.on_release(worker(who), &object(id), &mut effects);
        self.after(effects)
    }

    pub(super) fn die(&mut self, who: u8) -> Held {
        (0..OBJECTS as u8).for_each(|id| self.leave(who, id));
        let mut effects = Vec::new();
        self.table.on_process_died(worker(who), &mut effects);
        self.after(effects)
    }

    pub(super) fn node_dies(&mut self, node: u32) -> Held {
        let mut effects = Vec::new();
        self.table.on_node_died(node, &mut effects);
        self.after(effects)
    }

    pub(super) fn space(&mut self, id: u8, is_found: bool) -> Held {
        self.wanted_room.remove(&id);
        if is_found {
            self.rooms.insert(id);
        }
        let mut effects = Vec::new();
        self.table.on_space(&object(id), is_found, &mut effects);
        self.after(effects)
    }

    pub(super) fn fetched(&mut self, attempt: u64, outcome: FetchOutcome, has_moved: bool) -> Held {
        let Some(id) = self.running.remove(&attempt) else { return Ok(()) };
        let mut effects = Vec::new();
        let end = FetchEnd { attempt, outcome, has_moved };
        self.table.on_fetched(&object(id), end, self.now_ms, &mut effects);
        self.after(effects)
    }

    /// Another node asks for what has room here.
    pub(super) fn send(&mut self, id: u8) {
        if !self.rooms.contains(&id) {
            return;
        }
        if let Some(number) = self.table.on_send_began(&object(id)) {
            self.sends.entry(id).or_default().push((number, true));
        }
    }

    pub(super) fn end_send(&mut self, id: u8) -> Held {
        let Some(sends) = self.sends.get_mut(&id).filter(|sends| !sends.is_empty()) else { return Ok(()) };
        let (number, _) = sends.remove(0);
        if sends.is_empty() {
            self.sends.remove(&id);
        }
        let mut effects = Vec::new();
        self.table.on_send_ended(&object(id), number, &mut effects);
        self.after(effects)
    }

    pub(super) fn tick(&mut self) -> Held {
        let mut effects = Vec::new();
        self.table.on_tick(self.now_ms, &mut effects);
        self.after(effects)?;
        match self.table.next_deadline_ms().filter(|at_ms| *at_ms <= self.now_ms) {
            Some(at_ms) => Err(format!("PULL-3: at {} the next tick is due at {at_ms}", self.now_ms)),
            None => Ok(()),
        }
    }

    pub(super) fn check_empty(&self) -> Held {
        let stats = self.table.stats();
        if stats.waiting + stats.running + stats.running_bytes + stats.copies > 0 || !self.rooms.is_empty() {
            return Err(format!("PULL-5: nobody needs anything, and there is {stats:?}, room for {:?}", self.rooms));
        }
        Ok(())
    }
}
