//! A worker waits for others and lends its CPUs meanwhile.

use crate::Node;
use crate::lease::Lease;
use crate::ledger::CPU;
use trygon_ids::WorkerId;

impl Node {
    /// Its CPUs become free. A second message changes nothing.
    pub(crate) fn on_blocked(&mut self, worker: WorkerId) {
        let Some(lease) = lease_of(&self.workers, &mut self.leases, worker) else {
            return;
        };
        if lease.lent.is_none() {
            let (lent, bundle) = (lease.held.amounts.get(CPU), lease.held.bundle);
            lease.lent = Some(lent);
            if let Some(books) = self.books(bundle) {
                books.lend_cpus(lent);
            }
        }
    }

    /// It goes on at once, even when its CPUs are in use: others then wait longer.
    pub(crate) fn on_unblocked(&mut self, worker: WorkerId) {
        let Some(lease) = lease_of(&self.workers, &mut self.leases, worker) else {
            return;
        };
        let bundle = lease.held.bundle;
        if let Some(lent) = lease.lent.take()
            && let Some(books) = self.books(bundle)
        {
            books.take_back_cpus(lent);
        }
    }
}

fn lease_of<'a>(
    workers: &std::collections::BTreeMap<WorkerId, crate::worker::Life>,
    leases: &'a mut std::collections::BTreeMap<crate::LeaseId, Lease>,
    worker: WorkerId,
) -> Option<&'a mut Lease> {
    leases.get_mut(&workers.get(&worker)?.lease()?)
}
