"""The virtual environments in which the engines run, cached below .cache/bench of the repository.

Each has a marker that names what is installed; a marker that differs from what is wanted means a new environment.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

RAY_REQUIREMENT = "ray==2.60.0"
MARKER = "bench-installed.json"


@dataclass
class Environment:
    """One engine's interpreter; `problem` says why it cannot be used."""

    name: str
    python: Path
    version: str = ""
    problem: str = ""
    wheel: Path | None = None


class Installer:
    """Makes environments with uv where it can be had, else with venv and pip."""

    def __init__(self, cache: Path, say):
        self.cache = cache
        self.say = say
        self.uv = self.find_uv()

    def run(self, *command) -> str:
        """Runs a command quietly; its output is the error's text."""
        variables = os.environ | {"UV_CACHE_DIR": str(self.cache / "uv-cache")}
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=variables)
        if done.returncode:
            raise RuntimeError((done.stderr or done.stdout).strip()[-400:] or f"exit code {done.returncode}")
        return done.stdout

    def find_uv(self) -> Path | None:
        """uv, installed into the cache at the first run."""
        tools = self.cache / "tools"
        uv = tools / "bin" / "uv"
        if not uv.exists():
            try:
                self.run(sys.executable, "-m", "venv", "--clear", tools)
                self.run(tools / "bin" / "python", "-m", "pip", "install", "-q", "uv")
            except (OSError, RuntimeError) as error:
                self.say(f"uv cannot be installed, pip is used: {str(error).splitlines()[-1]}")
                return None
        return uv

    def make(self, name: str, requirements: list[str], identity: str) -> Path:
        """An environment with exactly these requirements; returns its interpreter."""
        place = self.cache / f"venv-{name}"
        python = place / "bin" / "python"
        marker = place / MARKER
        wanted = {"requirements": identity, "python": sys.version, "prefix": sys.base_prefix}
        if python.exists() and marker.exists() and json.loads(marker.read_text()) == wanted:
            return python
        self.say(f"installing the environment of {name}")
        shutil.rmtree(place, ignore_errors=True)
        if self.uv:
            self.run(self.uv, "venv", "-q", "-p", sys.executable, place)
            self.run(self.uv, "pip", "install", "-q", "--compile-bytecode", "-p", python, *requirements)
        else:
            self.run(sys.executable, "-m", "venv", place)
            self.run(python, "-m", "pip", "install", "-q", *requirements)
        marker.write_text(json.dumps(wanted))
        return python

    def fetch_wheel(self, requirement: str) -> Path | None:
        """The wheel file of a requirement, for its size alone; None where it cannot be had."""
        place = self.cache / "wheels" / requirement.replace("=", "-")
        if not list(place.glob("*.whl")):
            try:
                self.run(sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", place, requirement)
            except (OSError, RuntimeError):
                return None
        return next(iter(place.glob("*.whl")), None)


def newest_wheel(dist: Path) -> Path | None:
    """The trygon wheel that was built last."""
    wheels = sorted(dist.glob("trygon-*.whl"), key=lambda path: path.stat().st_mtime)
    return wheels[-1] if wheels else None


def prepare_one(installer: Installer, name: str, root: Path, wheel: Path | None) -> Environment:
    """The environment of one engine."""
    if name == "pool":
        python = installer.make("pool", ["numpy"], "numpy")
        return Environment(name, python, f"Python {sys.version.split()[0]}")
    if name == "ray":
        python = installer.make("ray", [RAY_REQUIREMENT, "numpy"], f"{RAY_REQUIREMENT} numpy")
        return Environment(name, python, RAY_REQUIREMENT.partition("==")[2], wheel=installer.fetch_wheel(RAY_REQUIREMENT))
    wheel = wheel or newest_wheel(root / "target" / "wheels")
    if wheel is None:
        return Environment(name, Path(), problem="no wheel in target/wheels; `make wheel` builds one")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    python = installer.make("trygon", [str(wheel), "numpy"], f"{wheel.name} {digest} numpy")
    return Environment(name, python, f"{wheel.name.split('-')[1]} (wheel {digest[:12]})", wheel=wheel)


def prepare(names: list[str], root: Path, wheel: Path | None, say) -> dict[str, Environment]:
    """The environments of all engines asked for; one that fails carries its problem and the rest go on."""
    cache = root / ".cache" / "bench"
    cache.mkdir(parents=True, exist_ok=True)
    installer = Installer(cache, say)
    environments = {}
    for name in names:
        try:
            environments[name] = prepare_one(installer, name, root, wheel)
        except (OSError, RuntimeError) as error:
            environments[name] = Environment(name, Path(), problem=f"not installed: {str(error).splitlines()[-1][:160]}")
        if environments[name].problem:
            say(f"{name}: {environments[name].problem}")
    return environments


def sizes(environment: Environment) -> dict[str, float]:
    """Megabytes of the engine's wheel and of what the wheel unpacks to; Python itself is Pool's installation."""
    if environment.name == "pool":
        return {"wheel size": 0.0, "installed size": 0.0}
    if environment.wheel is None:
        return {}
    with zipfile.ZipFile(environment.wheel) as archive:
        installed_bytes = sum(entry.file_size for entry in archive.infolist())
    return {"wheel size": environment.wheel.stat().st_size / 1e6, "installed size": installed_bytes / 1e6}
