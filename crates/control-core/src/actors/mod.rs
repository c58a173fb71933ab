//! Actors: their lives, their names, and who watches them.

mod effect;
mod life;
mod on_create;
mod on_end;
mod on_place;
mod rests;
mod table;

#[cfg(test)]
mod tests;

pub use effect::Effect;
pub use life::{Actor, ActorSpec, ActorState, Death};
pub use on_create::Created;
pub use table::Actors;
