//! Nodes that stay: started, stopped, and asked how they are.

pub(crate) mod args;
mod connection;
mod machine;
mod start;
mod status;
mod stop;

pub(crate) use start::start;
pub(crate) use status::status;
pub(crate) use stop::stop;
