//! What is planted in a run, what it counts, and all that is planted.

use trygon_cluster::{OutflowDefects, SessionDefects};

/// Defects of a run.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlantedInLink {
    /// Of the node that speaks.
    pub outflow: OutflowDefects,
    /// Of the node that hears.
    pub sessions: SessionDefects,
}

/// What a run was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that were said.
    pub said: u64,
    /// Messages that arrived.
    pub arrived: u64,
    /// Connections that broke.
    pub breaks: u64,
    /// Sessions that were given up.
    pub given_up: u64,
}

/// The law that a defect breaks, its name, and how it is planted.
pub type Planted = (&'static str, &'static str, fn(&mut PlantedInLink));

/// All of them.
pub const DEFECTS: [Planted; 6] = [
    ("CARRY-1", "what a broken connection took is not sent again", |it| it.outflow.taken_is_sent = true),
    ("CARRY-1", "a message is let go when it is taken", |it| it.outflow.let_go_early = true),
    ("CARRY-1", "a broken connection takes messages", |it| it.outflow.stale_takes = true),
    ("CARRY-1", "what comes by a replaced connection is heard", |it| it.sessions.any_connection = true),
    ("CARRY-2", "who spoke is not told what is dropped", |it| it.outflow.drops_silently = true),
    ("CARRY-2", "who heard is not told that the rest is lost", |it| it.sessions.lapse_unsaid = true),
];
