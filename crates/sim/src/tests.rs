//! The simulator checks itself: the same seed gives the same run, planted defects are found, and seeds that once failed pass.

use crate::{DEFECTS, Defects, OWNER_DEFECTS, PlantedInDisk, WORKLOADS, crashes, run, workload};

#[test]
fn the_same_seed_gives_the_same_trace() {
    for workload in WORKLOADS {
        for seed in 0..5 {
            let (first, second) =
                (run(seed, workload, Defects::default(), false), run(seed, workload, Defects::default(), false));
            assert_eq!(
                (first.trace, first.counts.events),
                (second.trace, second.counts.events),
                "{} {seed}",
                workload.name
            );
        }
        assert_ne!(
            run(1, workload, Defects::default(), false).trace,
            run(2, workload, Defects::default(), false).trace
        );
    }
}

#[test]
fn every_workload_holds_for_some_seeds() {
    for workload in WORKLOADS {
        let seeds = if workload.machines > 0 { 8 } else { 25 };
        for seed in 0..seeds {
            let outcome = run(seed, workload, Defects::default(), false);
            assert_eq!(outcome.failure, None, "{} {seed}", workload.name);
        }
    }
}

/// Seeds that showed a fault once.
#[test]
fn seeds_that_failed_once_hold() {
    let seeds = [
        ("quiet", 1),    // a lease on the asking worker itself
        ("quiet", 1406), // a lend overtaken by the caller's unpinning
        ("raise", 36),   // a slot freed while its results were being recorded
        ("raise", 1401),
        ("actors", 35),  // a failing call that takes another one of the same queue with it
        ("actors", 131), // a life told twice
        ("actors", 1501),
        ("crash", 14), // a lend to a process known to be dead
        ("crash", 107),
        ("crash", 2264), // a question about a result freed beside others of its task
        ("crash", 2738),
        ("chaos", 181),
        ("regret", 1212),        // a dropped call whose failing dependent set its own queue going
        ("regret", 12003),       // a call sent to a dead actor by what failed with a cancelled one
        ("streams-crash", 36),   // a death below leaves fewer items
        ("streams-crash", 1013), // an engine's error where a program without deaths has no item
        ("streams-crash", 1152),
        ("cluster-storm", 160),   // a pending call whose caller had dropped the handle
        ("cluster-storm", 85),    // a death that only a daemon knew which was lost with its machine
        ("cluster-chaos", 249),   // hundreds of machines
        ("late", 32),             // an argument lost while its task waited to be sent
        ("losses", 1396),         // a task that ran again read an argument that its process borrowed no more
        ("losses", 3178),         // a reference to a freed item came back with a task that ran again
        ("losses-chaos", 4),      // an argument pinned by a task that ran again and was not kept
        ("losses-chaos", 1029),   // a call made again behind one that waited for its result
        ("losses-chaos", 232),    // an actor that waited for what it was to make again
        ("losses-streams", 78),   // a lost item of a stream that was not kept
        ("losses-streams", 1176), // an item lost again while its stream ran again
        ("drains-chaos", 1232),   // what came for an item whose copy was lost was given back as if it were the copy
        ("actors", 219),          // a late lend of a freed result had its task run again
    ];
    for (name, seed) in seeds {
        let workload = workload(name).expect("a workload of this name");
        assert_eq!(run(seed, workload, Defects::default(), false).failure, None, "{name} {seed}");
    }
}

#[test]
fn planted_defects_are_found() {
    for planted in DEFECTS {
        let mut defects = Defects::default();
        (planted.plant)(&mut defects);
        let workload = workload(planted.workload).expect("a workload of this name");
        // With overflow checks, a count below zero is a panic.
        let shows = |seed| {
            std::panic::catch_unwind(|| run(seed, workload, defects, false))
                .map_or(true, |outcome| outcome.failure.is_some())
        };
        let is_found = (0..300).any(shows);
        assert!(is_found, "{}: {}", planted.label, planted.name);
    }
}

#[test]
fn planted_defects_of_owners_are_found_by_their_laws() {
    for planted in OWNER_DEFECTS {
        let mut defects = Defects::default();
        (planted.plant)(&mut defects);
        let workload = workload(planted.workload).expect("a workload of this name");
        // With overflow checks, a count below zero is a panic before anything is checked.
        let failure = |seed| std::panic::catch_unwind(|| run(seed, workload, defects, false)).ok()?.failure;
        let is_found = (0..100).filter_map(failure).any(|failure| failure.contains(planted.label));
        assert!(is_found, "{}: {}", planted.label, planted.name);
    }
}

#[test]
fn a_head_that_crashes_is_what_it_was() {
    for seed in 0..40 {
        let outcome = crashes(seed, 1 + seed % 7, PlantedInDisk::default());
        assert!(outcome.failure.is_none() && outcome.crashes > 5 && outcome.refused > 2, "seed {seed}: {outcome:?}");
    }
}

#[test]
fn a_disk_that_does_not_keep_its_word_is_found() {
    for (label, name, plant) in crate::crashes::DEFECTS_IN_DISK {
        let mut planted = PlantedInDisk::default();
        plant(&mut planted);
        assert!((0..20).any(|seed| crashes(seed, 3, planted).failure.is_some()), "{label}: {name}");
    }
}
