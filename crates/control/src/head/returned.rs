//! A node registers again: after the head was away, or after their connection broke. What one of them said last may be lost.
//!
//! - **BACK-1** what the head believes to be on the node and is not there is gone; what is there and nobody knows of goes.
//! - **BACK-2** what the node was told and may not have heard it is told again; hearing it twice does what hearing it once does.

use crate::head::node_table::Nodes;
use crate::head::plan::{BundlePlace, Plan};
use crate::head::{Head, Out};
use crate::translate::{actor_id, group_id, worker_id};
use std::collections::BTreeSet;
use trygon_control_core::ActorState;
use trygon_ids::{ActorId, JobId, NodeId, PlacementGroupId, WorkerId};
use trygon_proto::control::Death;
use trygon_proto::v1::head_to_node::Body;
use trygon_proto::v1::{ActorPlaced, CommitBundles, HeldBundle, RegisterNode, StartJob, UnplaceActor};

impl Head {
    /// Brings what the head believes of the node and what the node says together.
    pub(super) fn reconcile(&mut self, node: NodeId, is_known: bool, message: RegisterNode, out: &mut Out) {
        let RegisterNode { actors, jobs, bundles, processes, starting, .. } = message;
        let placing = self.placing.iter().filter(|(_, placing)| placing.node == node);
        let placing: Vec<ActorId> = placing.map(|(actor, _)| *actor).collect();
        let reported: BTreeSet<JobId> = jobs.iter().filter_map(|job| JobId::from_bytes(&job.job_id).ok()).collect();
        for job in jobs {
            self.on_job_again(node, job, out);
        }
        if is_known {
            self.end_missing_jobs(node, &reported, out);
            self.end_missing_processes(node, &actors, &processes, out);
        }
        for placed in actors {
            let is_starting = starting.contains(&placed.actor_id);
            self.on_actor_there(node, placed, is_starting, out);
        }
        if self.nodes.is_alone() {
            return;
        }
        self.ask_again(node, &placing, out);
        self.on_held_bundles(node, &bundles, out);
    }

    fn on_job_again(&mut self, node: NodeId, job: StartJob, out: &mut Out) {
        let is_known = JobId::from_bytes(&job.job_id).is_ok_and(|id| self.jobs.contains_key(&id));
        if !is_known {
            self.on_start_job(node, job, out);
        }
    }

    /// BACK-1 for jobs. A node that may not have heard that a job was accepted asks again, and its driver waits: that one is not missing.
    fn end_missing_jobs(&mut self, node: NodeId, reported: &BTreeSet<JobId>, out: &mut Out) {
        let unheard = self.nodes.accepted_unheard(node);
        let is_missing = |id: &JobId, job: &StartJob| {
            Nodes::is_home(node, worker_id(&job.driver_id)) && !reported.contains(id) && !unheard.contains(id)
        };
        let missing: Vec<Vec<u8>> =
            self.jobs.iter().filter(|(id, job)| is_missing(id, job)).map(|(_, job)| job.job_id.clone()).collect();
        for job in missing {
            self.on_end_job(&job, &unheard_death(), out);
        }
    }

    /// BACK-1 for workers and drivers.
    fn end_missing_processes(&mut self, node: NodeId, actors: &[ActorPlaced], processes: &[Vec<u8>], out: &mut Out) {
        let mut here: BTreeSet<WorkerId> = actors.iter().map(|placed| worker_id(&placed.worker_id)).collect();
        here.extend(processes.iter().map(|process| worker_id(process)));
        let is_told = |worker: &WorkerId| !processes.is_empty() || self.actors.on_worker(*worker).is_some();
        let is_believed = self.defects.missing_believed;
        let missing: Vec<WorkerId> = self
            .known_processes_of(node)
            .into_iter()
            .filter(|worker| !here.contains(worker) && is_told(worker) && !is_believed)
            .collect();
        for worker in missing {
            self.on_process_ended(worker, &unheard_death(), out);
        }
    }

    /// An actor has a worker there.
    fn on_actor_there(&mut self, node: NodeId, placed: ActorPlaced, is_starting: bool, out: &mut Out) {
        let (actor, worker) = (actor_id(&placed.actor_id), worker_id(&placed.worker_id));
        if self.actors.on_worker(worker) != Some(actor) {
            return self.on_actor_placed(node, placed, out);
        }
        // BACK-2
        self.pids.insert(worker, placed.pid);
        let Some(entry) = self.actors.get(actor) else {
            return;
        };
        match entry.state {
            ActorState::Constructing { .. } => self.start(actor, worker, out),
            ActorState::Alive { .. } if entry.is_out_of_scope() => self.tell_drain(worker, out),
            ActorState::Alive { .. } if is_starting && !self.defects.told_once => self.tell_running(worker, out),
            _ => {}
        }
    }

    /// BACK-2 for actors that wait for a worker there. Said off and on, so that the node looks for one worker, not two.
    fn ask_again(&mut self, node: NodeId, asked: &[ActorId], out: &mut Out) {
        for actor in asked {
            let is_asked = self.placing.get(actor).is_some_and(|placing| placing.node == node);
            if is_asked && !self.defects.asked_once {
                let unplace = UnplaceActor { actor_id: actor.as_bytes().to_vec() };
                Self::tell(node, Body::UnplaceActor(unplace), out);
                self.tell_place(*actor, node, out);
            }
        }
    }

    /// BACK-1 and BACK-2 for bundles.
    fn on_held_bundles(&mut self, node: NodeId, held: &[HeldBundle], out: &mut Out) {
        let mut here: BTreeSet<(PlacementGroupId, usize)> = BTreeSet::new();
        let mut unused: BTreeSet<(PlacementGroupId, u32)> = BTreeSet::new();
        let mut uncommitted: BTreeSet<(PlacementGroupId, u32)> = BTreeSet::new();
        for bundle in held {
            let (group, index) = (group_id(&bundle.group_id), bundle.index as usize);
            let place = self.plans.get(&group).and_then(|plan| plan.bundles.get(index)).copied();
            match place {
                Some(BundlePlace::Held { node: at, attempt }) if at == node && attempt == bundle.attempt => {
                    here.insert((group, index));
                    if !bundle.is_committed {
                        uncommitted.insert((group, attempt));
                    }
                }
                // It is asked again below.
                Some(BundlePlace::Asked(at)) if at == node => {}
                _ => {
                    unused.insert((group, bundle.attempt));
                }
            }
        }
        for (group, attempt) in unused.iter().filter(|_| !self.defects.unknown_kept) {
            Self::tell_release(node, *group, *attempt, out);
        }
        for (group, attempt) in uncommitted.difference(&unused).filter(|_| !self.defects.committed_once) {
            let (group_id, attempt) = (group.as_bytes().to_vec(), *attempt);
            Self::tell(node, Body::CommitBundles(CommitBundles { group_id, attempt }), out);
        }
        let touched: Vec<PlacementGroupId> =
            self.plans.iter().filter(|(_, plan)| plan.touches(node)).map(|(group, _)| *group).collect();
        for group in touched {
            self.ask_bundles_again(node, group, &here, &unused, out);
        }
    }

    fn ask_bundles_again(
        &mut self,
        node: NodeId,
        group: PlacementGroupId,
        here: &BTreeSet<(PlacementGroupId, usize)>,
        unused: &BTreeSet<(PlacementGroupId, u32)>,
        out: &mut Out,
    ) {
        let Some(plan) = self.plans.get(&group) else {
            return;
        };
        if plan.asked.contains_key(&node) && !self.defects.prepared_once {
            self.tell_prepare(node, group, out);
        }
        let is_lost = |plan: &Plan, index: usize| match plan.bundles[index] {
            BundlePlace::Held { node: at, attempt } => {
                at == node && (!here.contains(&(group, index)) || unused.contains(&(group, attempt)))
            }
            BundlePlace::Nowhere | BundlePlace::Asked(_) => false,
        };
        let lost: Vec<usize> = (0..plan.bundles.len()).filter(|index| is_lost(plan, *index)).collect();
        if !lost.is_empty() {
            self.lose_bundles(group, node, |index| lost.contains(&index), out);
        }
    }
}

fn unheard_death() -> Death {
    let message = "it ended while its node could not reach the head".to_owned();
    Death { kind: "unheard".to_owned(), message, ..Death::default() }
}
