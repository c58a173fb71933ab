//! What a worker runs in, as far as the node's decisions go: a number.

/// A runtime environment of this node.
pub type EnvironmentId = u32;

/// The environment in which nothing was asked for; it needs no preparation.
pub const PLAIN: EnvironmentId = 0;
