//! What the control service decides: the lives of actors, their names, and what is kept for a job.
//!
//! Knows nothing of sockets, processes or clocks. Its laws:
//! - **ACTOR-1** a name belongs to at most one actor that is not dead, and a dead actor has no name.
//! - **ACTOR-2** an actor restarts at most `max_restarts` times, and each life has a higher incarnation.
//! - **ACTOR-3** what is said of an earlier incarnation changes nothing.
//! - **ACTOR-4** a dead actor stays dead, has one cause, and every watcher hears it.
//! - **ACTOR-5** when its creator dies, an actor that is not detached ends with that as its cause.
//! - **ACTOR-6** an actor whose process died in its constructor more than once in a row rests before its next life, longer each time.
//! - **PLACE-1** a name belongs to at most one placement group that is not removed.
//! - **PLACE-2** a removed placement group stays removed, and every watcher hears it.
//! - **PLACE-3** a group of a detached actor ends with it, unless it is detached too; others end with the job.
//! - **STREAM-1** a node has one stream, the one that it opened last; what comes by an older one is not heard.
//! - **STREAM-3** a node that said farewell is not waited for.
//! - **NODE-1** a node that was given up is never heard again: it comes back as another one.
//! - **NODE-2** a node is given up when its lease and the margin are over, or its daemon has ended; not otherwise.
//! - **NODE-3** while no head runs nobody is given up, and one that begins waits for the nodes of its journal before it gives any up.
//! - **RECORD-1** every table that grows by itself is bounded, and says what it dropped.
#![forbid(unsafe_code)]

mod actors;
mod defects;
mod functions;
mod key_values;
mod placement_groups;
mod presence;
mod task_events;

pub use actors::{Actor, ActorSpec, ActorState, Actors, Created, Death, Effect};
#[doc(hidden)]
pub use defects::{ActorDefects, GroupDefects};
pub use functions::Functions;
pub use key_values::{KeyValueAnswer, KeyValues};
pub use placement_groups::{Group, GroupCreated, GroupEffect, GroupSpec, GroupState, PlacementGroups, Strategy};
pub use presence::{LeaseTerms, Presence, PresenceDefects};
pub use task_events::{TaskEvent, TaskEvents};
