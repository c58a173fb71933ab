//! Random lives of a store, against a model that knows every byte: who sealed it, who owns it, who may still look at it.

use super::env::{Env, MIB, at};
use crate::{Effect, ObjectLocation, Reserved, WriterPool};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, Copy)]
struct Known {
    id: u8,
    writer: u8,
    owner: u8,
    location: ObjectLocation,
}

struct World {
    env: Env,
    pools: BTreeMap<u8, WriterPool>,
    objects: Vec<Known>,
    /// Bytes that someone other than the writer may be looking at though the owner died: segment, start, end, reader.
    looked_at: Vec<(u64, u64, u64, u8)>,
    mapped: BTreeSet<(u64, u8)>,
    alive: BTreeSet<u8>,
    next_id: u8,
}

impl World {
    fn new() -> Self {
        Self {
            env: Env::new(40 * MIB),
            pools: (0..5).map(|who| (who, WriterPool::new())).collect(),
            objects: Vec::new(),
            looked_at: Vec::new(),
            mapped: BTreeSet::new(),
            alive: (0..5).collect(),
            next_id: 0,
        }
    }

    fn carry_out(&mut self) {
        for effect in self.env.take() {
            match effect {
                Effect::Grant { to, segment, size_bytes, .. } => {
                    let who = to.as_bytes()[0];
                    assert!(self.pools.get_mut(&who).expect("alive").add_segment(segment, size_bytes, self.env.now_ms));
                }
                Effect::Reclaim { to, range } => {
                    let pool = self.pools.get_mut(&to.as_bytes()[0]).expect("alive");
                    assert!(
                        pool.free(range.segment, range.offset_bytes, range.size_bytes, self.env.now_ms),
                        "{range:?}"
                    );
                    self.assert_unread(range.segment.0, range.offset_bytes, range.offset_bytes + range.size_bytes);
                }
                Effect::Trim { segment, ranges } => {
                    for (start, len) in ranges {
                        self.assert_unread(segment.0, start, start + len);
                    }
                }
                Effect::Release { segment, erase } => {
                    if erase {
                        self.assert_unread(segment.0, 0, u64::MAX);
                    }
                    self.mapped.retain(|(mapped, _)| *mapped != segment.0);
                    self.looked_at.retain(|(held, ..)| *held != segment.0);
                }
                _ => {}
            }
        }
    }

    /// STORE-1 and STORE-2: nobody looks at these bytes.
    fn assert_unread(&self, segment: u64, start: u64, end: u64) {
        let overlaps = |from: u64, to: u64| from < end && to > start;
        for known in &self.objects {
            let from = known.location.offset_bytes;
            assert!(
                known.location.segment.0 != segment || !overlaps(from, from + known.location.size_bytes),
                "{known:?}"
            );
        }
        for (held, from, to, reader) in &self.looked_at {
            assert!(*held != segment || !overlaps(*from, *to), "{reader} looks at {from}..{to} of {segment}");
        }
    }

    fn put(&mut self, writer: u8, owner: u8, len: u64) {
        let pool = self.pools.get_mut(&writer).expect("alive");
        match pool.reserve(len) {
            Reserved::NeedSegment { size_bytes } => self.env.request(writer, 0, size_bytes),
            Reserved::Range { segment, offset_bytes } => {
                let location = at(segment.0, offset_bytes, len);
                self.next_id = self.next_id.wrapping_add(1);
                self.objects.push(Known { id: self.next_id, writer, owner, location });
                self.env.seal(writer, self.next_id, location, owner).expect("the pool gives what is free");
            }
        }
    }

    fn free(&mut self, index: usize) {
        let known = self.objects.swap_remove(index);
        let reclaimed = known.owner == known.writer && self.alive.contains(&known.writer);
        if reclaimed {
            let pool = self.pools.get_mut(&known.writer).expect("alive");
            assert!(pool.free(
                known.location.segment,
                known.location.offset_bytes,
                known.location.size_bytes,
                self.env.now_ms
            ));
        }
        self.env.free(known.owner, known.id, known.location, reclaimed);
    }

    fn die(&mut self, who: u8) {
        self.alive.remove(&who);
        self.pools.remove(&who);
        self.mapped.retain(|(_, reader)| *reader != who);
        self.looked_at.retain(|(.., reader)| *reader != who);
        let lost: Vec<Known> = self.objects.extract_if_owner(who);
        for known in lost {
            let ObjectLocation { segment, offset_bytes, size_bytes } = known.location;
            for (mapped, reader) in &self.mapped {
                if *mapped == segment.0 && *reader != known.writer {
                    self.looked_at.push((segment.0, offset_bytes, offset_bytes + size_bytes, *reader));
                }
            }
        }
        self.env.die(who);
    }
}

trait ExtractOwner {
    fn extract_if_owner(&mut self, owner: u8) -> Vec<Known>;
}

impl ExtractOwner for Vec<Known> {
    fn extract_if_owner(&mut self, owner: u8) -> Vec<Known> {
        let (lost, kept) = self.drain(..).partition(|known| known.owner == owner);
        *self = kept;
        lost
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn store_1_2_3_hold_whatever_happens(steps in prop::collection::vec((0u8..20, any::<prop::sample::Index>(), 0u8..5, 1u64..(3 * MIB)), 1..120)) {
        let mut world = World::new();
        for (what, index, other, len) in steps {
            world.env.now_ms += 500;
            let alive: Vec<u8> = world.alive.iter().copied().collect();
            if alive.is_empty() {
                break;
            }
            let who = alive[index.index(alive.len())];
            match what {
                0..=9 => {
                    let owner = alive[usize::from(other) % alive.len()];
                    world.put(who, owner, len);
                }
                10..=14 if !world.objects.is_empty() => {
                    let index = index.index(world.objects.len());
                    world.free(index);
                }
                15..=16 if !world.objects.is_empty() => {
                    let known = world.objects[index.index(world.objects.len())];
                    let reader = alive[usize::from(other) % alive.len()];
                    world.env.map(reader, known.location.segment.0);
                    if reader != known.writer {
                        world.mapped.insert((known.location.segment.0, reader));
                    }
                }
                17 => {
                    for segment in world.pools.get_mut(&who).expect("alive").idle_segments(world.env.now_ms, 1000) {
                        world.env.give_back(who, segment.0);
                    }
                }
                18 => world.die(who),
                _ => world.env.tick(world.env.now_ms),
            }
            world.carry_out();
            for pool in world.pools.values() {
                prop_assert_eq!(pool.sanity_check(), Ok(()));
            }
        }
        for who in world.alive.clone() {
            world.die(who);
            world.carry_out();
        }
        world.env.assert_empty();
    }
}
