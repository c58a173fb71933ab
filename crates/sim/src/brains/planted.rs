//! The planted defects of single brains.

use crate::brains::{node, patience, placing};
use trygon_node_core::NodeDefects;
use trygon_placement::ViewDefects;

/// A defect: the law that it breaks, what is wrong, the world that shows it, and a run of a seed with it.
#[derive(Debug, Clone, Copy)]
pub struct PlantedInBrain {
    /// The law.
    pub label: &'static str,
    /// What is wrong.
    pub name: &'static str,
    /// The world in which it shows.
    pub workload: &'static str,
    /// One run.
    pub run: fn(u64) -> Result<u64, String>,
}

const fn planted(
    label: &'static str,
    name: &'static str,
    workload: &'static str,
    run: fn(u64) -> Result<u64, String>,
) -> PlantedInBrain {
    PlantedInBrain { label, name, workload, run }
}

/// All of them.
pub const DEFECTS: &[PlantedInBrain] = &[
    planted("LEASE-1", "a worker with a lease is not noted as having one", "node", |seed| {
        node::run(seed, NodeDefects { lease_unnoted: true, ..NodeDefects::default() })
    }),
    planted("LEASE-1", "a worker that says again that it is ready is idle", "node", |seed| {
        node::run(seed, NodeDefects { ready_again: true, ..NodeDefects::default() })
    }),
    planted("LEDGER-2", "a part of a device is taken whether it is free or not", "node", |seed| {
        node::run(seed, NodeDefects { shares_overlap: true, ..NodeDefects::default() })
    }),
    planted("QUEUE-1", "how deep what waits is nested does not matter", "node", |seed| {
        node::run(seed, NodeDefects { depth_ignored: true, ..NodeDefects::default() })
    }),
    planted("QUEUE-1", "children of blocked workers wait as all others", "node", |seed| {
        node::run(seed, NodeDefects { children_wait: true, ..NodeDefects::default() })
    }),
    planted("QUEUE-1", "who got a lease keeps its turn", "node", |seed| {
        node::run(seed, NodeDefects { turns_kept: true, ..NodeDefects::default() })
    }),
    planted("ENV-1", "a worker of any environment is taken", "node", |seed| {
        node::run(seed, NodeDefects { environment_ignored: true, ..NodeDefects::default() })
    }),
    planted("GROUP-1", "a group is reserved with the bundles that fit", "node", |seed| {
        node::run(seed, NodeDefects { groups_in_part: true, ..NodeDefects::default() })
    }),
    planted("GROUP-1", "what ran in a bundle goes back to the node", "node", |seed| {
        node::run(seed, NodeDefects { bundle_bypassed: true, ..NodeDefects::default() })
    }),
    planted("FAIR-1", "nothing is held for who waits for long", "patience", |seed| {
        patience::run(seed, NodeDefects { never_held: true, ..NodeDefects::default() })
    }),
    planted("FAIR-1", "others take of what is held", "patience", |seed| {
        patience::run(seed, NodeDefects { hold_open: true, ..NodeDefects::default() })
    }),
    planted("FAIR-1", "nobody is asked to give back what is held", "patience", |seed| {
        patience::run(seed, NodeDefects { hold_unasked: true, ..NodeDefects::default() })
    }),
    planted("VIEW-1", "what was asked is forgotten with the next report", "placing", |seed| {
        placing::run(seed, ViewDefects { asks_forgotten: true, ..ViewDefects::default() })
    }),
    planted("VIEW-1", "what was granted is free until its node says otherwise", "placing", |seed| {
        placing::run(seed, ViewDefects { grants_free: true, ..ViewDefects::default() })
    }),
    planted("VIEW-2", "a node that begins to drain is picked as before", "placing", |seed| {
        placing::run(seed, ViewDefects { drains_ignored: true, ..ViewDefects::default() })
    }),
    planted("VIEW-2", "who is not named in a whole view stays in it", "placing", |seed| {
        placing::run(seed, ViewDefects { absent_kept: true, ..ViewDefects::default() })
    }),
    planted("PACK-1", "bundles for one node are looked at one by one", "placing", |seed| {
        placing::run(seed, ViewDefects { sums_ignored: true, ..ViewDefects::default() })
    }),
    planted("PACK-1", "a bundle goes where its group has one, STRICT_SPREAD or not", "placing", |seed| {
        placing::run(seed, ViewDefects { others_ignored: true, ..ViewDefects::default() })
    }),
    planted("PACK-1", "a bundle that goes elsewhere leaves what it took", "placing", |seed| {
        placing::run(seed, ViewDefects { room_lost: true, ..ViewDefects::default() })
    }),
];

/// Looks for each of them in so many seeds, and prints where it was found.
pub fn find_defects(seeds: u64) -> bool {
    let mut all = true;
    for PlantedInBrain { label, name, workload, run } in DEFECTS {
        match (0..seeds).find_map(|seed| run(seed).err().map(|failure| (seed + 1, failure))) {
            Some((count, failure)) => {
                println!("{label:<8} {name:<58} found after {count:>3} seeds of {workload}: {failure}");
            }
            None => {
                all = false;
                println!("{label:<8} {name:<58} NOT FOUND in {seeds} seeds of {workload}");
            }
        }
    }
    all
}
