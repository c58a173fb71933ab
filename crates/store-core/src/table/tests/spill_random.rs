//! Whatever processes do, and in whatever order messages and files come, nobody's bytes change under his eyes and no object is nowhere.

use super::env::MIB;
use super::spill_world::World;
use super::spilling::limits;
use crate::SpillLimits;
use proptest::prelude::*;

fn step(world: &mut World, what: u8, index: &prop::sample::Index, other: u8, len: u64) {
    let alive: Vec<u8> = world.processes.keys().copied().collect();
    let who = alive[index.index(alive.len())];
    let second = alive[usize::from(other) % alive.len()];
    match what {
        0..=9 => world.put(who, second, len),
        10..=13 if !world.objects.is_empty() => world.free(index.index(world.objects.len())),
        14..=19 if !world.objects.is_empty() => world.look(second, index.index(world.objects.len())),
        20..=22 => {
            let pinned = world.processes[&who].pins.keys().next().copied();
            pinned.into_iter().for_each(|id| world.look_away(who, id));
        }
        23..=30 => world.deliver(who, true),
        31..=38 => world.deliver(who, false),
        39..=42 => world.end_write(true),
        43 => world.end_write(other != 0),
        44..=45 => world.give_back(who),
        46..=47 => world.tick(),
        48 if alive.len() > 1 && other == 0 => world.die(who),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn store_2_4_hold_while_objects_go_into_files_and_come_back(
        steps in prop::collection::vec((0u8..50, any::<prop::sample::Index>(), 0u8..6, 1u64..(3 * MIB)), 50..400),
        quota_mib in 8u64..64,
        threshold_mib in 1u64..40,
    ) {
        let limits = SpillLimits { threshold_bytes: threshold_mib * MIB, ..limits(quota_mib * MIB) };
        let mut world = World::new(24 * MIB, limits, 4);
        for (what, index, other, len) in steps {
            world.now_ms += 7;
            step(&mut world, what, &index, other, len);
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
        prop_assert!(!world.table.has_waiting());
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
        prop_assert_eq!((stats.segments, stats.used_bytes, stats.objects, stats.spilled_objects), (0, 0, 0, 0));
        prop_assert_eq!((stats.spill_files, stats.spill_file_bytes), (0, 0));
    }
}
