//! The head among nodes whose streams break, which end, drain, say farewell and come back, while programs create actors and placement groups,
//! give them names, watch them and end them.
//!
//! Real are the head, what says which stream is heard (`Presence`), the bounded queue of what a node is told (`Link`) and what a node says
//! again (`Questions`); processes, bundles and time are a model. After every event the head checks itself; what it tells is compared with what
//! was said before; and when everything has come to rest, the head, the nodes and everybody who watches agree.

mod ask;
mod command;
mod ends;
mod hear;
mod ids;
mod machine;
mod planted;
mod rest;
mod script;
mod streams;
mod watch;
mod world;

#[cfg(test)]
mod tests;

pub use command::{find, run_many};
pub use planted::{Counts, DEFECTS, Planted, PlantedInControl};
pub use world::run;
