"""Finds Python interpreters and makes the pinned environments that `make` works in.

Everything lies under `.cache/`, is made again when its list of requirements changes, and can be deleted at any
time. Only the standard library is used: this file runs before anything is installed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
REQUIREMENTS = ROOT / "scripts" / "requirements"
OLDEST = (3, 11)
# The server that tests of buckets use. Newer ones need a newer compiler.
S3_SERVER, S3_SERVER_VERSION = "s3s-fs", "0.14.1"
PROBE = (
    "import sys, os, json; print(json.dumps([sys.implementation.name, list(sys.version_info[:3]),"
    " os.path.realpath(sys.executable), sys.flags.safe_path]))"
)


def run(*command: str | Path) -> None:
    """Runs a command and ends this program with its output when it fails."""
    result = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode != 0:
        sys.stderr.write(result.stdout.decode(errors="replace"))
        sys.exit(f"failed with exit code {result.returncode}: {' '.join(map(str, command))}")


def interpreters() -> dict[tuple[int, int], Path]:
    """The real CPython of each minor version from 3.11 on: launchers such as pyenv's cost 80 ms a start."""
    candidates = [Path(sys.executable)]
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if folder and Path(folder).is_dir():
            candidates += sorted(Path(folder).glob("python3*"))
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates += sorted(pyenv.glob("*/bin/python3"))
    found: dict[tuple[int, int], Path] = {}
    for candidate in candidates:
        if not re.fullmatch(r"python3(\.\d+)?", candidate.name) or not os.access(candidate, os.X_OK):
            continue
        probe = subprocess.run([candidate, "-c", PROBE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if probe.returncode != 0:
            continue
        name, version, real, _ = json.loads(probe.stdout)
        minor = (version[0], version[1])
        if name == "cpython" and minor >= OLDEST:
            found.setdefault(minor, Path(real))
    if not found:
        sys.exit("CPython 3.11 or newer was not found on PATH. On Debian: apt-get install python3 python3-venv")
    return dict(sorted(found.items()))


def stamp_of(*parts: object) -> str:
    """A short digest of what an environment is made from."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:24]


def uv() -> Path:
    """The installer, from an environment of its own."""
    wanted = (REQUIREMENTS / "tools.txt").read_text()
    python = next(iter(interpreters().values()))
    folder = CACHE / "tools"
    program, stamp = folder / "bin" / "uv", folder / "stamp"
    if program.exists() and stamp.exists() and stamp.read_text() == stamp_of(wanted, python):
        return program
    shutil.rmtree(folder, ignore_errors=True)
    made = subprocess.run([python, "-m", "venv", folder], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if made.returncode == 0:
        run(folder / "bin" / "python", "-m", "pip", "install", "--quiet", "-r", REQUIREMENTS / "tools.txt")
    else:
        # Debian ships `venv` without `ensurepip`; a pip outside the environment can still fill it.
        shutil.rmtree(folder, ignore_errors=True)
        if subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode != 0:
            sys.exit(f"{python} can make no environment. On Debian: apt-get install python3-venv")
        run(python, "-m", "venv", "--without-pip", folder)
        run(python, "-m", "pip", "--python", folder, "install", "--quiet", "-r", REQUIREMENTS / "tools.txt")
    stamp.write_text(stamp_of(wanted, python))
    return program


def environment(name: str, python: Path, requirements: str) -> Path:
    """Makes `.cache/<name>` from one list of requirements unless it is there already; gives its interpreter."""
    wanted = (REQUIREMENTS / requirements).read_text()
    folder = CACHE / name
    inside, stamp = folder / "bin" / "python", folder / "stamp"
    digest = stamp_of(wanted, python)
    if not (inside.exists() and stamp.exists() and stamp.read_text() == digest):
        shutil.rmtree(folder, ignore_errors=True)
        run(uv(), "venv", "--quiet", "--python", python, folder)
        run(uv(), "pip", "install", "--quiet", "--python", inside, "-r", REQUIREMENTS / requirements)
        stamp.write_text(digest)
    return inside


def s3_server() -> Path:
    """Builds the S3 server of the tests unless it is there already; gives its program."""
    folder = CACHE / S3_SERVER
    program, stamp = folder / "bin" / S3_SERVER, folder / "stamp"
    if not (program.exists() and stamp.exists() and stamp.read_text() == S3_SERVER_VERSION):
        options = ["--version", S3_SERVER_VERSION, "--features", "binary", "--locked", "--force", "--root", folder]
        run("cargo", "install", S3_SERVER, *options, "--target-dir", folder / "target")
        shutil.rmtree(folder / "target")
        stamp.write_text(S3_SERVER_VERSION)
    return program


def newest_wheel() -> Path:
    """The wheel that `make wheel` left."""
    wheels = sorted((ROOT / "target" / "wheels").glob("trygon-*.whl"), key=lambda path: path.stat().st_mtime)
    if not wheels:
        sys.exit("there is no wheel under target/wheels yet: run `make wheel`")
    return wheels[-1]


def with_wheel(name: str, python: Path, requirements: str) -> Path:
    """An environment with the newest wheel installed in it, as a user would."""
    inside = environment(name, python, requirements)
    wheel = newest_wheel()
    stamp = inside.parent.parent / "wheel-stamp"
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        run(uv(), "pip", "install", "--quiet", "--python", inside, "--reinstall-package", "trygon", wheel)
        stamp.write_text(digest)
    return inside


def main() -> None:
    """One word chooses what is made; the interpreters' paths are printed, one a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["build", "run", "test", "s3", "list"])
    what = parser.parse_args().what
    known = interpreters()
    first = next(iter(known.values()))
    if what == "list":
        for minor, path in known.items():
            print(f"{minor[0]}.{minor[1]} {path}")
    elif what == "s3":
        print(s3_server())
    elif what == "build":
        print(environment("build", first, "build.txt"))
    elif what == "run":
        print(with_wheel("run", first, "run.txt"))
    else:
        for minor, path in known.items():
            print(with_wheel(f"test-{minor[0]}.{minor[1]}", path, "test.txt"))


if __name__ == "__main__":
    main()
