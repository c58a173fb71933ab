//! Every identifier of the engine: its bytes, its text form and its parts.
//!
//! Sizes are those of Ray, so that programs which store or compare identifiers go on working. A task id carries the
//! slot and generation of its owner's table, so that a reply finds its entry without hashing.
#![forbid(unsafe_code)]

mod macros;
mod object;
mod task;
mod unique;

pub use object::{ObjectId, PUT_INDEX_BIT};
pub use task::{OwnerIncarnation, TaskId};
pub use unique::{
    ActorId, FunctionHash, IdError, JobId, NEAR_NODE_NUMBER, NodeId, PlacementGroupId, SegmentId, WISHES, WorkerId,
};
