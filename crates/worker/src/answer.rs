//! Answers of the daemon that wait to be taken by whoever asked.

use rustix::fd::OwnedFd;
use trygon_wire::control;

/// An answer that waits to be taken.
#[derive(Debug)]
pub(crate) enum Answer {
    SegmentGranted,
    SegmentRefused(control::SegmentRefused),
    ActorCreated(control::CreateActorReply),
    NamedActor(control::NamedActor),
    GroupCreated(control::PlacementGroupReply),
    State(control::StateReply),
    KeyValue(control::KeyValueReply),
    NodeStarted(control::NodeStarted),
    NodeFailed(control::NodeFailed),
    WorkerSetup(control::WorkerSetup, OwnedFd),
    Cancelled { actor_forced: bool },
    Failed(String),
}
