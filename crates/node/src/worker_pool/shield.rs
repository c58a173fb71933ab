//! Keeps the cluster's key and authority from what users run: zygotes, and so all workers, live in a mount namespace in which they are not
//! there. That takes the rights of root; where they are missing, tasks run as the user who owns the files, and the log says so.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Puts nothing in the place of files, then becomes the program.
const SCRIPT: &str = r#"
while [ "$1" != -- ]; do
    mount --bind /dev/null "$1" || exit 125
    shift
done
shift
exec "$@"
"#;

/// What is hidden.
#[derive(Debug, Default)]
pub(crate) struct Shield {
    hidden: Vec<PathBuf>,
}

impl Shield {
    /// Hides these, if this process may; the error says why it may not.
    pub(crate) fn over(paths: &[PathBuf]) -> Result<Self, String> {
        let shield = Self { hidden: paths.iter().filter(|path| path.is_file()).cloned().collect() };
        if shield.hidden.is_empty() {
            return Ok(shield);
        }
        let mut trial = shield.command(OsStr::new("true"));
        let outcome = trial.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output();
        match outcome {
            Ok(done) if done.status.success() => Ok(shield),
            Ok(done) => Err(String::from_utf8_lossy(&done.stderr).trim().to_owned()),
            Err(error) => Err(format!("unshare: {error}")),
        }
    }

    /// What starts `program`; its arguments are to follow.
    pub(crate) fn command(&self, program: &OsStr) -> Command {
        if self.hidden.is_empty() {
            return Command::new(program);
        }
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "slave", "--", "sh", "-c", SCRIPT, "sh"]);
        command.args(&self.hidden).arg("--").arg(program);
        command
    }
}
