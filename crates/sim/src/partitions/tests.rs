//! Seeds hold, the same seed gives the same run, and planted defects are found.

use crate::partitions::{DEFECTS, Planted, run};

#[test]
fn seeds_hold_and_reproduce() {
    // 346: a machine that thaws looks at its lease before anything else.
    for seed in (0..60).chain([346]) {
        let first = run(seed, Planted::default());
        assert!(first.is_ok(), "{seed}: {first:?}");
        assert_eq!(first, run(seed, Planted::default()), "{seed}");
    }
}

#[test]
fn planted_defects_are_found() {
    for (label, name, planted) in DEFECTS {
        let found = (0..200).find_map(|seed| run(seed, planted).err());
        assert!(found.as_ref().is_some_and(|broken| broken.contains("NODE-")), "{label} {name}: {found:?}");
    }
}
