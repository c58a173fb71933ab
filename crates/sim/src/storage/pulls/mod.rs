//! Random lives of what a node fetches: processes that ask, let go and die, room that is there or not, fetches that end in every way, nodes
//! that die, and transfers to others that read the copies. Who waits, who holds and what is still written to is known to a model.

mod world;

use crate::random::Random;
use crate::storage::planted::{Counts, Planted};
use crate::storage::pulls::world::{GIVE_UP_MS, Held, OBJECTS, PROCESSES, RETRY_MS, World};
use trygon_store_core::{FetchOutcome, Priority};

const STEPS: u64 = 250;

/// One run.
pub(crate) fn run(seed: u64, planted: Planted) -> Result<Counts, String> {
    let mut random = Random::new(seed);
    let mut world = World::new(planted.pulls, 60 + random.below(80));
    for _ in 0..STEPS {
        world.now_ms += random.below(800);
        step(&mut world, &mut random)?;
    }
    settle(&mut world, &mut random)?;
    end(world)
}

fn outcome(world: &World, random: &mut Random, id: u8) -> FetchOutcome {
    match random.below(9) {
        0..=2 => FetchOutcome::Complete,
        3 => FetchOutcome::Gone,
        4 => FetchOutcome::Refused,
        5 => FetchOutcome::Stopped,
        6 => FetchOutcome::Redirect(world.source(2 + random.below(4) as u32, id)),
        _ => FetchOutcome::Unreachable,
    }
}

fn nth<T: Copy>(of: impl ExactSizeIterator<Item = T>, random: &mut Random) -> Option<T> {
    let place = random.below(of.len() as u64) as usize;
    let mut of = of;
    of.nth(place)
}

fn step(world: &mut World, random: &mut Random) -> Held {
    let (who, id) = (random.below(PROCESSES) as u8, random.below(OBJECTS) as u8);
    match random.below(26) {
        0..=7 => {
            let priority = [Priority::Get, Priority::Wait, Priority::Argument][random.below(3) as usize];
            world.ask(who, id, 2 + random.below(3) as u32, priority)
        }
        8..=10 => world.let_go(who, id),
        11..=14 => match nth(world.wanted_room.iter().copied(), random) {
            Some(id) => world.space(id, random.percent(85)),
            None => Ok(()),
        },
        15..=20 => match nth(world.running.iter().map(|(attempt, id)| (*attempt, *id)), random) {
            Some((attempt, id)) => {
                let outcome = outcome(world, random, id);
                world.fetched(attempt, outcome, random.percent(30))
            }
            None => Ok(()),
        },
        21 => world.die(who),
        22 if random.percent(15) => world.node_dies(2 + random.below(3) as u32),
        23 => {
            world.send(id);
            Ok(())
        }
        24 => world.end_send(id),
        _ => world.tick(),
    }
}

/// PULL-3: when everything that was begun ends, everyone who asked is answered.
fn settle(world: &mut World, random: &mut Random) -> Held {
    let rounds = 2 * GIVE_UP_MS / RETRY_MS;
    for _ in 0..rounds {
        world.now_ms += RETRY_MS;
        while let Some(id) = nth(world.wanted_room.iter().copied(), random) {
            world.space(id, true)?;
        }
        for (attempt, id) in world.running.clone() {
            let outcome = outcome(world, random, id);
            world.fetched(attempt, outcome, false)?;
        }
        world.tick()?;
        if world.waits.is_empty() {
            return Ok(());
        }
    }
    Err(format!("PULL-3: {:?} wait for ever", world.waits))
}

/// Everyone leaves, everything ends: nothing is left.
fn end(mut world: World) -> Result<Counts, String> {
    for who in 0..PROCESSES as u8 {
        world.die(who)?;
    }
    for id in 0..OBJECTS as u8 {
        while world.sends.contains_key(&id) {
            world.end_send(id)?;
        }
    }
    while let Some(id) = world.wanted_room.first().copied() {
        world.space(id, true)?;
    }
    while let Some((attempt, _)) = world.running.first_key_value().map(|(attempt, id)| (*attempt, *id)) {
        world.fetched(attempt, FetchOutcome::Stopped, false)?;
    }
    world.check_empty()?;
    Ok(world.counts)
}
