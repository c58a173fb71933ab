//! Machines that are cut off, paused, killed and fenced, and whose clocks run apart: the head's real deciding code, the leases of nodes on
//! both sides, and actors that are to live once.
//!
//! Messages of a stream come in order until the stream breaks, and then what is under way is lost; leases are asked for and granted by
//! messages that are delayed, doubled, lost and overtake one another. The head ends too, and begins again where it was or elsewhere, while
//! nodes hold on where its address refuses (NODE-3). Checked after every event: NODE-1, no life of an actor begins while
//! an earlier one runs; NODE-2, a node that is given up has stopped by its own clock; and what the head checks itself. When everything is
//! healed at the end, every machine is back and every actor lives once.

mod heads;
mod machine;
mod peace;
mod planted;
mod world;

#[cfg(test)]
mod tests;

pub use planted::{Counts, Planted};

use trygon_control_core::PresenceDefects;
use trygon_node_core::OwnLeaseDefects;

/// One run of a seed: the counts, or what was broken and when.
///
/// # Errors
/// A sentence that names the law.
pub fn run(seed: u64, planted: Planted) -> Result<Counts, String> {
    world::World::new(seed, planted).run()
}

/// The planted defects: the law that each breaks, its name, and how it is planted.
pub const DEFECTS: [(&str, &str, Planted); 4] = [
    (
        "NODE-1",
        "a node goes on when its lease is over",
        Planted {
            node: OwnLeaseDefects { ignores_the_end: true, counts_from_the_answer: false, holds_for_ever: false },
            head: PresenceDefects::NONE,
        },
    ),
    (
        "NODE-2",
        "a lease counts from the answer on",
        Planted {
            node: OwnLeaseDefects { ignores_the_end: false, counts_from_the_answer: true, holds_for_ever: false },
            head: PresenceDefects::NONE,
        },
    ),
    (
        "NODE-2",
        "a node without a stream is given up whatever its lease",
        Planted {
            node: OwnLeaseDefects { ignores_the_end: false, counts_from_the_answer: false, holds_for_ever: false },
            head: PresenceDefects { is_hasty: true, ..PresenceDefects::NONE },
        },
    ),
    (
        "NODE-3",
        "a node holds on however long the head's address refuses",
        Planted {
            node: OwnLeaseDefects { ignores_the_end: false, counts_from_the_answer: false, holds_for_ever: true },
            head: PresenceDefects::NONE,
        },
    ),
];
