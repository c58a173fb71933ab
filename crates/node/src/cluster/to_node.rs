//! What this node tells another one.

use crate::service::Service;
use crate::translate::{amounts, devices};
use trygon_cluster::Outgoing;
use trygon_ids::{NodeId, WorkerId};
use trygon_node_core::{Effect, QueuedDemand};
use trygon_proto::v1::node_to_head::Body as ToHead;
use trygon_proto::v1::node_to_node::Body;
use trygon_proto::v1::{
    AskLeases, BundlesPrepared, CancelAsk, DeclineLeases, GiveBackLease, GrantLease, LeasesWait, Load, NodeToNode,
    OwnersGone, RefuseLeases, RevokeLease, Waiting,
};
use trygon_wire::Kind;
use trygon_wire::control::LeaseWaits;

impl Service {
    /// Tells another node something.
    pub(crate) fn tell_node(&mut self, node: NodeId, body: Body) {
        if let Some(cluster) = &self.cluster {
            cluster.network.send(Outgoing::ToNode { node, message: Box::new(NodeToNode { body: Some(body) }) });
        }
    }

    /// Does what the node's brain asks for and concerns other nodes.
    pub(crate) fn perform_far(&mut self, effect: Effect) {
        let bytes = |owner: WorkerId| owner.as_bytes().to_vec();
        match effect {
            Effect::AskNode { .. } => self.ask_node(effect),
            Effect::CancelAsk { node, owner, request_id } => {
                self.tell_node(node, Body::Cancel(CancelAsk { owner: bytes(owner), request_id }));
            }
            Effect::GrantRemote { node, owner, request_id, lease, worker, devices: held } => {
                let (owner, worker_id) = (bytes(owner), bytes(worker));
                let grant = GrantLease { owner, request_id, lease_id: lease, worker_id, devices: devices(held) };
                self.tell_node(node, Body::Grant(grant));
            }
            Effect::DeclineAsk { node, owner, request_id, count, free } => {
                let decline = DeclineLeases { owner: bytes(owner), request_id, count, free: amounts(&free) };
                self.tell_node(node, Body::Decline(decline));
            }
            Effect::RefuseAsk { node, owner, request_id, refusal, message } => {
                let (owner, kind) = (bytes(owner), refusal.as_str().to_owned());
                self.tell_node(node, Body::Refuse(RefuseLeases { owner, request_id, kind, message }));
            }
            Effect::RevokeRemote { node, owner, lease } => {
                self.tell_node(node, Body::Revoke(RevokeLease { owner: bytes(owner), lease_id: lease }));
            }
            Effect::ForwardReturn { node, owner, lease, worker_exiting } => {
                let give_back = GiveBackLease { owner: bytes(owner), lease_id: lease, worker_exiting };
                self.tell_node(node, Body::GiveBack(give_back));
            }
            Effect::OwnerGone { node, owner } => {
                self.tell_node(node, Body::OwnersGone(OwnersGone { owners: vec![bytes(owner)] }));
            }
            Effect::LoadChanged { total, free, queued } => {
                let waiting = queued.into_iter().map(waiting).collect();
                self.tell_head(ToHead::Load(Load { free: amounts(&free), waiting, total: amounts(&total) }));
            }
            Effect::BundlesPrepared { group, attempt, ok, free } => {
                let (group_id, free) = (group.as_bytes().to_vec(), amounts(&free));
                let prepared = BundlesPrepared { group_id, attempt, ok, free };
                self.tell_head(ToHead::BundlesPrepared(prepared));
            }
            _ => {}
        }
    }

    /// Tells an owner, wherever it is, why its request waits.
    pub(crate) fn send_waits(&mut self, owner: WorkerId, waits: LeaseWaits) {
        let node = self.cluster.as_ref().and_then(|cluster| cluster.nodes.of_worker(owner));
        match node.filter(|_| self.is_elsewhere(owner)) {
            None => self.send(self.number_of(owner), Kind::LeaseWaits, &waits),
            Some(node) => {
                let LeaseWaits { request_id, message, cap_reached } = waits;
                let owner = owner.as_bytes().to_vec();
                self.tell_node(node, Body::Waits(LeasesWait { owner, request_id, message, cap_reached }));
            }
        }
    }

    fn ask_node(&mut self, effect: Effect) {
        let Effect::AskNode { node, owner, job, request_id, resources, count, depth, name, environment, may_wait } =
            effect
        else {
            return;
        };
        let ask = AskLeases {
            owner: owner.as_bytes().to_vec(),
            job_id: job.as_bytes().to_vec(),
            request_id,
            resources: amounts(&resources),
            count,
            depth,
            name,
            environment: self.environments.key_of(environment),
            may_wait,
        };
        self.tell_node(node, Body::Ask(ask));
    }
}

fn waiting(demand: QueuedDemand) -> Waiting {
    let QueuedDemand { resources, count, name, message } = demand;
    Waiting { resources: amounts(&resources), count, name, message }
}
