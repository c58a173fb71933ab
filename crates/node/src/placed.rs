//! An actor between its worker and its constructor.

use trygon_ids::WorkerId;
use trygon_resources::ResourceSet;
use trygon_wire::control::Devices;

/// A worker that was found for an actor and waits for the head's word.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) worker: WorkerId,
    /// Which life of the actor it is for.
    pub(crate) incarnation: u32,
    pub(crate) devices: Vec<Devices>,
    pub(crate) lifetime: ResourceSet,
}

/// An actor that was started here.
#[derive(Debug)]
pub(crate) struct ActorHere {
    pub(crate) worker: WorkerId,
    pub(crate) incarnation: u32,
    /// Its constructor is done, as far as the head has said.
    pub(crate) is_running: bool,
}
