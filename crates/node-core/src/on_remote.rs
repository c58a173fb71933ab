//! Leases for owners on other nodes, and leases of other nodes for owners here.

use crate::abroad::Home;
use crate::cluster::Foreign;
use crate::lease::{Purpose, Refusal};
use crate::queue::Waiting;
use crate::{Effect, Event, LeaseId, Node, RemoteAsk};
use std::collections::BTreeSet;
use trygon_ids::{NodeId, WorkerId};
use trygon_placement::Demand;

impl Node {
    /// Everything that another node has to say.
    pub(crate) fn on_remote(&mut self, now_ms: u64, event: Event, effects: &mut Vec<Effect>) {
        match event {
            Event::RemoteAsk(ask) => self.on_remote_ask(now_ms, ask, effects),
            Event::RemoteCancel { node, owner, request_id } => {
                let is_it = |waiting: &Waiting| matches!(waiting.purpose, Purpose::Tasks { request_id: own } if own == request_id);
                self.queue.take_from_owner(node, owner, is_it);
            }
            Event::RemoteGranted { node, owner, request_id, lease, worker, devices } => {
                let foreign = Foreign { node, owner, worker };
                if !self.on_remote_granted(request_id, lease, foreign) {
                    if self.defects.unwanted_kept {
                        self.cluster.foreign.insert(lease, Foreign { node, owner, worker });
                    } else {
                        effects.push(Effect::ForwardReturn { node, owner, lease, worker_exiting: false });
                    }
                    return;
                }
                effects.push(Effect::Grant { owner, request_id, lease, worker, devices });
            }
            Event::RemoteDeclined { node, owner, request_id, count, free } => {
                let mut left = count;
                while left > 0 {
                    let is_it = |waiting: &Waiting| waiting.abroad.asked_of(node) > 0;
                    let Some(waiting) = self.queue.request(owner, request_id, is_it) else {
                        break;
                    };
                    let known = waiting.abroad.declined(node, left, now_ms);
                    let named = waiting.demand.named_amounts();
                    if !self.defects.declined_taken {
                        self.cluster.view.answered(node, &named, known);
                    }
                    left -= known;
                }
                self.cluster.view.set_free(node, free);
            }
            Event::RemoteRefused { node, owner, request_id, refusal, message } => {
                self.on_remote_refused(node, owner, request_id, refusal, &message, effects);
            }
            Event::NodeLost { node } => self.on_node_lost(node, effects),
            Event::OwnersLost { owners } => {
                owners.into_iter().for_each(|owner| self.on_process_died(now_ms, owner, effects));
            }
            Event::LinkLost { node } => self.on_link_lost(now_ms, node),
            Event::LinkUp { node, leases } => self.on_link_up(now_ms, node, &leases),
            _ => {}
        }
    }

    /// The request joins the line of its owner, as if that were here. What does not fit is declined by the pass that follows.
    fn on_remote_ask(&mut self, now_ms: u64, ask: RemoteAsk, effects: &mut Vec<Effect>) {
        let RemoteAsk { node, request, may_wait } = ask;
        if request.count == 0 {
            return;
        }
        let demand = Demand::parse(&request.resources);
        let (owner, request_id, count) = (request.owner, request.request_id, request.count);
        let is_meant = demand.node.as_ref().is_none_or(|wanted| *wanted == self.options.node_id);
        let could = is_meant && self.has_labels(&demand) && self.could_take(&demand);
        if self.cluster.is_draining || !could {
            let free = self.free_by_name();
            effects.push(Effect::DeclineAsk { node, owner, request_id, count, free });
            return;
        }
        let purpose = Purpose::Tasks { request_id };
        let waiting = Waiting::new(request.job, purpose, demand, count, now_ms);
        let waiting = waiting.of(request.depth, request.name, request.environment);
        self.queue.push(owner, Waiting { home: Some(Home { node, may_wait }), ..waiting });
    }

    /// Whether the demand could be met here if everything else ended. A group that is not here is not.
    pub(crate) fn could_take(&self, demand: &Demand) -> bool {
        demand.part.as_ref().is_none_or(|part| self.groups.contains_key(&part.group)) && self.is_feasible(demand)
    }

    /// SPILL-2: false for a grant that nobody waits for any more.
    fn on_remote_granted(&mut self, request_id: u64, lease: LeaseId, foreign: Foreign) -> bool {
        let Foreign { node, owner, .. } = foreign;
        let is_it = |waiting: &Waiting| waiting.abroad.asked_of(node) > 0;
        let Some(named) = self.queue.request(owner, request_id, is_it).map(|waiting| waiting.demand.named_amounts())
        else {
            return false;
        };
        self.cluster.view.granted(node, &named);
        if !self.defects.asks_more {
            self.queue.granted_abroad(owner, request_id, node);
        }
        self.cluster.foreign.insert(lease, foreign);
        true
    }

    fn on_remote_refused(
        &mut self,
        node: NodeId,
        owner: WorkerId,
        request_id: u64,
        refusal: Refusal,
        message: &str,
        effects: &mut Vec<Effect>,
    ) {
        let is_it = |waiting: &Waiting| waiting.abroad.asked_of(node) > 0;
        if self.queue.request(owner, request_id, is_it).is_none() {
            return;
        }
        // The refusing node forgot it already.
        for waiting in self.queue.cancel_tasks(owner, request_id) {
            let named = waiting.demand.named_amounts();
            let asked = waiting.abroad.asked_of(node);
            self.cluster.view.answered(node, &named, asked);
            self.recall_but(Some(node), owner, &waiting, effects);
        }
        let message = message.to_owned();
        effects.push(Effect::LeaseRefused { owner, request_id, refusal, message });
    }

    /// A request is no more: what was asked of others is not wanted.
    pub(crate) fn recall(&mut self, owner: WorkerId, waiting: &Waiting, effects: &mut Vec<Effect>) {
        self.recall_but(None, owner, waiting, effects);
    }

    fn recall_but(&mut self, knows: Option<NodeId>, owner: WorkerId, waiting: &Waiting, effects: &mut Vec<Effect>) {
        let Purpose::Tasks { request_id } = waiting.purpose else {
            return;
        };
        for (node, ask) in waiting.abroad.open().filter(|(node, _)| Some(*node) != knows) {
            self.cluster.view.answered(node, &waiting.demand.named_amounts(), ask.count);
            effects.push(Effect::CancelAsk { node, owner, request_id });
        }
    }

    /// A request will never be met: whoever asked is told, and others who were asked.
    pub(crate) fn refuse(
        &mut self,
        owner: WorkerId,
        waiting: &Waiting,
        refusal: Refusal,
        message: String,
        effects: &mut Vec<Effect>,
    ) {
        self.recall(owner, waiting, effects);
        effects.push(match (waiting.home, &waiting.purpose) {
            (Some(home), Purpose::Tasks { request_id }) => {
                Effect::RefuseAsk { node: home.node, owner, request_id: *request_id, refusal, message }
            }
            (_, purpose) => crate::on_group::refused(owner, purpose, refusal, message),
        });
    }

    /// A lease of another node is given back. False when it is none of those.
    pub(crate) fn return_foreign(
        &mut self,
        owner: WorkerId,
        lease: LeaseId,
        worker_exiting: bool,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let Some(foreign) = self.cluster.foreign.get(&lease).filter(|foreign| foreign.owner == owner) else {
            return false;
        };
        let node = foreign.node;
        self.cluster.foreign.remove(&lease);
        effects.push(Effect::ForwardReturn { node, owner, lease, worker_exiting });
        true
    }

    /// SPILL-5: a process is dead, as an owner of leases elsewhere and as the worker of some.
    pub(crate) fn forget_foreign(&mut self, process: WorkerId, effects: &mut Vec<Effect>) {
        let granted: BTreeSet<NodeId> =
            self.cluster.foreign.values().filter(|lease| lease.owner == process).map(|lease| lease.node).collect();
        if !self.defects.gone_kept {
            self.cluster.foreign.retain(|_, lease| lease.owner != process && lease.worker != process);
        }
        effects.extend(granted.into_iter().map(|node| Effect::OwnerGone { node, owner: process }));
    }
}
