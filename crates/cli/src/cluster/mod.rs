//! Nodes that stay: started, stopped, and asked how they are.

pub(crate) mod args;
mod connection;
mod drain;
mod explain;
mod fence;
mod machine;
mod node_request;
mod nodes;
mod spill;
mod start;
mod status;
mod stop;
mod symmetric_run;

pub(crate) use drain::drain;
pub(crate) use explain::explain;
pub(crate) use fence::fence;
pub(crate) use start::start;
pub(crate) use status::status;
pub(crate) use stop::stop;
pub(crate) use symmetric_run::symmetric_run;
