//! What nodes hear and say, as the daemon translates it.

use trygon_control::{actor_id, amounts, group_id, resource_set, worker_id};
use trygon_ids::{ActorId, WorkerId};
use trygon_node_core::{ActorRequest, Effect, Event, PLAIN};
use trygon_proto::control::{ActorStarted, Death, StartActor};
use trygon_proto::v1::from_process::Request;
use trygon_proto::v1::head_to_node::Body as ToNode;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::{
    ActorPlaced, ActorRefused, ActorWaits, BundlesPrepared, FromProcess, Load, ProcessEnded, Waiting,
};

/// The event that a message of the head is for a node.
pub(crate) fn event(body: ToNode) -> Option<Event> {
    Some(match body {
        ToNode::Registered(registered) => Event::Numbered { number: registered.node_number },
        ToNode::PlaceActor(place) => {
            let actor = place.actor?;
            Event::ActorWanted(ActorRequest {
                actor: actor_id(&actor.actor_id),
                incarnation: place.incarnation,
                owner: worker_id(&place.creator),
                placement: resource_set(&actor.placement_resources),
                lifetime: resource_set(&actor.lifetime_resources),
                depth: actor.depth,
                name: actor.class_name,
                environment: PLAIN,
            })
        }
        ToNode::UnplaceActor(unplace) => Event::ActorUnwanted { actor: actor_id(&unplace.actor_id) },
        ToNode::ActorRunning(running) => Event::ActorRunning { worker: worker_id(&running.worker_id) },
        ToNode::PrepareBundles(prepare) => Event::BundlesPrepare {
            group: group_id(&prepare.group_id),
            attempt: prepare.attempt,
            bundles: prepare.bundles.iter().map(|bundle| (bundle.index, resource_set(&bundle.resources))).collect(),
        },
        ToNode::CommitBundles(commit) => {
            Event::BundlesCommit { group: group_id(&commit.group_id), attempt: commit.attempt }
        }
        ToNode::ReleaseGroup(release) if release.attempt == 0 => {
            Event::GroupRemoved { group: group_id(&release.group_id) }
        }
        ToNode::ReleaseGroup(release) => {
            Event::BundlesReturn { group: group_id(&release.group_id), attempt: release.attempt }
        }
        _ => return None,
    })
}

/// What the head hears of a node's effect.
pub(crate) fn of_effect(effect: Effect) -> Option<Body> {
    Some(match effect {
        Effect::LoadChanged { total, free, queued } => {
            let waiting = queued.into_iter().map(|demand| Waiting {
                resources: amounts(&demand.resources),
                count: demand.count,
                name: demand.name,
                message: demand.message,
            });
            Body::Load(Load { free: amounts(&free), waiting: waiting.collect(), total: amounts(&total) })
        }
        Effect::BundlesPrepared { group, attempt, ok, free } => {
            let (group_id, free) = (group.as_bytes().to_vec(), amounts(&free));
            Body::BundlesPrepared(BundlesPrepared { group_id, attempt, ok, free })
        }
        Effect::ActorRefused { actor, refusal, message } => Body::ActorRefused(ActorRefused {
            actor_id: actor.as_bytes().to_vec(),
            incarnation: 0,
            kind: refusal.as_str().to_owned(),
            message,
        }),
        Effect::ActorWaits { actor, message } => {
            Body::ActorWaits(ActorWaits { actor_id: actor.as_bytes().to_vec(), message })
        }
        _ => return None,
    })
}

pub(crate) fn placed(actor: ActorId, incarnation: u32, worker: WorkerId) -> Body {
    let (actor_id, worker_id) = (actor.as_bytes().to_vec(), worker.as_bytes().to_vec());
    Body::ActorPlaced(ActorPlaced { actor_id, incarnation, worker_id, pid: 1 })
}

pub(crate) fn ended(worker: WorkerId) -> Body {
    let death = Death { kind: "signal".to_owned(), signal: 9, ..Death::default() };
    Body::ProcessEnded(ProcessEnded { worker_id: worker.as_bytes().to_vec(), death: Some(death) })
}

/// The constructor is done.
pub(crate) fn started(worker: WorkerId, start: StartActor) -> Body {
    let started = ActorStarted { actor_id: start.actor_id, incarnation: start.incarnation, error: Vec::new() };
    let request = Some(Request::ActorStarted(started));
    Body::FromProcess(FromProcess { worker_id: worker.as_bytes().to_vec(), job_id: vec![1, 0, 0, 0], request })
}

pub(crate) fn actor(bytes: &[u8]) -> Option<ActorId> {
    ActorId::from_bytes(bytes).ok()
}
