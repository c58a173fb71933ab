//! Resources that are held for a request which has waited long, and how long that is (FAIR-1).

use trygon_ids::JobId;
use trygon_placement::{Demand, GroupPart};
use trygon_resources::ResourceSet;

/// How long a request is overtaken before resources are held for it, and between two holds.
const PATIENCE_MS: u64 = 200;
/// How long the first hold lasts.
pub(crate) const FIRST_HOLD_MS: u64 = 1_000;
/// How long a hold lasts at most.
pub(crate) const MAX_HOLD_MS: u64 = 60_000;

/// What is held, and for whom.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    /// The request.
    pub(crate) ticket: u64,
    /// Its job.
    pub(crate) job: JobId,
    pub(crate) until_ms: u64,
    pub(crate) amounts: ResourceSet,
    pub(crate) part: Option<GroupPart>,
}

impl Hold {
    /// Whether the request with this number and demand has to stand back.
    pub(crate) fn keeps_back(&self, ticket: u64, demand: &Demand) -> bool {
        let is_same_part = match (&self.part, &demand.part) {
            (Some(own), Some(other)) => own.group == other.group,
            (None, None) => true,
            _ => false,
        };
        ticket != self.ticket
            && is_same_part
            && demand.amounts.iter().any(|(name, _)| !self.amounts.get(name).is_zero())
    }
}

/// When a request that waits from now on has waited long enough.
pub(crate) fn patient_until_ms(now_ms: u64) -> u64 {
    now_ms + PATIENCE_MS
}
