//! What another node tells this one.

use crate::cluster::certificates;
use crate::cluster::early_ask::EarlyAsk;
use crate::service::Service;
use crate::translate::{resource_set, worker_id};
use trygon_ids::{JobId, NodeId};
use trygon_node_core::{DeviceList, Event, LeaseRequest, Refusal, RemoteAsk};
use trygon_proto::v1::node_to_node::Body;
use trygon_proto::v1::{
    AskLeases, DeclineLeases, GrantLease, LeasesWait, LogsForDriver, NodeToNode, RefuseLeases, RevokeLease,
};
use trygon_wire::Kind;
use trygon_wire::control::LeaseWaits;

/// A job is told to every node when it begins: its first leases may be asked for a little earlier.
const PATIENCE_MS: u64 = 5_000;

impl Service {
    /// Handles one message. Who it is from says the certificate.
    pub(crate) fn on_node_message(&mut self, node: NodeId, message: NodeToNode) {
        let is_gone = self.cluster.as_ref().is_some_and(|cluster| cluster.nodes.is_gone(node));
        let Some(body) = message.body.filter(|_| !is_gone) else {
            return;
        };
        match body {
            Body::Ask(ask) => self.on_ask(node, ask),
            Body::Cancel(message) => {
                let owner = worker_id(&message.owner);
                self.forget_early_ask(node, &message.owner, message.request_id);
                self.node_step(Event::RemoteCancel { node, owner, request_id: message.request_id });
            }
            Body::GiveBack(message) => self.node_step(Event::LeaseReturned {
                owner: worker_id(&message.owner),
                lease: message.lease_id,
                worker_exiting: message.worker_exiting,
            }),
            Body::Grant(message) => self.on_grant(node, message),
            Body::Decline(message) => self.on_decline(node, &message),
            Body::Refuse(message) => self.on_refuse(node, message),
            Body::Revoke(RevokeLease { owner, lease_id }) => {
                self.send_revoke(self.number_of(worker_id(&owner)), lease_id);
            }
            Body::Waits(LeasesWait { owner, request_id, message, cap_reached }) => {
                let number = self.number_of(worker_id(&owner));
                self.send(number, Kind::LeaseWaits, &LeaseWaits { request_id, message, cap_reached });
            }
            Body::PeerDied(message) => self.on_remote_peer_died(node, message),
            Body::OwnersGone(message) => self.on_owners_gone(node, &message),
            Body::Logs(LogsForDriver { driver, lines }) => {
                let number = self.number_of(worker_id(&driver));
                if let Some(lines) = lines.filter(|_| self.is_driver(number)) {
                    self.send(number, Kind::LogLines, &lines);
                }
            }
            Body::Connect(message) => self.on_connect_processes(node, &message),
            Body::ConnectionLost(message) => self.on_connection_lost(node, &message),
            Body::CancelForced(message) => {
                let (worker, owner) = (worker_id(&message.worker), worker_id(&message.owner));
                if self.cluster.as_ref().is_some_and(|cluster| cluster.nodes.of_worker(owner) == Some(node)) {
                    self.look_for_stop(worker, owner);
                }
            }
            Body::Held(message) => self.node_step(Event::LinkUp { node, leases: message.leases }),
            Body::Renew(message) => {
                let renewed = certificates::renew_for(self.cluster.as_ref(), node, &message);
                self.tell_node(node, Body::Renewed(renewed));
            }
            Body::Renewed(message) => self.on_renewed(&message),
            Body::AskStory(message) => self.on_ask_story(node, message),
            Body::Story(message) => self.on_story(node, &message),
        }
    }

    fn on_ask(&mut self, node: NodeId, ask: AskLeases) {
        let job = JobId::from_bytes(&ask.job_id).unwrap_or(JobId::nil());
        if !self.jobs.contains_key(&job) {
            let until_ms = self.now_ms() + PATIENCE_MS;
            if let Some(cluster) = &mut self.cluster {
                cluster.early_asks.push(EarlyAsk { node, ask, until_ms });
            }
            return;
        }
        let environment = self.environment_number(job, &ask.environment);
        let (owner, request_id) = (ask.owner.clone(), ask.request_id);
        if let Err(message) = self.want_environment(environment) {
            let kind = Refusal::NoEnvironment.as_str().to_owned();
            return self.tell_node(node, Body::Refuse(RefuseLeases { owner, request_id, kind, message }));
        }
        let request = LeaseRequest {
            owner: worker_id(&owner),
            job,
            request_id,
            resources: resource_set(&ask.resources),
            count: ask.count,
            depth: ask.depth,
            name: ask.name,
            environment,
        };
        self.node_step(Event::RemoteAsk(RemoteAsk { node, request, may_wait: ask.may_wait }));
    }

    /// A job is known from now on.
    pub(crate) fn answer_early_asks(&mut self, job: JobId) {
        let Some(cluster) = &mut self.cluster else {
            return;
        };
        let (known, others) =
            std::mem::take(&mut cluster.early_asks).into_iter().partition(|early| early.ask.job_id == job.as_bytes());
        cluster.early_asks = others;
        let known: Vec<EarlyAsk> = known;
        known.into_iter().for_each(|early| self.on_ask(early.node, early.ask));
    }

    /// The jobs of these are over, or never came: the other nodes look elsewhere.
    pub(crate) fn on_early_asks_deadline(&mut self) {
        let now_ms = self.now_ms();
        let free = self.node.free_by_name();
        let Some(cluster) = &mut self.cluster else {
            return;
        };
        let (over, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut cluster.early_asks).into_iter().partition(|early| early.until_ms <= now_ms);
        cluster.early_asks = others;
        for EarlyAsk { node, ask, .. } in over {
            let AskLeases { owner, request_id, count, .. } = ask;
            let free = crate::translate::amounts(&free);
            self.tell_node(node, Body::Decline(DeclineLeases { owner, request_id, count, free }));
        }
    }

    fn forget_early_ask(&mut self, node: NodeId, owner: &[u8], request_id: u64) {
        if let Some(cluster) = &mut self.cluster {
            cluster
                .early_asks
                .retain(|early| early.node != node || early.ask.owner != owner || early.ask.request_id != request_id);
        }
    }

    fn on_grant(&mut self, node: NodeId, message: GrantLease) {
        let devices: DeviceList =
            message.devices.into_iter().map(|devices| (devices.resource, devices.indices)).collect();
        self.node_step(Event::RemoteGranted {
            node,
            owner: worker_id(&message.owner),
            request_id: message.request_id,
            lease: message.lease_id,
            worker: worker_id(&message.worker_id),
            devices,
        });
    }

    fn on_decline(&mut self, node: NodeId, message: &DeclineLeases) {
        self.node_step(Event::RemoteDeclined {
            node,
            owner: worker_id(&message.owner),
            request_id: message.request_id,
            count: message.count,
            free: resource_set(&message.free),
        });
    }

    fn on_refuse(&mut self, node: NodeId, message: RefuseLeases) {
        let known = [Refusal::GroupRemoved, Refusal::Unschedulable, Refusal::NoEnvironment];
        let refusal = known.into_iter().find(|refusal| refusal.as_str() == message.kind);
        self.node_step(Event::RemoteRefused {
            node,
            owner: worker_id(&message.owner),
            request_id: message.request_id,
            refusal: refusal.unwrap_or(Refusal::Unschedulable),
            message: message.message,
        });
    }
}
