//! A node's brain hears anything from the head, from other nodes and from its processes. Input: steps, each a byte for the form, one for how
//! much time passes, and what the form needs: a part with a message, or numbers. Ids of one byte are widened (`universe`).

use crate::input::Input;
use crate::universe::{node as node_of, widen_from_head, widen_from_node, worker};
use prost::Message;
use trygon_control::{actor_id, group_id, resource_set, worker_id};
use trygon_ids::{JobId, NodeId, WorkerId};
use trygon_node_core::{ActorRequest, Effect, Event, GroupRequest, LeaseRequest, Node, Options, Refusal, RemoteAsk};
use trygon_placement::{Delta, NodeState};
use trygon_proto::v1::{HeadToNode, NodeToNode, View, head_to_node, node_to_node};
use trygon_resources::{Amount, ResourceSet};

const MOST_STEPS: usize = 64;

fn new_node() -> Node {
    let amounts = [("CPU", 4), ("GPU", 2), ("memory", 1000)];
    Node::new(Options {
        resources: amounts.iter().map(|(name, amount)| ((*name).to_owned(), Amount::whole(*amount))).collect(),
        node_id: node_of(0).hex(),
        labels: [("zone".to_owned(), "a".to_owned())].into(),
        prestart_workers: 1,
        idle_worker_ms: 1_000,
        max_workers: 6,
        max_parallel_starts: 3,
        environment: 0,
        worker_id_prefix: [1; 20],
    })
}

/// Its laws hold whatever is said.
pub(crate) fn node(data: &[u8]) {
    let mut input = Input::new(data);
    let mut node = new_node();
    let (mut now_ms, mut effects, mut started) = (0, Vec::new(), Vec::new());
    for event in [Event::Start, Event::Numbered { number: 1 }] {
        node.step(now_ms, event, &mut effects);
    }
    for _ in 0..MOST_STEPS {
        if input.is_empty() {
            break;
        }
        let form = input.byte();
        now_ms += input.pause_ms();
        let from = node_of(1 + (form >> 4) % 3);
        let event = match form & 7 {
            0 | 1 => NodeToNode::decode(input.part()).ok().and_then(|message| from_node(from, message.body?)),
            2 | 3 => HeadToNode::decode(input.part()).ok().and_then(|message| from_head(message.body?)),
            4 => Some(Event::Tick),
            _ => Some(of_process(form, &mut input, &mut started)),
        };
        let Some(event) = event else { continue };
        let told = format!("{event:?}");
        node.step(now_ms, event, &mut effects);
        if let Err(broken) = node.sanity_check() {
            panic!("{broken}\nafter {told}");
        }
        assert!(effects.len() < 10_000, "{} effects of {told}", effects.len());
        for effect in effects.drain(..) {
            if let Effect::StartWorker { worker, .. } = effect {
                started.push(worker);
            }
        }
    }
    let _ = (node.held_bundles(), node.leases_from(node_of(1)), node.free_by_name());
}

fn job(bytes: &[u8]) -> JobId {
    JobId::from_bytes(bytes).unwrap_or(JobId::nil())
}

fn shape(input: &mut Input<'_>) -> ResourceSet {
    let form = input.byte();
    let units = i64::from(form >> 2) * 5_000;
    let name = ["CPU", "GPU", "memory", "other"][usize::from(form & 3)];
    [(name.to_owned(), Amount::from_units(units))].into_iter().collect()
}

/// What a process of this node does, as its daemon sees it.
fn of_process(form: u8, input: &mut Input<'_>, started: &mut Vec<WorkerId>) -> Event {
    let choice = input.byte();
    let index = usize::from(choice >> 4);
    let process = if started.is_empty() { worker(choice >> 4) } else { started[index % started.len()] };
    match (form >> 3 & 1, choice & 7) {
        (0, 0 | 1) => {
            started.retain(|other| *other != process);
            Event::ProcessDied { process }
        }
        (0, 2) => Event::WorkerExiting { worker: process },
        (0, 3) => Event::WorkerOwns { worker: process, owns: choice & 8 == 0 },
        (0, _) => Event::WorkerReady { worker: process },
        (_, 0) => Event::Blocked { worker: process, depth: u32::from(choice >> 4) },
        (_, 1) => Event::Unblocked { worker: process },
        (_, 2) => Event::LeaseReturned { owner: process, lease: input.number(), worker_exiting: choice & 8 == 0 },
        (_, 3) => Event::LeaseCancelled { owner: process, request_id: u64::from(input.byte() & 3) },
        (_, 4) => Event::NodeLost { node: node_of(1 + choice % 3) },
        (_, 5) => Event::LinkLost { node: node_of(1 + choice % 3) },
        _ => Event::LeaseRequested(LeaseRequest {
            owner: process,
            job: JobId::new([choice >> 6, 0, 0, 0]),
            request_id: u64::from(input.byte() & 3),
            resources: shape(input),
            count: input.number() as u32,
            depth: u32::from(input.byte() & 3),
            name: "task".to_owned(),
            environment: 0,
        }),
    }
}

/// As `crates/node/src/cluster/from_node.rs` does it.
fn from_node(node: NodeId, mut body: node_to_node::Body) -> Option<Event> {
    use node_to_node::Body;
    widen_from_node(&mut body);
    Some(match body {
        Body::Ask(ask) => Event::RemoteAsk(RemoteAsk {
            node,
            request: LeaseRequest {
                owner: worker_id(&ask.owner),
                job: job(&ask.job_id),
                request_id: ask.request_id,
                resources: resource_set(&ask.resources),
                count: ask.count,
                depth: ask.depth,
                name: ask.name,
                environment: 0,
            },
            may_wait: ask.may_wait,
        }),
        Body::Cancel(message) => {
            Event::RemoteCancel { node, owner: worker_id(&message.owner), request_id: message.request_id }
        }
        Body::GiveBack(message) => Event::LeaseReturned {
            owner: worker_id(&message.owner),
            lease: message.lease_id,
            worker_exiting: message.worker_exiting,
        },
        Body::Grant(message) => Event::RemoteGranted {
            node,
            owner: worker_id(&message.owner),
            request_id: message.request_id,
            lease: message.lease_id,
            worker: worker_id(&message.worker_id),
            devices: message.devices.into_iter().map(|devices| (devices.resource, devices.indices)).collect(),
        },
        Body::Decline(message) => Event::RemoteDeclined {
            node,
            owner: worker_id(&message.owner),
            request_id: message.request_id,
            count: message.count,
            free: resource_set(&message.free),
        },
        Body::Refuse(message) => Event::RemoteRefused {
            node,
            owner: worker_id(&message.owner),
            request_id: message.request_id,
            refusal: Refusal::Unschedulable,
            message: message.message,
        },
        Body::OwnersGone(message) => {
            Event::OwnersLost { owners: message.owners.iter().map(|owner| worker_id(owner)).collect() }
        }
        Body::Held(message) => Event::LinkUp { node, leases: message.leases },
        _ => return None,
    })
}

/// As `crates/node/src/on_head_message.rs` does it.
fn from_head(mut body: head_to_node::Body) -> Option<Event> {
    use head_to_node::Body;
    widen_from_head(&mut body);
    Some(match body {
        Body::View(view) => Event::ClusterChanged(delta(view)),
        Body::JobStarted(started) => {
            let started = started.job?;
            Event::JobWeighted { job: job(&started.job_id), weight: started.weight }
        }
        Body::JobEnded(ended) => Event::JobWeighted { job: job(&ended.job_id), weight: 0.0 },
        Body::PlaceActor(place) => {
            let actor = place.actor?;
            Event::ActorWanted(ActorRequest {
                actor: actor_id(&actor.actor_id),
                incarnation: place.incarnation,
                owner: worker_id(&place.creator),
                placement: resource_set(&actor.placement_resources),
                lifetime: resource_set(&actor.lifetime_resources),
                depth: actor.depth,
                name: actor.class_name,
                environment: 0,
            })
        }
        Body::UnplaceActor(unplace) => Event::ActorUnwanted { actor: actor_id(&unplace.actor_id) },
        Body::ActorRunning(running) => Event::ActorRunning { worker: worker_id(&running.worker_id) },
        Body::ReserveGroup(reserve) => Event::GroupWanted(GroupRequest {
            group: group_id(&reserve.group_id),
            owner: worker_id(&reserve.creator),
            bundles: reserve.bundles.iter().map(|bundle| resource_set(&bundle.resources)).collect(),
            apart: reserve.apart,
            labels: Some(reserve.labels).filter(|labels| !labels.is_empty()),
            name: reserve.name,
        }),
        Body::PrepareBundles(prepare) => Event::BundlesPrepare {
            group: group_id(&prepare.group_id),
            attempt: prepare.attempt,
            bundles: prepare.bundles.iter().map(|bundle| (bundle.index, resource_set(&bundle.resources))).collect(),
        },
        Body::CommitBundles(commit) => {
            Event::BundlesCommit { group: group_id(&commit.group_id), attempt: commit.attempt }
        }
        Body::ReleaseGroup(release) if release.attempt == 0 => {
            Event::GroupRemoved { group: group_id(&release.group_id) }
        }
        Body::ReleaseGroup(release) => {
            Event::BundlesReturn { group: group_id(&release.group_id), attempt: release.attempt }
        }
        _ => return None,
    })
}

/// As `crates/node/src/cluster/view.rs` does it.
fn delta(view: View) -> Delta {
    let mut delta = Delta { is_whole: view.is_whole, ..Delta::default() };
    for node in view.nodes {
        let Ok(id) = NodeId::from_bytes(&node.node_id) else { continue };
        if node.state == "dead" {
            delta.gone.push(id);
            continue;
        }
        delta.nodes.push(NodeState {
            node: id,
            number: node.node_number,
            total: resource_set(&node.total),
            free: resource_set(&node.free),
            labels: node.labels.into_iter().collect(),
            is_draining: node.state == "draining",
            queued: u64::from(node.waiting),
        });
    }
    delta
}
