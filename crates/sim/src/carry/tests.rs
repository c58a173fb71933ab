//! Seeds hold, the same seed gives the same run, and planted defects are found.

use crate::carry::{DEFECTS, PlantedInLink, run};

#[test]
fn seeds_hold_and_reproduce() {
    for seed in 0..100 {
        let first = run(seed, PlantedInLink::default());
        assert!(first.as_ref().is_ok_and(|counts| counts.arrived > 0 && counts.breaks > 0), "{seed}: {first:?}");
        assert_eq!(first, run(seed, PlantedInLink::default()), "{seed}");
    }
}

#[test]
fn planted_defects_are_found() {
    for (label, name, plant) in DEFECTS {
        let mut planted = PlantedInLink::default();
        plant(&mut planted);
        let found = (0..100).find_map(|seed| run(seed, planted).err());
        assert!(found.as_ref().is_some_and(|broken| broken.contains(label)), "{label} {name}: {found:?}");
    }
}
