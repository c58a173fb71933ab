//! Machines whose memory is lost, and copies of what lay there.

use crate::encoded::freed_error;
use crate::machines::{machine_of, number_of};
use crate::message::{ToDaemon, ToPeer, ToProcess};
use crate::world::{Stored, World};
use trygon_ids::{ObjectId, SegmentId};
use trygon_worker_core::{Location, PeerIndex, Reference, SystemError};

impl World {
    /// At some steps a machine's memory is lost. One is always left.
    pub(crate) fn maybe_lose_node(&mut self) {
        if self.workload.nodes == 0
            || self.workload.machines > 0
            || self.random.below(10_000) >= self.workload.loss_per_10000
        {
            return;
        }
        let living = self.living_nodes();
        if living.len() < 2 {
            return;
        }
        let node = living[self.random.below(living.len() as u64) as usize];
        self.lose_node(node);
    }

    /// A machine's memory is lost, and everybody hears of it.
    pub(crate) fn lose_node(&mut self, node: u64) {
        self.counts.losses += 1;
        self.lost_nodes.insert(node);
        self.store.retain(|place, _| SegmentId(*place).node_number() != node);
        for number in self.processes.numbers() {
            if self.processes[number].is_alive {
                self.send_process(number, ToProcess::NodeLost { node });
            }
        }
    }

    /// Machines on which something new may lie.
    pub(crate) fn living_nodes(&self) -> Vec<u64> {
        let is_over = |node: &u64| self.lost_nodes.contains(node) || self.leaving.contains_key(node);
        (1..=self.workload.nodes).filter(|node| !is_over(node)).collect()
    }

    /// Whether what lay there was lost with its machine.
    pub(crate) fn is_lost(&self, location: Location) -> bool {
        self.lost_nodes.contains(&location.segment.node_number())
    }

    /// Whether something that was there before may be gone.
    pub(crate) fn may_be_gone(&self) -> bool {
        self.counts.deaths + self.counts.losses > 0
    }

    /// A new place in the store, on some machine.
    pub(crate) fn new_place(&mut self, value: u64, owner: usize, maker: usize) -> Location {
        self.next_place += 1;
        let living = self.living_nodes();
        let (node, size_bytes) = match living.len() as u64 {
            _ if self.workload.machines > 0 => (machine_of(maker) as u64 + 1, 1 << 10),
            0 => (0, 1 << 20),
            count => (living[self.random.below(count) as usize], 1 << 10),
        };
        let segment = SegmentId::of_node(node, self.next_place);
        self.store.insert(segment.0, Stored { number: value, owner });
        Location { segment, offset_bytes: 0, size_bytes }
    }

    /// A stored object was read: with several machines, its reader has a copy from then on.
    pub(crate) fn note_read(&mut self, number: usize, reference: &Reference, value: u64) {
        if self.workload.nodes + self.workload.machines > 0 && number_of(reference.owner) != number {
            self.processes[number].core.note_copy(&reference.object);
            self.processes[number].copies.insert(reference.object, value);
        }
    }

    /// Nothing refers to the object here any more.
    pub(crate) fn forget_copy(&mut self, number: usize, object: &ObjectId) {
        let process = &mut self.processes[number];
        process.copies.remove(object);
        if let Some(place) = process.rescued.remove(object) {
            self.send_daemon(number, ToDaemon::Free { place });
        }
    }

    /// The owner of a lost object asks for the copy that this process may have. It lies in a place of its own.
    pub(crate) fn on_copy_query(&mut self, number: usize, peer: PeerIndex, object: ObjectId) {
        let copy = self.processes[number].copies.get(&object).copied();
        let node = match self.workload.machines {
            0 => self.living_nodes()[0],
            _ => machine_of(number) as u64 + 1,
        };
        let place = copy.map(|value| Location {
            segment: SegmentId::of_node(node, 0),
            offset_bytes: value,
            size_bytes: 1 << 10,
        });
        self.processes[number].links.out[peer.0 as usize].push(ToPeer::CopyAnswer { object, place });
    }

    /// The owner fetches a copy, if that is still there.
    pub(crate) fn fetch_copy(&mut self, number: usize, object: &ObjectId, location: Location) {
        let works = !self.is_lost(location) && self.is_reached(location);
        let value = self.value_there(location).filter(|_| works);
        let place = value.map(|value| self.new_place(value, number, number));
        if let Some(place) = place {
            self.counts.rescued += 1;
            self.processes[number].rescued.insert(*object, place.segment.0);
        }
        self.answer_own_search(number, object, place);
    }

    /// What is copied: a copy that somebody has says so itself; of an object that moves it is what lies there.
    fn value_there(&self, location: Location) -> Option<u64> {
        match self.store.get(&location.segment.0) {
            Some(stored) => Some(stored.number),
            None => (location.segment == SegmentId::of_node(location.segment.node_number(), 0))
                .then_some(location.offset_bytes),
        }
    }

    pub(crate) fn answer_own_search(&mut self, number: usize, object: &ObjectId, place: Option<Location>) {
        let process = &mut self.processes[number];
        process.core.on_copy_answer(object, process.id, place, &mut process.links);
    }

    /// The error of a stored value that is not there: its owner is dead, or whoever lent it.
    pub(crate) fn gone_error(&self, reference: &Reference) -> Box<[u8]> {
        // In a cluster a task outlives its caller until its node hears of that; what only the caller held is freed meanwhile.
        match self.workload.machines > 0 && self.processes[number_of(reference.owner)].is_alive {
            true => freed_error(),
            false => SystemError::new("owner_died").with("owner", reference.owner.hex()).encode(),
        }
    }

    pub(crate) fn read_stored(&mut self, location: Location, reference: &Reference) -> Option<u64> {
        let found = self.store.get(&location.segment.0).map(|stored| stored.number);
        if found.is_none()
            && self.counts.deaths == 0
            && !self.is_lost(location)
            && self.processes[number_of(reference.owner)].is_alive
        {
            self.fail(format!("STORE-2: {} is read where nothing lies any more", reference.object));
        }
        found
    }
}
