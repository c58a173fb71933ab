//! What can be said on the command line.

use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;

/// Trygon runs Python functions and classes on every core and machine that you have.
///
/// Programs start what they need by themselves: `import trygon`, then `trygon.init()`. This command is for looking and managing.
#[derive(Debug, Parser)]
#[command(name = "trygon", version, about, arg_required_else_help = true, propagate_version = true)]
pub(crate) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum Command {
    /// Print the version of this program.
    Version,
    /// Run a Python program; with --ray, one that was written for Ray.
    Run(Run),
    /// Run the node of the program that started this one (not for people: it speaks through an inherited socket).
    #[command(hide = true)]
    Node,
    /// Run the control service of the daemon that started it (not for people: it speaks through an inherited socket).
    #[command(hide = true)]
    Control,
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
    fn help_does_not_offer_the_hidden_command() {
        let help = Arguments::command().render_help().to_string();
        assert!(help.contains("version") && !help.contains("inherited socket"), "{help}");
    }
}
