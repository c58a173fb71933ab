//! Seeds hold and give the same run again, and planted defects are found by the law that they break.

use crate::brains::{BRAINS, DEFECTS};

#[test]
fn seeds_hold_and_reproduce() {
    for (name, run) in BRAINS {
        for seed in 0..12 {
            let first = run(seed);
            assert!(first.is_ok(), "{name} {seed}: {first:?}");
            assert_eq!(first, run(seed), "{name} {seed}");
        }
    }
}

#[test]
fn planted_defects_are_found_by_their_laws() {
    for planted in DEFECTS {
        let found = (0..300).find_map(|seed| (planted.run)(seed).err());
        assert!(
            found.as_ref().is_some_and(|broken| broken.starts_with(planted.label)),
            "{} {}: {found:?}",
            planted.label,
            planted.name
        );
    }
}
