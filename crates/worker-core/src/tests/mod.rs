//! Tests of the rules, one file for each subject; `env.rs` holds what they share.

mod actors;
mod arguments;
mod cancel;
mod env;
mod handles;
mod leases;
mod lineage;
mod locality;
mod memory_retries;
mod moving;
mod on_done;
mod on_peer_lost;
mod ownership;
mod programs;
mod retries;
mod streams;
mod views;
