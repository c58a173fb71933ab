//! A small world for messages: an id of one byte in an input stands for one of few, so that messages are about the same things.

use trygon_ids::{ActorId, NodeId, PlacementGroupId, WorkerId};
use trygon_proto::control::{CreateActor, CreatePlacementGroup};
use trygon_proto::v1::from_process::Request;
use trygon_proto::v1::{
    ActorPlaced, FromProcess, HeldBundle, NodeToHead, RegisterNode, StartJob, head_to_node, node_to_head, node_to_node,
};

/// Nodes there are.
const NODES: u8 = 4;

/// A node of the world.
pub fn node(number: u8) -> NodeId {
    NodeId::new([1 + number % NODES; 28])
}

/// A process: the upper bits say on which node.
pub fn worker(number: u8) -> WorkerId {
    let mut bytes = [1 + (number >> 4) % NODES; 28];
    bytes[20..].copy_from_slice(&u64::from(number & 15).to_be_bytes());
    WorkerId::new(bytes)
}

fn widen(bytes: &mut Vec<u8>, whole: impl Fn(u8) -> Vec<u8>) {
    if let [number] = bytes[..] {
        *bytes = whole(number);
    }
}

fn widen_node(bytes: &mut Vec<u8>) {
    widen(bytes, |number| node(number).as_bytes().to_vec());
}

fn widen_worker(bytes: &mut Vec<u8>) {
    widen(bytes, |number| worker(number).as_bytes().to_vec());
}

fn widen_actor(bytes: &mut Vec<u8>) {
    widen(bytes, |number| vec![number & 7; ActorId::LEN]);
}

fn widen_group(bytes: &mut Vec<u8>) {
    widen(bytes, |number| vec![number & 7; PlacementGroupId::LEN]);
}

fn widen_job(bytes: &mut Vec<u8>) {
    widen(bytes, |number| vec![number & 3, 0, 0, 0]);
}

fn widen_create(create: &mut CreateActor) {
    widen_actor(&mut create.actor_id);
}

fn widen_group_create(create: &mut CreatePlacementGroup) {
    widen_group(&mut create.group_id);
    widen_actor(&mut create.creator_actor);
}

fn widen_placed(placed: &mut ActorPlaced) {
    widen_actor(&mut placed.actor_id);
    widen_worker(&mut placed.worker_id);
}

fn widen_start_job(job: &mut StartJob) {
    widen_job(&mut job.job_id);
    widen_worker(&mut job.driver_id);
}

fn widen_register(register: &mut RegisterNode) {
    widen_node(&mut register.node_id);
    register.actors.iter_mut().for_each(widen_placed);
    register.jobs.iter_mut().for_each(widen_start_job);
    register.bundles.iter_mut().for_each(|HeldBundle { group_id, .. }| widen_group(group_id));
    register.processes.iter_mut().for_each(widen_worker);
    register.starting.iter_mut().for_each(widen_actor);
}

fn widen_request(message: &mut FromProcess) {
    widen_worker(&mut message.worker_id);
    widen_job(&mut message.job_id);
    match &mut message.request {
        Some(Request::CreateActor(create)) => widen_create(create),
        Some(Request::WatchActor(watch)) => widen_actor(&mut watch.actor_id),
        Some(Request::KillActor(kill)) => widen_actor(&mut kill.actor_id),
        Some(Request::ActorStarted(started)) => widen_actor(&mut started.actor_id),
        Some(Request::CreateGroup(create)) => widen_group_create(create),
        Some(Request::RemoveGroup(remove)) => widen_group(&mut remove.group_id),
        Some(Request::WatchGroup(watch)) => widen_group(&mut watch.group_id),
        _ => {}
    }
}

/// The ids in a message of a node to the head.
pub fn widen_to_head(message: &mut NodeToHead) {
    use node_to_head::Body;
    match &mut message.body {
        Some(Body::Register(register)) => widen_register(register),
        Some(Body::FromProcess(request)) => widen_request(request),
        Some(Body::ProcessEnded(ended)) => widen_worker(&mut ended.worker_id),
        Some(Body::StartJob(job)) => widen_start_job(job),
        Some(Body::EndJob(job)) => widen_job(&mut job.job_id),
        Some(Body::ActorPlaced(placed)) => widen_placed(placed),
        Some(Body::ActorRefused(refused)) => widen_actor(&mut refused.actor_id),
        Some(Body::ActorWaits(waits)) => widen_actor(&mut waits.actor_id),
        Some(Body::GroupReserved(reserved)) => widen_group(&mut reserved.group_id),
        Some(Body::GroupWaits(waits)) => widen_group(&mut waits.group_id),
        Some(Body::BundlesPrepared(prepared)) => widen_group(&mut prepared.group_id),
        Some(Body::Drain(drain)) => widen_node(&mut drain.node_id),
        _ => {}
    }
}

/// The ids in what the head tells a node, as far as a node's brain hears of it.
pub fn widen_from_head(body: &mut head_to_node::Body) {
    use head_to_node::Body;
    match body {
        Body::View(view) => view.nodes.iter_mut().for_each(|node| widen_node(&mut node.node_id)),
        Body::PlaceActor(place) => {
            place.actor.iter_mut().for_each(widen_create);
            widen_worker(&mut place.creator);
            widen_job(&mut place.job_id);
        }
        Body::UnplaceActor(unplace) => widen_actor(&mut unplace.actor_id),
        Body::ActorRunning(running) => widen_worker(&mut running.worker_id),
        Body::ReserveGroup(reserve) => {
            widen_group(&mut reserve.group_id);
            widen_worker(&mut reserve.creator);
        }
        Body::PrepareBundles(prepare) => {
            widen_group(&mut prepare.group_id);
            widen_worker(&mut prepare.creator);
        }
        Body::CommitBundles(commit) => widen_group(&mut commit.group_id),
        Body::ReleaseGroup(release) => widen_group(&mut release.group_id),
        Body::JobStarted(started) => started.job.iter_mut().for_each(widen_start_job),
        Body::JobEnded(ended) => widen_job(&mut ended.job_id),
        _ => {}
    }
}

/// The ids in what a node tells another.
pub fn widen_from_node(body: &mut node_to_node::Body) {
    use node_to_node::Body;
    match body {
        Body::Ask(ask) => {
            widen_worker(&mut ask.owner);
            widen_job(&mut ask.job_id);
        }
        Body::Cancel(cancel) => widen_worker(&mut cancel.owner),
        Body::GiveBack(back) => widen_worker(&mut back.owner),
        Body::Grant(grant) => {
            widen_worker(&mut grant.owner);
            widen_worker(&mut grant.worker_id);
        }
        Body::Decline(decline) => widen_worker(&mut decline.owner),
        Body::Refuse(refuse) => widen_worker(&mut refuse.owner),
        Body::OwnersGone(gone) => gone.owners.iter_mut().for_each(widen_worker),
        _ => {}
    }
}
