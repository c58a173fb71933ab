//! The table, event by event.

mod deaths;
mod env;
mod objects;
mod space;
mod spill_world;
mod spilling;
