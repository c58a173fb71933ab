//! Planted defects of owners and of the nodes that they ask, in whole runs.

use crate::defects::Planted;

/// All of them.
pub const OWNER_DEFECTS: &[Planted] = &[
    Planted {
        label: "OWN-1",
        name: "an own object is borrowed",
        workload: "quiet",
        plant: |defects| defects.core.own_borrowed = true,
    },
    Planted {
        label: "OWN-9",
        name: "a copy does not take the place of what moves",
        workload: "drains",
        plant: |defects| defects.core.moves_forgotten = true,
    },
    Planted {
        label: "OWN-9",
        name: "what could not be moved is not tried again",
        workload: "drains",
        plant: |defects| defects.core.moves_once = true,
    },
    Planted {
        label: "FLOW-1",
        name: "arguments of what is done stay counted",
        workload: "quiet",
        plant: |defects| defects.core.arguments_counted = true,
    },
    Planted {
        label: "FLOW-1",
        name: "submission never waits",
        workload: "budget",
        plant: |defects| defects.core.room_unbounded = true,
    },
    Planted {
        label: "RETRY-1",
        name: "what a task raised is final",
        workload: "retries",
        plant: |defects| defects.core.errors_final = true,
    },
    Planted {
        label: "OWN-8",
        name: "a task that raised is tried again whatever its retries",
        workload: "retries",
        plant: |defects| defects.core.retry_free = true,
    },
    Planted {
        label: "FAIL-1",
        name: "who asked too early is not answered",
        workload: "quiet",
        plant: |defects| defects.core.answers_forgotten = true,
    },
    Planted {
        label: "ENV-1",
        name: "tasks of two environments share leases",
        workload: "environments",
        plant: |defects| defects.core.environment_unseen = true,
    },
    Planted {
        label: "ENV-1",
        name: "a worker of any environment is taken",
        workload: "environments",
        plant: |defects| defects.node.environment_ignored = true,
    },
    Planted {
        label: "SPILL-3",
        name: "what does not fit is not declined",
        workload: "cluster",
        plant: |defects| defects.node.rest_kept = true,
    },
];
