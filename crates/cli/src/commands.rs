//! Each command, done.

use crate::args::{Arguments, Command, Completion, Node};
use crate::{cluster, launch};
use clap::CommandFactory;
use std::process::ExitCode;

/// Does it.
pub(crate) fn run(command: Command) -> ExitCode {
    match command {
        Command::Version => {
            println!("trygon {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Command::Run(run) => launch::run(&run),
        Command::Start(start) => done("start", cluster::start(&start)),
        Command::Stop(stop) => done("stop", cluster::stop(&stop)),
        Command::Status(status) => done("status", cluster::status(&status)),
        Command::Explain(explain) => done("explain", cluster::explain(&explain)),
        Command::Drain(drain) => done("drain", cluster::drain(&drain)),
        Command::Fence(fence) => done("fence", cluster::fence(&fence)),
        Command::SymmetricRun(run) => done("symmetric-run", cluster::symmetric_run(&run)),
        Command::Completion(Completion { shell }) => {
            clap_complete::generate(shell, &mut Arguments::command(), "trygon", &mut std::io::stdout());
            ExitCode::SUCCESS
        }
        Command::Node(node) => run_node(&node),
        Command::Control => run_control(),
    }
}

fn done(name: &str, outcome: Result<ExitCode, String>) -> ExitCode {
    outcome.unwrap_or_else(|message| {
        eprintln!("trygon {name}: {message}");
        ExitCode::FAILURE
    })
}

fn run_node(node: &Node) -> ExitCode {
    let (outcome, starter) = if node.session {
        (trygon_node::run_session(), "trygon start")
    } else {
        (trygon_node::run_inherited(), "trygon.init()")
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("trygon node: {error}. It is started by `{starter}`; there is no need to run it by hand.");
            ExitCode::FAILURE
        }
    }
}

fn run_control() -> ExitCode {
    match trygon_node::socket_from_stdin().and_then(trygon_control::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!(
                "trygon control: {error}. It is started by `trygon start --head`; there is no need to run it by hand."
            );
            ExitCode::FAILURE
        }
    }
}
