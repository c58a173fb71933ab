//! The `trygon` command.
fn main() {}
