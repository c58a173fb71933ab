//! What the simulator's command line does with the store's workloads.

use crate::storage::planted::{Counts, Planted};
use crate::storage::rules::DEFECTS;
use crate::storage::workloads::{Workload, workload};

/// One seed.
pub fn run_one(workload: &Workload, seed: u64) -> bool {
    match (workload.run)(seed, Planted::default()) {
        Ok(counts) => println!("seed {seed}, {}: {counts:?}", workload.name),
        Err(failure) => {
            println!("seed {seed}, {}: {failure}", workload.name);
            return false;
        }
    }
    true
}

/// Many seeds of some workloads.
pub fn run_many(workloads: &[Workload], first: u64, seeds: u64) -> bool {
    let mut passed = true;
    for workload in workloads {
        let (mut all, mut failed) = (Counts::default(), 0);
        for seed in first..first + seeds {
            match (workload.run)(seed, Planted::default()) {
                Ok(counts) => all.add(&counts),
                Err(failure) => {
                    failed += 1;
                    println!("seed {seed}, {}: {failure}", workload.name);
                }
            }
        }
        println!("{seeds} seeds of {}, {failed} failed, {all:?}", workload.name);
        passed &= failed == 0;
    }
    passed
}

/// The planted defects: each has to be found.
pub fn find_defects(seeds: u64) -> bool {
    let mut all = true;
    for rule in DEFECTS {
        let mut planted = Planted::default();
        (rule.plant)(&mut planted);
        let Some(workload) = workload(rule.workload) else { return false };
        let found = (0..seeds).find_map(|seed| (workload.run)(seed, planted).err().map(|failure| (seed + 1, failure)));
        all &= found.is_some();
        let (label, name) = (rule.label, rule.name);
        match found {
            Some((count, failure)) => {
                println!("{label:<13} {name:<62} found after {count:>3} seeds of {}: {failure}", workload.name);
            }
            None => println!("{label:<13} {name:<62} NOT FOUND in {seeds} seeds of {}", workload.name),
        }
    }
    all
}
