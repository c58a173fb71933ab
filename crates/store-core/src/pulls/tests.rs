//! The table, event by event.

mod chunks;
mod env;
mod flow;
mod serve;
mod sources;
mod spread;
mod spread_model;
