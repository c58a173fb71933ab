//! `trygon run`: becomes the Python that runs the program. This process is replaced, so signals, the terminal and the
//! exit code are the program's own.

use crate::args::Run;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Names the Python to use; the package's own starter sets it.
pub(crate) const PYTHON_VARIABLE: &str = "TRYGON_PYTHON";

/// Replaces this process; comes back only if that cannot be done.
pub(crate) fn run(run: &Run) -> ExitCode {
    if let Some(script) = missing_script(run) {
        eprintln!("trygon run: there is no file {}.", script.display());
        return ExitCode::FAILURE;
    }
    let python = python();
    let mut command = Command::new(&python);
    if run.ray {
        command.args(["-m", "trygon.compat"]);
    }
    let error = command.args(&run.program).exec();
    eprintln!(
        "trygon run: {} cannot be started: {error}. Set {PYTHON_VARIABLE} to the Python that Trygon is installed in.",
        Path::new(&python).display()
    );
    ExitCode::FAILURE
}

/// The version of the Python that Trygon is installed in; empty when there is none to ask.
pub(crate) fn python_version() -> String {
    let program = "import sys; print('%d.%d.%d' % sys.version_info[:3])";
    let output = Command::new(python()).args(["-I", "-S", "-c", program]).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

/// The script, if the first word is one and no such file exists.
fn missing_script(run: &Run) -> Option<&Path> {
    let first = Path::new(run.program.first()?);
    let is_option = first.as_os_str().as_encoded_bytes().starts_with(b"-");
    (!is_option && !first.exists()).then_some(first)
}

/// The Python that Trygon is installed in.
pub(crate) fn python() -> OsString {
    if let Some(named) = std::env::var_os(PYTHON_VARIABLE).filter(|named| !named.is_empty()) {
        return named;
    }
    let binary = std::env::current_exe().unwrap_or_default();
    candidates(&binary)
        .into_iter()
        .find(|path| path.is_file())
        .map_or_else(|| "python3".into(), PathBuf::into_os_string)
}

/// Where the Python of an installed package is: beside the program, or at the root of the environment whose
/// `lib/pythonX.Y/site-packages/trygon/_bin` holds it.
fn candidates(binary: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if let Some(folder) = binary.parent() {
        found.push(folder.join("python3"));
    }
    let is_packages = |path: &&Path| path.file_name().is_some_and(|name| name == "site-packages");
    if let Some(packages) = binary.ancestors().find(is_packages)
        && let Some(version) = packages.parent()
        && let Some(root) = version.parent().and_then(Path::parent)
    {
        let name = version.file_name().unwrap_or_default();
        found.extend([root.join("bin").join(name), root.join("bin/python3")]);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{candidates, missing_script};
    use crate::args::Run;
    use std::path::{Path, PathBuf};

    #[test]
    fn python_is_looked_for_in_the_environment_of_the_package() {
        let found = candidates(Path::new("/env/lib/python3.12/site-packages/trygon/_bin/trygon"));
        assert!(found.contains(&PathBuf::from("/env/bin/python3.12")), "{found:?}");
        assert_eq!(candidates(Path::new("/usr/bin/trygon")), [PathBuf::from("/usr/bin/python3")]);
    }

    #[test]
    fn a_script_that_is_not_there_is_named() {
        let run = |program: &[&str]| Run { ray: false, program: program.iter().map(Into::into).collect() };
        assert_eq!(missing_script(&run(&["/no/such.py"])), Some(Path::new("/no/such.py")));
        assert_eq!(missing_script(&run(&["-m", "json.tool"])), None);
    }
}
