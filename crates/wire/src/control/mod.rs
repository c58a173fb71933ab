//! What drivers, workers and the zygote say to their daemon, and what it answers.
//!
//! One Unix socket each, made by the daemon (the driver's is inherited), so there is nothing to connect to from outside. Replies carry the
//! `request_id` of their request. Descriptors travel beside the first byte of their frame. Byte ids are in their byte form.

mod actors;
mod certificate;
mod environments;
mod explain;
mod objects;
mod placement_groups;
mod processes;
mod sessions;

pub use actors::*;
pub use certificate::*;
pub use environments::*;
pub use explain::*;
pub use objects::*;
pub use placement_groups::*;
pub use processes::*;
pub use sessions::*;
