//! Seeds hold, the same seed gives the same run, and planted defects are found by the checks of their laws.

use crate::control::{DEFECTS, PlantedInControl, run};

#[test]
fn seeds_hold_and_reproduce() {
    for seed in 0..40 {
        let first = run(seed, PlantedInControl::default());
        assert!(first.is_ok(), "{seed}: {first:?}");
        assert_eq!(first, run(seed, PlantedInControl::default()), "{seed}");
    }
}

#[test]
fn planted_defects_are_found() {
    for planted in DEFECTS {
        let found = (0..300).find_map(|seed| run(seed, planted.defects()).err());
        let names_it = found.as_ref().is_some_and(|broken| broken.contains(planted.label));
        assert!(names_it, "{} {}: {found:?}", planted.label, planted.name);
    }
}
