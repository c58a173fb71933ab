//! The `trygon` command.
#![forbid(unsafe_code)]

mod args;
mod cluster;
mod commands;
mod launch;

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::run(args::read())
}
