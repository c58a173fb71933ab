//! Seeds and planted defects, as the command line runs them.

use crate::carry::planted::{Counts, DEFECTS, PlantedInLink};
use crate::carry::world::run;

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
