//! Planted defects: each breaks one rule, and some seed must show it.

use trygon_node_core::NodeDefects;

/// What is planted in a run: in the cores of processes, and in the brains of nodes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Defects {
    /// In processes.
    pub core: trygon_worker_core::Defects,
    /// In nodes.
    pub node: NodeDefects,
}

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
        plant: |defects| defects.core.no_attempt_check = true,
    },
    Planted {
        label: "OWN-4",
        name: "a kept reference is not recorded",
        workload: "actors",
        plant: |defects| defects.core.borrow_dropped = true,
    },
    Planted {
        label: "OWN-4",
        name: "an argument is not pinned",
        workload: "quiet",
        plant: |defects| defects.core.pin_forgotten = true,
    },
    Planted {
        label: "OWN-4",
        name: "a lend is not forwarded to the owner",
        workload: "actors",
        plant: |defects| defects.core.lend_forgotten = true,
    },
    Planted {
        label: "OWN-4",
        name: "a borrow is not given back",
        workload: "quiet",
        plant: |defects| defects.core.return_forgotten = true,
    },
    Planted {
        label: "OWN-2",
        name: "a copied reference is not counted",
        workload: "quiet",
        plant: |defects| defects.core.retain_forgotten = true,
    },
    Planted {
        label: "OWN-3",
        name: "an edge is not released",
        workload: "quiet",
        plant: |defects| defects.core.edge_leaked = true,
    },
    Planted {
        label: "OWN-5",
        name: "a dead owner's objects wait on",
        workload: "chaos",
        plant: |defects| defects.core.orphans_ignored = true,
    },
    Planted {
        label: "OWN-8",
        name: "an interrupted task costs no retry",
        workload: "crash",
        plant: |defects| defects.core.retry_free = true,
    },
    Planted {
        label: "OWN-8",
        name: "a task that was not started costs a retry",
        workload: "crash",
        plant: |defects| defects.core.unstarted_pays = true,
    },
    Planted {
        label: "OWN-8",
        name: "what nobody knows of is taken for not begun",
        workload: "lost-record",
        plant: |defects| defects.core.unknown_is_unstarted = true,
    },
    Planted {
        label: "RETRY-1",
        name: "a task that waits to be tried again is forgotten",
        workload: "crash",
        plant: |defects| defects.core.delay_endless = true,
    },
    Planted {
        label: "CANCEL-1",
        name: "a cancelled task whose worker died is tried again",
        workload: "regret",
        plant: |defects| defects.core.cancel_forgotten = true,
    },
    Planted {
        label: "OWN-3",
        name: "items that nobody took outlive their generator",
        workload: "streams",
        plant: |defects| defects.core.untaken_leaked = true,
    },
    Planted {
        label: "OWN-7",
        name: "a replay sends again what its owner has",
        workload: "streams-crash",
        plant: |defects| defects.core.skip_forgotten = true,
    },
    Planted {
        label: "OWN-7",
        name: "a reply that comes again from a recorder is given back",
        workload: "chaos",
        plant: |defects| defects.core.replays_refused = true,
    },
    Planted {
        label: "OWN-6",
        name: "nothing is kept of a task with stored results",
        workload: "losses",
        plant: |defects| defects.core.lineage_forgotten = true,
    },
    Planted {
        label: "OWN-6",
        name: "arguments of kept tasks are not pinned",
        workload: "losses",
        plant: |defects| defects.core.lineage_unpinned = true,
    },
    Planted {
        label: "OWN-6",
        name: "bytes of tasks that are not kept stay counted",
        workload: "losses",
        plant: |defects| defects.core.lineage_counted = true,
    },
    Planted {
        label: "OWN-6",
        name: "a lost object without a copy is not made again",
        workload: "losses",
        plant: |defects| defects.core.rebuild_forgotten = true,
    },
    Planted {
        label: "OWN-6",
        name: "a task that runs again replaces what was not lost",
        workload: "losses",
        plant: |defects| defects.core.rebuild_replaces = true,
    },
    Planted {
        label: "OWN-6",
        name: "a lost item that comes again is given back",
        workload: "losses-streams",
        plant: |defects| defects.core.lost_items_refused = true,
    },
    Planted {
        label: "FLOW-2",
        name: "freed inline bytes stay counted",
        workload: "quiet",
        plant: |defects| defects.core.bytes_kept = true,
    },
    Planted {
        label: "MEM-1",
        name: "a limit outlives its lease",
        workload: "memory",
        plant: |defects| defects.node.limits_kept = true,
    },
    Planted {
        label: "MEM-2",
        name: "a second worker is ended before the first is gone",
        workload: "memory",
        plant: |defects| defects.node.many_victims = true,
    },
    Planted {
        label: "MEM-3",
        name: "a worker without a lease is ended for memory",
        workload: "memory",
        plant: |defects| defects.node.idle_victims = true,
    },
    Planted {
        label: "FAIR-2",
        name: "a lease is asked back for two jobs",
        workload: "cluster-storm",
        plant: |defects| defects.node.asks_twice = true,
    },
    Planted {
        label: "FAIR-2",
        name: "a job falls behind with nobody ahead",
        workload: "shares",
        plant: |defects| defects.node.shares_uneven = true,
    },
    Planted {
        label: "LEASE-2",
        name: "a worker is not told free of a lease that ended",
        workload: "quiet",
        plant: |defects| defects.node.ended_held = true,
    },
    Planted {
        label: "LEASE-3",
        name: "what runs for a dead node's owner runs on",
        workload: "cluster-storm",
        plant: |defects| defects.node.orphans_kept = true,
    },
    Planted {
        label: "LEASE-4",
        name: "what was cancelled is granted",
        workload: "quiet",
        plant: |defects| defects.node.cancel_ignored = true,
    },
    Planted {
        label: "LEDGER-1",
        name: "what a lease held does not come back",
        workload: "quiet",
        plant: |defects| defects.node.held_kept = true,
    },
    Planted {
        label: "GROUP-2",
        name: "what runs in a removed group runs on",
        workload: "cluster",
        plant: |defects| defects.node.group_outlived = true,
    },
    Planted {
        label: "GROUP-3",
        name: "bundles go back with any attempt",
        workload: "cluster-storm",
        plant: |defects| defects.node.attempt_ignored = true,
    },
    Planted {
        label: "POOL-1",
        name: "an idle worker is listed twice",
        workload: "quiet",
        plant: |defects| defects.node.idle_twice = true,
    },
    Planted {
        label: "SPILL-1",
        name: "a grant elsewhere leaves the request as it was",
        workload: "cluster",
        plant: |defects| defects.node.asks_more = true,
    },
    Planted {
        label: "SPILL-2",
        name: "a lease elsewhere that nobody wants is kept",
        workload: "cluster-storm",
        plant: |defects| defects.node.unwanted_kept = true,
    },
    Planted {
        label: "SPILL-4",
        name: "what was declined counts as taken",
        workload: "cluster",
        plant: |defects| defects.node.declined_taken = true,
    },
    Planted {
        label: "SPILL-5",
        name: "leases elsewhere of a dead owner are kept",
        workload: "cluster-storm",
        plant: |defects| defects.node.gone_kept = true,
    },
];
