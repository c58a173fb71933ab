//! The death of another machine's process, while its last words may still be underway.

use trygon_ids::WorkerId;
use trygon_wire::control::PeerDied;
use trygon_worker_core::PeerIndex;

/// A death that is known, of a process whose last words may still be underway.
#[derive(Debug)]
pub(crate) struct KnownDeath {
    pub(crate) worker: WorkerId,
    pub(crate) index: PeerIndex,
    pub(crate) message: PeerDied,
    pub(crate) until_ns: u64,
}
