//! What can be said on the command line.

use crate::cluster::args::{Drain, Explain, Fence, Start, Status, Stop, SymmetricRun};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use std::ffi::OsString;

/// Trygon runs Python functions and classes on every core and machine that you have.
///
/// Programs start what they need by themselves: `import trygon`, then `trygon.init()`. With `trygon start` a node stays
/// when programs end, serves several of them, and other machines can join it.
#[derive(Debug, Parser)]
#[command(name = "trygon", version, about, arg_required_else_help = true, propagate_version = true)]
pub(crate) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Subcommand)]
pub(crate) enum Command {
    /// Start a node on this machine: the head of a new cluster, or one that joins a cluster.
    Start(Box<Start>),
    /// Stop the node that was started here.
    Stop(Stop),
    /// Show nodes, what is in use, and what waits and why.
    Status(Status),
    /// Explain a task, an object, an actor, a placement group, a node or a job: how it is, and why.
    Explain(Explain),
    /// Take no new work on a node, because it is to leave.
    Drain(Drain),
    /// Stop a node at once, as if it had lost its power, and keep it out until --undo.
    Fence(Fence),
    /// Run a command on a cluster of all hosts on which this same line runs.
    SymmetricRun(Box<SymmetricRun>),
    /// Run a Python program; with --ray, one that was written for Ray.
    Run(Run),
    /// Print the version of this program.
    Version,
    /// Print what a shell needs to complete this command's words.
    Completion(Completion),
    /// Run a node (not for people: it speaks through an inherited socket).
    #[command(hide = true)]
    Node(Node),
    /// Run the control service of the daemon that started it (not for people: it speaks through an inherited socket).
    #[command(hide = true)]
    Control,
}

/// How the node was started.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Node {
    /// It stays; its socket is the standard input.
    #[arg(long)]
    pub(crate) session: bool,
}

/// Which shell.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "For example: trygon completion bash > ~/.local/share/bash-completion/completions/trygon")]
pub(crate) struct Completion {
    /// The shell.
    pub(crate) shell: Shell,
}

/// What to run, and how.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(
    after_help = "Python is the one that TRYGON_PYTHON names, else the one that Trygon is installed in, else `python3`."
)]
pub(crate) struct Run {
    /// `import ray` gives Trygon, in the program, its workers and the Python programs that it starts.
    #[arg(long)]
    pub(crate) ray: bool,
    /// The script and its arguments; or `-m module` and its arguments.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "SCRIPT")]
    pub(crate) program: Vec<OsString>,
}

/// Reads the command line; prints help and exits when it makes no sense.
pub(crate) fn read() -> Command {
    Arguments::parse().command
}

#[cfg(test)]
mod tests {
    use super::{Arguments, Command};
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
        let read = Arguments::try_parse_from(["trygon", "version"]).expect("a command");
        assert_eq!(read.command, Command::Version);
    }

    #[test]
    fn everything_after_the_script_is_the_scripts() {
        let read =
            Arguments::try_parse_from(["trygon", "run", "--ray", "a.py", "--ray", "-x", "1"]).expect("a command");
        let Command::Run(run) = read.command else { panic!("{read:?}") };
        assert!(run.ray && run.program == ["a.py", "--ray", "-x", "1"], "{run:?}");
        let plain = Arguments::try_parse_from(["trygon", "run", "-m", "pkg", "--ray"]).expect("a command");
        let Command::Run(run) = plain.command else { panic!("{plain:?}") };
        assert!(!run.ray && run.program == ["-m", "pkg", "--ray"], "{run:?}");
    }

    #[test]
    fn a_node_is_a_head_or_joins_one() {
        let read = |words: &[&str]| Arguments::try_parse_from([&["trygon", "start"], words].concat());
        assert!(read(&["--head", "--num-cpus", "2"]).is_ok());
        assert!(read(&["--address=10.0.0.1:6379"]).is_ok());
        assert!(read(&[]).is_err() && read(&["--head", "--address=10.0.0.1:6379"]).is_err());
        assert!(read(&["--head", "--num-cpus=-1"]).is_err());
    }

    #[test]
    fn a_symmetric_run_has_a_command_and_the_options_of_a_node() {
        let read = |words: &[&str]| Arguments::try_parse_from([&["trygon", "symmetric-run"], words].concat());
        let at = "--address=10.0.0.1:6379";
        let Ok(Arguments { command: Command::SymmetricRun(run) }) =
            read(&[at, "--min-nodes", "2", "--num-cpus=3", "--", "python", "a.py", "--num-cpus=9"])
        else {
            panic!("a command")
        };
        assert_eq!((run.min_nodes, run.node.num_cpus), (2, Some(3.0)));
        assert_eq!(run.command, ["python", "a.py", "--num-cpus=9"]);
        for wrong in ["--head", "--block", "--port=1", "--node-ip-address=10.0.0.1", "--min-nodes=0"] {
            assert!(read(&[at, wrong, "--", "true"]).is_err(), "{wrong}");
        }
        assert!(read(&[at]).is_err() && read(&["--", "true"]).is_err());
    }

    #[test]
    fn help_does_not_offer_the_hidden_command() {
        let help = Arguments::command().render_help().to_string();
        assert!(help.contains("version") && !help.contains("inherited socket"), "{help}");
    }
}
