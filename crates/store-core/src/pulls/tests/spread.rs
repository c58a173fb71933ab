//! One object to many receivers: everybody gets it, soon, and the origin does not send it to each of them.

use super::spread_model::{STEP_MS, World};
use crate::pulls::chunks::{CHUNK_BYTES, SPAN_BYTES};
use proptest::prelude::*;

/// Steps until everybody has it.
fn spread(world: &mut World, limit: u64) -> u64 {
    for step in 1..=limit {
        world.step();
        if world.is_done() {
            return step;
        }
    }
    let waiting: Vec<u32> =
        world.nodes.iter().filter(|(_, node)| node.result.is_none()).map(|(number, _)| *number).collect();
    panic!("{waiting:?} do not have it after {limit} steps");
}

fn assert_everybody_has_it(world: &World) {
    for (number, node) in world.nodes.iter().filter(|(_, node)| !node.is_frozen) {
        assert_eq!(node.result, Some(Ok(())), "node {number}");
    }
}

#[test]
fn eight_take_little_longer_than_one() {
    for seed in 0..50 {
        let mut world = World::new(8, 128, seed);
        let steps = spread(&mut world, 1_000);
        assert_everybody_has_it(&world);
        assert!(steps <= 128 * 3 / 2, "{steps} steps with seed {seed}");
        assert_eq!(world.sent, 128, "the origin sends it once");
    }
}

#[test]
fn many_more_than_there_are_parts_form_a_tree_of_chains() {
    for seed in 0..10 {
        let mut world = World::new(100, 64, seed);
        let steps = spread(&mut world, 10_000);
        assert_everybody_has_it(&world);
        assert!(world.sent <= 2 * 64, "the origin sent {} chunks", world.sent);
        assert!(steps <= 64 * 8, "{steps} steps with seed {seed}");
    }
}

#[test]
fn a_receiver_that_comes_late_or_again_is_served() {
    let mut world = World::new(9, 128, 7);
    for (late, number) in [(3_000, 5), (9_000, 7), (500_000, 10)] {
        world.nodes.entry(number).and_modify(|node| node.starts_ms = late);
    }
    spread(&mut world, 10_000);
    assert_everybody_has_it(&world);
    assert!(world.sent <= 3 * 128, "the origin sent {} chunks", world.sent);
}

#[test]
fn pull_7_one_that_stands_still_holds_up_only_itself() {
    for frozen in 2..=9 {
        let mut world = World::new(8, 128, u64::from(frozen));
        for _ in 0..40 {
            world.step();
        }
        world.nodes.entry(frozen).and_modify(|node| node.is_frozen = true);
        // Whoever fetches from it finds its stream broken after 10 s.
        let steps = {
            for _ in 0..100 {
                world.step();
            }
            let behind = world.fetching_from(frozen);
            behind.iter().for_each(|number| world.break_stream(*number));
            spread(&mut world, 2_000)
        };
        assert_everybody_has_it(&world);
        assert!(steps <= 400, "{steps} steps with {frozen} frozen");
        assert!(world.sent <= 3 * 128, "the origin sent {} chunks", world.sent);
    }
}

#[test]
fn a_broken_stream_costs_a_part_and_not_the_whole() {
    let mut world = World::new(8, 128, 3);
    let mut breaks = 0;
    for step in 1..1_000 {
        world.step();
        if step % 60 == 0 && !world.is_done() {
            let running = world.running();
            world.break_stream(running[step % running.len()]);
            breaks += 1;
        }
    }
    assert!(world.is_done() && breaks > 1);
    assert_everybody_has_it(&world);
    let received: u64 = world.nodes.values().map(|node| node.received).sum();
    // Four spans are under way on a stream that breaks, and those behind it fetch these again.
    let most = 8 * 128 + breaks * 4 * (SPAN_BYTES / CHUNK_BYTES) * 8;
    assert!(received <= most, "{received} chunks came, {breaks} breaks");
    assert!(world.sent <= 2 * 128 + breaks * 4 * (SPAN_BYTES / CHUNK_BYTES), "the origin sent {} chunks", world.sent);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Everybody who lives and still wants it gets it, however many streams break, nodes die and processes lose interest.
    #[test]
    fn everybody_gets_it_whatever_fails(
        seed in any::<u64>(),
        receivers in 1u32..20,
        chunks in 1u64..100,
        late in prop::collection::vec(0u64..30_000, 20),
        faults in prop::collection::vec((0u8..8, 0usize..20, 1usize..60), 0..25),
    ) {
        let mut world = World::new(receivers, chunks, seed);
        let numbers: Vec<u32> = world.nodes.keys().copied().collect();
        for (number, late) in numbers.iter().zip(late) {
            world.nodes.entry(*number).and_modify(|node| node.starts_ms = if late < 15_000 { 0 } else { late });
        }
        for (what, whom, steps) in faults {
            for _ in 0..steps {
                world.step();
            }
            let number = numbers[whom % numbers.len()];
            match what {
                0..=4 => world.break_stream(number),
                5 if world.nodes.len() > 1 => world.die(number),
                6 => world.let_go(number),
                _ => {}
            }
        }
        spread(&mut world, 60_000 / STEP_MS + 20 * 100 + 2_000);
        assert_everybody_has_it(&world);
    }
}
