//! What is planted in a run, what it counts, and all that is planted.

use crate::carry::run;
use trygon_cluster::{OutflowDefects, SessionDefects};

/// Defects of a run.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlantedInLink {
    /// Of the node that speaks.
    pub outflow: OutflowDefects,
    /// Of the node that hears.
    pub sessions: SessionDefects,
}

/// What a run was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that were said.
    pub said: u64,
    /// Messages that arrived.
    pub arrived: u64,
    /// Connections that broke.
    pub breaks: u64,
    /// Sessions that were given up.
    pub given_up: u64,
}

/// All of them: the law that each breaks, its name, and how it is planted.
pub const DEFECTS: [(&str, &str, fn(&mut PlantedInLink)); 6] = [
    ("CARRY-1", "what a broken connection took is not sent again", |it| it.outflow.taken_is_sent = true),
    ("CARRY-1", "a message is let go when it is taken", |it| it.outflow.let_go_early = true),
    ("CARRY-1", "a broken connection takes messages", |it| it.outflow.stale_takes = true),
    ("CARRY-1", "what comes by a replaced connection is heard", |it| it.sessions.any_connection = true),
    ("CARRY-2", "who spoke is not told what is dropped", |it| it.outflow.drops_silently = true),
    ("CARRY-2", "who heard is not told that the rest is lost", |it| it.sessions.lapse_unsaid = true),
];

/// Looks for each of the defects; prints after how many seeds it was found. False: one was not.
pub fn find(seeds: u64) -> bool {
    let mut all = true;
    for (label, name, plant) in DEFECTS {
        let mut planted = PlantedInLink::default();
        plant(&mut planted);
        let found = (0..seeds).find_map(|seed| run(seed, planted).err().map(|failure| (seed + 1, failure)));
        all &= found.is_some();
        match found {
            Some((count, failure)) => {
                println!("{label:<8} {name:<48} found after {count:>3} seeds of carry: {failure}")
            }
            None => println!("{label:<8} {name:<48} NOT FOUND in {seeds} seeds of carry"),
        }
    }
    all
}

/// Runs seeds and prints what they came to. False: one failed.
pub fn run_many(first: u64, seeds: u64) -> bool {
    let (mut counts, mut failed) = (Counts::default(), 0);
    for seed in first..first + seeds {
        match run(seed, PlantedInLink::default()) {
            Ok(of_seed) => {
                counts.said += of_seed.said;
                counts.arrived += of_seed.arrived;
                counts.breaks += of_seed.breaks;
                counts.given_up += of_seed.given_up;
            }
            Err(failure) => {
                failed += 1;
                println!("seed {seed}, carry: {failure}");
            }
        }
    }
    println!("{seeds} seeds of carry, {failed} failed, {counts:?}");
    failed == 0
}
