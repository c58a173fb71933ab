//! The table, event by event.

mod chunks;
mod env;
mod flow;
mod random;
mod serve;
mod sources;
mod spread;
mod spread_model;
