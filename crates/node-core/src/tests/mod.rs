//! One file for each subject, and `env` that checks the laws after every event.

mod actors;
mod blocking;
mod env;
mod environments;
mod leases;
mod random;
mod workers;
