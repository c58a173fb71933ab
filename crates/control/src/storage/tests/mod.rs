//! One suite for every place that keeps the journal, and what is special about each.

pub(crate) mod conformance;
mod damage;
mod file;
mod redis_places;
mod redis_server;
