//! Random lives of a node's store: processes that write, own, look at and free objects and die, memory that is short, and files that take
//! what does not fit, against a model that knows every byte.
//!
//! `store`: no files; memory that the system refuses, programs that seal where they must not. `spill`: files, with a quota, that fail and turn
//! out to be damaged. In both messages wait in both directions, and every byte that somebody needs or looks at is checked after each step.

mod acts;
mod checks;
mod process;
mod talk;
mod world;

use crate::storage::memory::process::Process;
use crate::storage::memory::world::{Held, MIB, World};
use crate::storage::planted::{Counts, Planted};
use trygon_store_core::SpillLimits;

const STEPS: u64 = 300;
/// Files need longer to fill, to be written anew and to be in the way.
const STEPS_WITH_FILES: u64 = 1_000;

/// One run in which memory is all there is.
pub(crate) fn run_store(seed: u64, planted: Planted) -> Result<Counts, String> {
    let mut world = World::new(seed, planted, 40 * MIB, SpillLimits::off(), 5);
    for _ in 0..STEPS {
        world.pass(500)?;
        world.live()?;
    }
    world.end()
}

/// One run in which objects go into files.
pub(crate) fn run_spill(seed: u64, planted: Planted) -> Result<Counts, String> {
    let mut chance = crate::random::Random::new(seed);
    let limits = SpillLimits {
        is_on: true,
        threshold_bytes: (1 + chance.below(40)) * MIB,
        batch_bytes: 4 * MIB,
        batch_objects: 100,
        quota_bytes: (8 + chance.below(56)) * MIB,
        most_writes: 2,
    };
    let mut world = World::new(seed, planted, 24 * MIB, limits, 4);
    for _ in 0..STEPS_WITH_FILES {
        world.pass(14)?;
        world.live_with_files()?;
    }
    world.end()
}

impl World {
    /// Time passes; now and then much of it.
    fn pass(&mut self, most_ms: u64) -> Held {
        let unit_ms = if self.random.percent(2) { most_ms * 20 } else { most_ms };
        self.now_ms += self.random.below(unit_ms);
        if self.table.next_deadline_ms().is_some_and(|at_ms| at_ms <= self.now_ms) { self.tick() } else { Ok(()) }
    }

    fn one_alive(&mut self) -> u8 {
        let place = self.random.below(self.processes.len() as u64) as usize;
        self.processes.keys().nth(place).copied().unwrap_or_default()
    }

    /// Mostly megabytes; some of a few bytes, which share their pages with others.
    fn size_bytes(&mut self) -> u64 {
        1 + if self.random.percent(80) { self.random.below(3 * MIB) } else { self.random.below(9_000) }
    }

    fn one_object(&mut self) -> Option<usize> {
        let count = self.objects.len() as u64;
        (count > 0).then(|| self.random.below(count) as usize)
    }

    fn live(&mut self) -> Held {
        let (who, second, size_bytes, one) = (self.one_alive(), self.one_alive(), self.size_bytes(), self.one_object());
        match (self.random.below(60), one) {
            (0..=14, _) => self.put(who, second, size_bytes),
            (15..=21, Some(index)) => {
                self.free(index);
                Ok(())
            }
            (22..=25, Some(index)) => self.look(second, index),
            (26..=28, _) => self.look_away_once(who),
            (29..=38, _) => self.deliver(who, true),
            (39..=46, _) => self.deliver(who, false),
            (47..=50, _) => self.create(true),
            (51, _) => {
                let is_made = self.random.percent(80);
                self.create(is_made)
            }
            (52..=54, _) => self.give_back(who),
            (55, Some(index)) => self.trespass(who, index),
            (56, _) if self.processes.len() > 1 && self.random.percent(40) => self.die(who),
            _ => self.tick(),
        }
    }

    fn live_with_files(&mut self) -> Held {
        let (who, second, size_bytes, one) = (self.one_alive(), self.one_alive(), self.size_bytes(), self.one_object());
        match (self.random.below(60), one) {
            (0..=9, _) => self.put(who, second, size_bytes),
            (10..=13, Some(index)) => {
                self.free(index);
                Ok(())
            }
            (14..=19, Some(index)) => self.look(second, index),
            (20..=22, _) => self.look_away_once(who),
            (23..=30, _) => self.deliver(who, true),
            (31..=38, _) => self.deliver(who, false),
            (39..=42, _) => self.end_write(true),
            (43, _) => {
                let is_written = self.random.percent(66);
                self.end_write(is_written)
            }
            (44..=45, _) => self.give_back(who),
            (46..=47, _) => self.tick(),
            (48, _) if self.processes.len() > 1 && self.random.percent(17) => self.die(who),
            (49..=53, _) => self.create(true),
            (54, Some(index)) => {
                self.send(index);
                Ok(())
            }
            (55..=56, _) => self.end_send(),
            (57, Some(index)) if self.random.percent(10) => self.damage(index),
            _ => Ok(()),
        }
    }

    fn look_away_once(&mut self, who: u8) -> Held {
        let pinned = self.processes.get(&who).and_then(|process| process.pins.keys().next().copied());
        pinned.map_or(Ok(()), |id| self.look_away(who, id))
    }

    /// Nobody looks any more: whoever waits is served or refused, and every object is somewhere. Then everybody dies, and nothing is left.
    fn end(mut self) -> Result<Counts, String> {
        while !self.sends.is_empty() {
            self.end_send()?;
        }
        for _ in 0..5 {
            self.look_away_all()?;
            self.settle()?;
        }
        self.table.check_at_rest()?;
        for index in 0..self.objects.len() {
            let who = self.one_alive();
            self.look(who, index)?;
            self.settle()?;
            self.look_away(who, self.objects[index].id)?;
        }
        for who in self.processes.keys().copied().collect::<Vec<u8>>() {
            self.die(who)?;
        }
        self.settle()?;
        let stats = self.table.stats();
        self.counts.spilled += stats.spilled_objects_total;
        let left = [stats.segments, stats.used_bytes, stats.objects, stats.waiting_requests, stats.spilled_objects];
        if left != [0; 5] || stats.spill_files + stats.spill_file_bytes > 0 || !self.files.is_empty() {
            return Err(format!("STORE-3: everybody is dead, and there is {stats:?}, {} files", self.files.len()));
        }
        Ok(self.counts)
    }

    fn look_away_all(&mut self) -> Held {
        let all = self.processes.iter().flat_map(|(who, process)| process.pins.keys().map(|id| (*who, *id)));
        for (who, id) in all.collect::<Vec<(u8, u64)>>() {
            self.look_away(who, id)?;
        }
        let nobody = |process: &Process| process.pins.is_empty();
        if self.processes.values().all(nobody) { Ok(()) } else { Err("somebody looks on".to_owned()) }
    }
}
