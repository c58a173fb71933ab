//! Leases that are taken back so that another job gets its share (FAIR-2).

use crate::LeaseId;
use std::collections::BTreeSet;
use trygon_ids::JobId;
use trygon_resources::ResourceSet;

/// Room that is being made for one lease of a request.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    /// The request.
    pub(crate) ticket: u64,
    /// Its job.
    pub(crate) job: JobId,
    /// What the lease will hold.
    pub(crate) amounts: ResourceSet,
    /// Whether it is for tasks.
    pub(crate) is_of_tasks: bool,
    /// What was asked back and has not come back yet.
    pub(crate) leases: BTreeSet<LeaseId>,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Claims(pub(crate) Vec<Claim>);

impl Claims {
    /// How many leases are being made room for, for one request.
    pub(crate) fn promised(&self, ticket: u64) -> u32 {
        self.0.iter().filter(|claim| claim.ticket == ticket).count() as u32
    }

    /// One lease of the request was granted.
    pub(crate) fn granted(&mut self, ticket: u64) {
        if let Some(position) = self.0.iter().position(|claim| claim.ticket == ticket) {
            self.0.remove(position);
        }
    }

    /// What is coming to a job's tasks, or to its actors and groups.
    pub(crate) fn coming(&self, job: JobId, is_of_tasks: bool) -> impl Iterator<Item = &ResourceSet> {
        let of_job = self.0.iter().filter(move |claim| claim.job == job && claim.is_of_tasks == is_of_tasks);
        of_job.map(|claim| &claim.amounts)
    }

    /// Everything that was asked back and has not come back yet.
    pub(crate) fn leases(&self) -> impl Iterator<Item = LeaseId> {
        self.0.iter().flat_map(|claim| claim.leases.iter().copied())
    }
}
