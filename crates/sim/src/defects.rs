//! Planted defects: each breaks one rule, and some seed must show it.

use trygon_worker_core::Defects;

/// A defect: the label of the rule that it breaks, its name, the workload that shows it first, and how it is planted.
#[derive(Debug, Clone, Copy)]
pub struct Planted {
    /// The rule.
    pub label: &'static str,
    /// What is wrong.
    pub name: &'static str,
    /// A workload in which it shows.
    pub workload: &'static str,
    /// Plants it.
    pub plant: fn(&mut Defects),
}

/// All of them.
pub const DEFECTS: &[Planted] = &[
    Planted {
        label: "OWN-7",
        name: "attempts are not checked",
        workload: "late",
        plant: |defects| defects.no_attempt_check = true,
    },
    Planted {
        label: "OWN-4",
        name: "a kept reference is not recorded",
        workload: "actors",
        plant: |defects| defects.borrow_dropped = true,
    },
    Planted {
        label: "OWN-4",
        name: "an argument is not pinned",
        workload: "quiet",
        plant: |defects| defects.pin_forgotten = true,
    },
    Planted {
        label: "OWN-4",
        name: "a lend is not forwarded to the owner",
        workload: "actors",
        plant: |defects| defects.lend_forgotten = true,
    },
    Planted {
        label: "OWN-4",
        name: "a borrow is not given back",
        workload: "quiet",
        plant: |defects| defects.return_forgotten = true,
    },
    Planted {
        label: "OWN-2",
        name: "a copied reference is not counted",
        workload: "quiet",
        plant: |defects| defects.retain_forgotten = true,
    },
    Planted {
        label: "OWN-3",
        name: "an edge is not released",
        workload: "quiet",
        plant: |defects| defects.edge_leaked = true,
    },
    Planted {
        label: "OWN-5",
        name: "a dead owner's objects wait on",
        workload: "chaos",
        plant: |defects| defects.orphans_ignored = true,
    },
    Planted {
        label: "OWN-8",
        name: "an interrupted task costs no retry",
        workload: "crash",
        plant: |defects| defects.retry_free = true,
    },
    Planted {
        label: "OWN-8",
        name: "a task that was not started costs a retry",
        workload: "crash",
        plant: |defects| defects.unstarted_pays = true,
    },
    Planted {
        label: "OWN-8",
        name: "what nobody knows of is taken for not begun",
        workload: "lost-record",
        plant: |defects| defects.unknown_is_unstarted = true,
    },
    Planted {
        label: "RETRY-1",
        name: "a task that waits to be tried again is forgotten",
        workload: "crash",
        plant: |defects| defects.delay_endless = true,
    },
    Planted {
        label: "CANCEL-1",
        name: "a cancelled task whose worker died is tried again",
        workload: "regret",
        plant: |defects| defects.cancel_forgotten = true,
    },
    Planted {
        label: "OWN-3",
        name: "items that nobody took outlive their generator",
        workload: "streams",
        plant: |defects| defects.untaken_leaked = true,
    },
    Planted {
        label: "OWN-7",
        name: "a replay sends again what its owner has",
        workload: "streams-crash",
        plant: |defects| defects.skip_forgotten = true,
    },
    Planted {
        label: "OWN-7",
        name: "a reply that comes again from a recorder is given back",
        workload: "chaos",
        plant: |defects| defects.replays_refused = true,
    },
    Planted {
        label: "OWN-6",
        name: "nothing is kept of a task with stored results",
        workload: "losses",
        plant: |defects| defects.lineage_forgotten = true,
    },
    Planted {
        label: "OWN-6",
        name: "arguments of kept tasks are not pinned",
        workload: "losses",
        plant: |defects| defects.lineage_unpinned = true,
    },
    Planted {
        label: "OWN-6",
        name: "bytes of tasks that are not kept stay counted",
        workload: "losses",
        plant: |defects| defects.lineage_counted = true,
    },
    Planted {
        label: "OWN-6",
        name: "a lost object without a copy is not made again",
        workload: "losses",
        plant: |defects| defects.rebuild_forgotten = true,
    },
    Planted {
        label: "OWN-6",
        name: "a task that runs again replaces what was not lost",
        workload: "losses",
        plant: |defects| defects.rebuild_replaces = true,
    },
    Planted {
        label: "OWN-6",
        name: "a lost item that comes again is given back",
        workload: "losses-streams",
        plant: |defects| defects.lost_items_refused = true,
    },
    Planted {
        label: "FLOW-2",
        name: "freed inline bytes stay counted",
        workload: "quiet",
        plant: |defects| defects.bytes_kept = true,
    },
];
