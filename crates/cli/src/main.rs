//! The `trygon` command.
#![forbid(unsafe_code)]

mod args;
mod commands;

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::run(args::read())
}
