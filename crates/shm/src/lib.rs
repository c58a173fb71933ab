//! Shared memory: segments, their mappings, wide copies into them, and the worker's side of the flight recorder.
//!
//! A segment is a memfd. Whoever creates it populates its pages, so that they are charged there, and hands out descriptors: a writable one
//! to one process, read-only ones to all others. Knows nothing of objects, of who may write where, nor of sockets: which process
//! writes a range, and when a range stops changing, is decided by the store (STORE-1, STORE-2) and trusted here.

mod copy;
mod huge;
mod mapping;
mod populate;
mod recorder;
mod segment;

pub use copy::{CopyPlan, copy_parts, copy_slice};
pub use mapping::{ReadOnlyMapping, SegmentBytes, WritableMapping};
pub use recorder::{
    Full, Recorder, StagedCursor, StagedFrame, create_recorder_descriptor, read_recorder_descriptor,
    unacknowledged_bytes,
};
pub use segment::{PAGE_BYTES, Segment};
