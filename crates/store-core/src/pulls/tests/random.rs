//! Random lives of the table against a model: who waits, who holds, what may still be written to.

use super::env::{Env, on, source};
use crate::pulls::state::{FetchOutcome, Priority, PullEffect};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
struct World {
    /// Fetches that were begun and did not end: object and number.
    running: BTreeMap<u64, u8>,
    /// Objects that have room.
    rooms: BTreeSet<u8>,
    /// Objects whose copy is complete.
    sealed: BTreeSet<u8>,
    waits: BTreeSet<(u8, u8)>,
    holds: BTreeSet<(u8, u8)>,
    wanted_room: BTreeSet<u8>,
    sends: BTreeMap<u8, u32>,
}

impl World {
    fn carry_out(&mut self, env: &mut Env) {
        for effect in env.take() {
            match effect {
                PullEffect::Reserve { object, .. } => {
                    assert!(self.wanted_room.insert(object.as_bytes()[0]));
                }
                PullEffect::Fetch { object, attempt, .. } => {
                    let id = object.as_bytes()[0];
                    assert!(self.rooms.contains(&id), "PULL-4: fetched into no room");
                    assert!(!self.running.values().any(|other| *other == id), "PULL-1: two fetches of {id}");
                    assert!(!self.sealed.contains(&id), "PULL-1: fetched again");
                    self.running.insert(attempt, id);
                }
                PullEffect::Stop { object, attempt } => {
                    assert_eq!(self.running.get(&attempt), Some(&object.as_bytes()[0]));
                }
                PullEffect::Seal { object } => {
                    assert!(self.rooms.contains(&object.as_bytes()[0]));
                    assert!(self.sealed.insert(object.as_bytes()[0]));
                }
                PullEffect::Free { object } => {
                    let id = object.as_bytes()[0];
                    assert!(!self.running.values().any(|other| *other == id), "PULL-4: {id} is still written to");
                    assert!(self.rooms.remove(&id), "freed twice");
                    self.sealed.remove(&id);
                    assert!(!self.holds.iter().any(|(_, held)| *held == id), "PULL-5: {id} is held");
                }
                PullEffect::Answer { to, object, result } => {
                    let pair = (to.as_bytes()[0], object.as_bytes()[0]);
                    assert!(self.waits.remove(&pair), "PULL-3: {pair:?} was answered before, or never asked");
                    if result.is_ok() {
                        assert!(self.sealed.contains(&pair.1));
                        self.holds.insert(pair);
                    }
                }
            }
        }
    }

    fn leave(&mut self, who: u8, id: u8) {
        self.waits.remove(&(who, id));
        self.holds.remove(&(who, id));
    }
}

const OUTCOMES: [FetchOutcome; 6] = [
    FetchOutcome::Complete,
    FetchOutcome::Complete,
    FetchOutcome::Gone,
    FetchOutcome::Refused,
    FetchOutcome::Unreachable,
    FetchOutcome::Stopped,
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn pull_1_to_5_hold_whatever_happens(steps in prop::collection::vec((0u8..24, any::<prop::sample::Index>(), 0u8..4, 0u8..6), 1..150)) {
        let mut env = Env::new(100);
        env.is_full = true;
        let mut world = World::default();
        for (what, index, who, id) in steps {
            env.now_ms += 400;
            let size = 10 + u64::from(id) * 25;
            match what {
                0..=7 => {
                    let node = 2 + u32::try_from(index.index(3)).expect("small");
                    let priority = [Priority::Get, Priority::Wait, Priority::Argument][index.index(3)];
                    if !world.holds.contains(&(who, id)) {
                        world.waits.insert((who, id));
                        env.pull_for(who, id, on(node, size), priority);
                    }
                }
                8..=10 => {
                    world.leave(who, id);
                    env.release(who, id);
                }
                11..=14 if !world.wanted_room.is_empty() => {
                    let id = *world.wanted_room.iter().nth(index.index(world.wanted_room.len())).expect("one");
                    world.wanted_room.remove(&id);
                    let found = who > 0;
                    if found {
                        world.rooms.insert(id);
                    }
                    env.space(super::env::object(id), found);
                }
                15..=19 if !world.running.is_empty() => {
                    let attempt = *world.running.keys().nth(index.index(world.running.len())).expect("one");
                    let id = world.running.remove(&attempt).expect("there");
                    let outcome = match OUTCOMES.get(index.index(8)) {
                        Some(outcome) => *outcome,
                        None => FetchOutcome::Redirect(source(4, 10 + u64::from(id) * 25)),
                    };
                    env.fetched(id, attempt, outcome);
                }
                20 => {
                    for id in 0..6 {
                        world.leave(who, id);
                    }
                    env.die(who);
                }
                21 if index.index(4) == 0 => env.node_died(2 + u32::from(who)),
                22 => {
                    if world.sends.get(&id).copied().unwrap_or(0) > 0 && index.index(2) == 0 {
                        *world.sends.entry(id).or_default() -= 1;
                        env.send_ended(id);
                    } else if env.table.on_send_began(&super::env::object(id)) {
                        *world.sends.entry(id).or_default() += 1;
                    }
                }
                _ => env.tick(env.now_ms),
            }
            world.carry_out(&mut env);
        }
        // Everyone leaves, everything ends: nothing is left.
        for who in 0..4 {
            for id in 0..6 {
                world.leave(who, id);
            }
            env.die(who);
            world.carry_out(&mut env);
        }
        for id in 0..6 {
            for _ in 0..world.sends.remove(&id).unwrap_or(0) {
                env.send_ended(id);
                world.carry_out(&mut env);
            }
        }
        while !world.running.is_empty() || !world.wanted_room.is_empty() {
            if let Some(id) = world.wanted_room.pop_first() {
                world.rooms.insert(id);
                env.space(super::env::object(id), true);
            } else if let Some((attempt, id)) = world.running.pop_first() {
                env.fetched(id, attempt, FetchOutcome::Stopped);
            }
            world.carry_out(&mut env);
        }
        env.assert_empty();
        prop_assert!(world.rooms.is_empty() && world.holds.is_empty());
    }
}
