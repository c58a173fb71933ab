//! Seeds and planted defects, as the command line runs them.

use crate::control::planted::{Counts, DEFECTS, PlantedInControl};
use crate::control::world::run;

/// Looks for each of the defects; prints after how many seeds it was found. False: one was not.
pub fn find(seeds: u64) -> bool {
    let mut all = true;
    for planted in DEFECTS {
        let (label, name) = (planted.label, planted.name);
        let found = (0..seeds).find_map(|seed| run(seed, planted.defects()).err().map(|failure| (seed + 1, failure)));
        all &= found.is_some();
        match found {
            Some((count, failure)) => {
                println!("{label:<8} {name:<48} found after {count:>3} seeds of control: {failure}")
            }
            None => println!("{label:<8} {name:<48} NOT FOUND in {seeds} seeds of control"),
        }
    }
    all
}

/// Runs seeds and prints what they came to. False: one failed.
pub fn run_many(first: u64, seeds: u64, is_traced: bool) -> bool {
    let (mut counts, mut failed) = (Counts::default(), 0);
    for seed in first..first + seeds {
        match run(seed, PlantedInControl { is_traced, ..PlantedInControl::default() }) {
            Ok(of_seed) => {
                counts.events += of_seed.events;
                counts.streams += of_seed.streams;
                counts.cuts += of_seed.cuts;
            }
            Err(failure) => {
                failed += 1;
                println!("seed {seed}, control: {failure}");
            }
        }
    }
    println!("{seeds} seeds of control, {failed} failed, {counts:?}");
    failed == 0
}
