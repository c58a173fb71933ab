//! The kinds of faults of a cluster.

use crate::random::mix;

/// One thing that goes wrong, or right again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// Something is chosen.
    Next,
    /// The head notices that a machine is lost.
    Noticed(usize),
    /// A machine that was cut off for too long stops by its own clock.
    Lapsed(usize),
    /// A lost machine's daemon is started again: another node.
    Returns,
    /// Owners hear that a machine goes, or it is gone.
    Leaves(u64),
}

impl Fault {
    pub(crate) fn word(self) -> u64 {
        match self {
            Self::Next => 1,
            Self::Noticed(machine) => mix(2, machine as u64),
            Self::Lapsed(machine) => mix(3, machine as u64),
            Self::Returns => 4,
            Self::Leaves(node) => mix(5, node),
        }
    }
}
