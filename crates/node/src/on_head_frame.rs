//! Frames about actors, functions and keys: the head answers them.

use crate::service::Service;
use trygon_proto::v1::from_process::Request;
use trygon_wire::{FrameError, Kind, decode};

impl Service {
    /// Hands one on.
    pub(crate) fn on_head_frame(&mut self, from: u64, kind: Kind, body: &[u8]) -> Result<(), FrameError> {
        let request = match kind {
            Kind::CreateActor => Request::CreateActor(decode(body)?),
            Kind::WatchActor => Request::WatchActor(decode(body)?),
            Kind::KillActor => Request::KillActor(decode(body)?),
            Kind::ActorStarted => Request::ActorStarted(decode(body)?),
            Kind::GetNamedActor => Request::GetNamedActor(decode(body)?),
            Kind::FunctionPut => Request::FunctionPut(decode(body)?),
            Kind::FunctionGet => Request::FunctionGet(decode(body)?),
            Kind::KeyValueRequest => Request::KeyValue(decode(body)?),
            Kind::CreatePlacementGroup => Request::CreateGroup(decode(body)?),
            Kind::RemovePlacementGroup => Request::RemoveGroup(decode(body)?),
            Kind::WatchPlacementGroup => Request::WatchGroup(decode(body)?),
            _ => return Err(FrameError::Malformed("kind that is not for the head")),
        };
        self.ask_head(Some(from), request);
        Ok(())
    }
}
