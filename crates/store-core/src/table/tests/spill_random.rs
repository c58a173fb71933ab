//! Whatever processes do, and in whatever order messages and files come, nobody's bytes change under his eyes and no object is nowhere. And
//! that a rule that is taken away is noticed.

use super::env::MIB;
use super::spill_world::World;
use super::spilling::limits;
use crate::SpillLimits;
use crate::StoreDefects as SpillDefects;
use std::panic::{AssertUnwindSafe, catch_unwind};

const SEEDS: u64 = 400;
const STEPS: u64 = 300;
/// So many seeds are tried for each defect.
const DEFECT_SEEDS: u64 = 200;

/// A sequence that a seed fixes.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    fn one_of<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

fn step(world: &mut World, chance: &mut Chance) {
    let alive: Vec<u8> = world.processes.keys().copied().collect();
    let (who, second) = (chance.one_of(&alive), chance.one_of(&alive));
    let known = world.objects.len() as u64;
    match chance.below(50) {
        0..=9 => world.put(who, second, 1 + chance.below(3 * MIB)),
        10..=13 if known > 0 => world.free(chance.below(known) as usize),
        14..=19 if known > 0 => world.look(second, chance.below(known) as usize),
        20..=22 => {
            let pinned = world.processes[&who].pins.keys().next().copied();
            pinned.into_iter().for_each(|id| world.look_away(who, id));
        }
        23..=30 => world.deliver(who, true),
        31..=38 => world.deliver(who, false),
        39..=42 => world.end_write(true),
        43 => world.end_write(chance.below(3) > 0),
        44..=45 => world.give_back(who),
        46..=47 => world.tick(),
        48 if alive.len() > 1 && chance.below(6) == 0 => world.die(who),
        _ => {}
    }
}

fn run(seed: u64, defects: SpillDefects) {
    let mut chance = Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let (quota, threshold) = (8 + chance.below(56), 1 + chance.below(40));
    let limits = SpillLimits { threshold_bytes: threshold * MIB, ..limits(quota * MIB) };
    let mut world = World::new(24 * MIB, limits, 4);
    world.table.set_defects(defects);
    for _ in 0..STEPS {
        world.now_ms += 7;
        step(&mut world, &mut chance);
    }
    // Nobody looks any more: whoever waits is served or refused, and every object is somewhere.
    for who in world.processes.keys().copied().collect::<Vec<u8>>() {
        for id in world.processes[&who].pins.keys().copied().collect::<Vec<u8>>() {
            world.look_away(who, id);
        }
    }
    for _ in 0..5 {
        world.settle();
    }
    assert!(!world.table.has_waiting(), "STORE-4: somebody waits for ever");
    assert_eq!(world.wasted(), None);
    for index in 0..world.objects.len() {
        let who = *world.processes.keys().next().expect("one is left");
        world.look(who, index);
        world.settle();
        let id = world.objects[index].id;
        world.look_away(who, id);
    }
    for who in world.processes.keys().copied().collect::<Vec<u8>>() {
        world.die(who);
    }
    world.settle();
    let stats = world.table.stats();
    assert_eq!((stats.segments, stats.used_bytes, stats.objects, stats.spilled_objects), (0, 0, 0, 0));
    assert_eq!((stats.spill_files, stats.spill_file_bytes), (0, 0));
}

#[test]
fn store_2_4_hold_while_objects_go_into_files_and_come_back() {
    for seed in 1..=SEEDS {
        if let Err(cause) = catch_unwind(|| run(seed, SpillDefects::default())) {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(cause);
        }
    }
}

#[test]
fn every_planted_defect_is_found() {
    type Plant = fn(&mut SpillDefects);
    let plants: [(&str, Plant); 8] = [
        ("part_ended_early", |defects| defects.part_ended_early = true),
        ("lookers_ignored", |defects| defects.lookers_ignored = true),
        ("word_not_awaited", |defects| defects.word_not_awaited = true),
        ("write_not_awaited", |defects| defects.write_not_awaited = true),
        ("part_kept", |defects| defects.part_kept = true),
        ("quota_ignored", |defects| defects.quota_ignored = true),
        ("waste_kept", |defects| defects.waste_kept = true),
        ("orphans_kept", |defects| defects.orphans_kept = true),
    ];
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let found = plants.map(|(name, plant)| {
        let mut defects = SpillDefects::default();
        plant(&mut defects);
        let fails = |seed: &u64| catch_unwind(AssertUnwindSafe(|| run(*seed, defects))).is_err();
        (name, (1..=DEFECT_SEEDS).find(fails))
    });
    std::panic::set_hook(hook);
    println!("seeds until it was found: {found:?}");
    assert!(found.iter().all(|(_, seed)| seed.is_some()), "{found:?}");
}
