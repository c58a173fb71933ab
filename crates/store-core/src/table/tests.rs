//! The table, event by event.

mod deaths;
mod env;
mod objects;
mod random;
mod space;
mod spill_random;
mod spill_world;
mod spilling;
