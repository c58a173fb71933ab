//! Placement groups: their lives, their names, and who watches them. Which node has room is the nodes' to say.

mod effect;
mod life;
mod table;

#[cfg(test)]
mod tests;

pub use effect::GroupEffect;
pub use life::{Group, GroupSpec, GroupState, Strategy};
pub use table::{GroupCreated, PlacementGroups};
