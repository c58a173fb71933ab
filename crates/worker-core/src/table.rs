//! The owner's table: slots found by index and generation, never by hashing.

use crate::entry::{Entry, Phase};
/// Slots in use and free ones. A slot whose generations are used up retires.
#[derive(Debug, Default)]
pub(crate) struct Table {
    entries: Vec<Entry>,
    free: Vec<u32>,
    pub(crate) live: usize,
}

impl Table {
    /// A free slot, its entry reset but for the generation.
    pub(crate) fn allocate(&mut self) -> u32 {
        self.live += 1;
        if let Some(slot) = self.free.pop() {
            return slot;
        }
        self.entries.push(Entry::free(0));
        (self.entries.len() - 1) as u32
    }

    /// Puts a slot back. Its next use has another generation, so that what still names this use finds nothing.
    pub(crate) fn release(&mut self, slot: u32) {
        self.live -= 1;
        let entry = &mut self.entries[slot as usize];
        let generation = entry.generation;
        *entry = Entry::free(generation.wrapping_add(1));
        if generation != u32::MAX {
            self.free.push(slot);
        }
    }

    /// The entry, if the slot is used for this generation now.
    pub(crate) fn get(&self, slot: u32, generation: u32) -> Option<&Entry> {
        self.entries.get(slot as usize).filter(|entry| entry.generation == generation && entry.phase != Phase::Free)
    }

    pub(crate) fn get_mut(&mut self, slot: u32, generation: u32) -> Option<&mut Entry> {
        self.entries.get_mut(slot as usize).filter(|entry| entry.generation == generation && entry.phase != Phase::Free)
    }

    /// The entry in a slot that is known to be in use.
    pub(crate) fn at(&self, slot: u32) -> &Entry {
        &self.entries[slot as usize]
    }

    pub(crate) fn at_mut(&mut self, slot: u32) -> &mut Entry {
        &mut self.entries[slot as usize]
    }

    /// For which use a slot is kept, or will be; `None` for one that was never used.
    pub(crate) fn generation(&self, slot: u32) -> Option<u32> {
        self.entries.get(slot as usize).map(|entry| entry.generation)
    }

    /// Slots in use, in order.
    pub(crate) fn used(&self) -> impl Iterator<Item = (u32, &Entry)> {
        self.entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.phase != Phase::Free)
            .map(|(slot, entry)| (slot as u32, entry))
    }

    pub(crate) fn capacity(&self) -> usize {
        self.entries.len()
    }
}
