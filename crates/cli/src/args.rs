//! What can be said on the command line.

use clap::{Parser, Subcommand};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(crate) enum Command {
    /// Print the version of this program.
    Version,
    /// Run the node of the program that started this one (not for people: it speaks through an inherited socket).
    #[command(hide = true)]
    Node,
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
    fn help_does_not_offer_the_hidden_command() {
        let help = Arguments::command().render_help().to_string();
        assert!(help.contains("version") && !help.contains("inherited socket"), "{help}");
    }
}
