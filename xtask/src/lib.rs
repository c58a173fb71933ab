//! The project's own checks: `cargo xtask tidy` holds the laws of the tree.
//!
//! Owns reading the workspace as text and the laws on it. It knows nothing of what the crates do: what is particular to
//! this project (tiers, allowed edges, allowed files) stands in `layers.toml`, and what is not yet clean in
//! `xtask/allow.toml`, which may only shrink.

#![forbid(unsafe_code)]

pub mod settings;
pub mod tidy;
pub mod tree;
