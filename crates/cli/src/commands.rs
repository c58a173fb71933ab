//! Each command, done.

use crate::args::Command;
use crate::launch;
use std::process::ExitCode;

/// Does it.
pub(crate) fn run(command: Command) -> ExitCode {
    match command {
        Command::Version => {
            println!("trygon {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Command::Run(run) => launch::run(&run),
        Command::Control => match trygon_node::inherited_socket().and_then(trygon_control::run) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!(
                    "trygon control: {error}. It is started by `trygon start --head`; there is no need to run it by hand."
                );
                ExitCode::FAILURE
            }
        },
        Command::Node => match trygon_node::run_inherited() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!(
                    "trygon node: {error}. It is started by `trygon.init()`; there is no need to run it by hand."
                );
                ExitCode::FAILURE
            }
        },
    }
}
