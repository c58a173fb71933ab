//! Seeds hold, the same seed gives the same run, and planted defects are found.

use crate::storage::{DEFECTS, Planted, WORKLOADS, workload};

#[test]
fn seeds_hold_and_reproduce() {
    for workload in WORKLOADS {
        for seed in 0..40 {
            let first = (workload.run)(seed, Planted::default());
            assert!(first.is_ok(), "{} {seed}: {first:?}", workload.name);
            assert_eq!(first, (workload.run)(seed, Planted::default()), "{} {seed}", workload.name);
        }
    }
}

#[test]
fn planted_defects_are_found_by_the_law_that_they_break() {
    for rule in DEFECTS {
        let mut planted = Planted::default();
        (rule.plant)(&mut planted);
        let workload = workload(rule.workload).expect("a workload of this name");
        let found = (0..300).find_map(|seed| (workload.run)(seed, planted).err());
        assert!(found.as_ref().is_some_and(|broken| broken.starts_with(rule.label)), "{}: {found:?}", rule.name);
    }
}

#[test]
fn every_law_has_a_planted_defect() {
    let laws = [
        "STORE-1",
        "STORE-2",
        "STORE-3",
        "STORE-4",
        "SPILL-STORE-1",
        "SPILL-STORE-2",
        "SPILL-STORE-3",
        "SPILL-STORE-4",
        "SPILL-STORE-5",
        "PULL-1",
        "PULL-2",
        "PULL-3",
        "PULL-4",
        "PULL-5",
        "PULL-6",
        "PULL-7",
        "PULL-8",
    ];
    for law in laws {
        assert!(DEFECTS.iter().any(|rule| rule.label == law), "{law}");
    }
}
