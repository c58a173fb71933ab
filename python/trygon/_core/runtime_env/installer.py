"""Virtual environments with the packages of a runtime environment, made once for each set of packages."""

from __future__ import annotations

import os
import sys

from trygon._core.runtime_env.cache import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    # Runs a command to its end; raises SetupError with what it said last.
    Run = Callable[[str, list[str]], str]
    Wait = Callable[[float], None]

_LAYOUT = 1


def virtual_environment(packages: dict[str, Any], search_path: list[str], run: Run, wait: Wait) -> str:
    """The folder of a virtual environment with these packages, beside what is on the search path already."""
    inherited = [path for path in search_path if path.rstrip("/").endswith(("site-packages", "dist-packages"))]
    entry = Entry(_name(packages, inherited))

    def build(path: str) -> None:
        if _uses_uv(packages):
            _build_with_uv(path, packages, inherited, run, wait)
        else:
            _build_with_pip(path, packages, inherited, run)

    entry.use(build, wait)
    return entry.path


def python_of(path: str) -> str:
    """The interpreter of a virtual environment."""
    return os.path.join(path, "bin", "python")


def site_of(path: str) -> str:
    """Where the packages of a virtual environment are."""
    return os.path.join(path, "lib", f"python{sys.version_info[0]}.{sys.version_info[1]}", "site-packages")


def _name(packages: dict[str, Any], inherited: list[str]) -> str:
    """What the folder's content depends on, hashed."""
    import json
    from hashlib import sha256

    parts: list[Any] = [_LAYOUT, sys.version, os.path.realpath(sys.executable), packages, inherited]
    for line in packages["packages"]:
        path = line.partition(" ")[2].strip() if line.startswith("-") else line
        if os.path.isfile(path):
            with open(path, "rb") as file:
                parts.append(sha256(file.read()).hexdigest())
        elif os.path.isdir(path) and not line.startswith("-"):
            parts.append(sorted((entry.name, entry.stat().st_mtime_ns) for entry in os.scandir(path)))
    if not _uses_uv(packages):
        # pip leaves out what is there already.
        for path in inherited:
            if os.path.isdir(path):
                parts.append(sorted(name for name in os.listdir(path) if name.endswith(".dist-info")))
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


def _uses_uv(packages: dict[str, Any]) -> bool:
    """uv installs what pip would, faster; options and versions of pip's own are left to pip."""
    if packages["tool"] == "uv":
        return True
    own = packages.get("pip_install_options") or packages.get("pip_version") or packages.get("pip_check")
    return not own and _find_uv() is not None


def _find_uv() -> str | None:
    beside = os.path.dirname(sys.executable)
    folders = [beside, *os.environ.get("PATH", os.defpath).split(os.pathsep)]
    found = (os.path.join(folder, "uv") for folder in folders if folder)
    return next((path for path in found if os.path.isfile(path) and os.access(path, os.X_OK)), None)


def _requirements(path: str, packages: dict[str, Any]) -> str:
    file_path = os.path.join(path, "requirements.txt")
    with open(file_path, "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in packages["packages"])
    return file_path


def _build_with_pip(path: str, packages: dict[str, Any], inherited: list[str], run: Run) -> None:
    names = ", ".join(packages["packages"])
    python = _make(path, inherited, run)
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    version = packages.get("pip_version")
    if version:
        run(f"installing pip{version}", [*pip, "install", f"pip{version}"])
    options = packages.get("pip_install_options") or []
    run(f"installing {names} with pip", [*pip, "install", "-r", _requirements(path, packages), *options])
    if packages.get("pip_check"):
        run("checking the packages with pip", [*pip, "check"])


def _make(path: str, inherited: list[str], run: Run) -> str:
    """A virtual environment that finds what it inherits, pip above all: a copy of pip's own takes seconds to make."""
    run("making a virtual environment", [sys.executable, "-m", "venv", "--without-pip", path])
    _inherit(path, inherited)
    python = python_of(path)
    if not any(os.path.isdir(os.path.join(folder, "pip")) for folder in inherited):
        run("installing pip", [python, "-m", "ensurepip", "--default-pip"])
    return python


def _inherit(path: str, inherited: list[str]) -> None:
    """Programs that tasks start with the environment's interpreter find the driver's packages too."""
    with open(os.path.join(site_of(path), "_trygon_inherited.pth"), "w", encoding="utf-8") as file:
        file.writelines(f"{folder}\n" for folder in inherited)


def _build_with_uv(path: str, packages: dict[str, Any], inherited: list[str], run: Run, wait: Wait) -> None:
    names = ", ".join(packages["packages"])
    uv = _uv(packages.get("uv_version"), inherited, run, wait)
    run("making a virtual environment", [uv, "venv", "--quiet", "--no-project", "--python", sys.executable, path])
    _inherit(path, inherited)
    target = ["--python", python_of(path)]
    options = packages.get("uv_pip_install_options") or []
    install = [uv, "pip", "install", *target, "-r", _requirements(path, packages), *options]
    run(f"installing {names} with uv", install)
    if packages.get("uv_check"):
        run("checking the packages with uv", [uv, "pip", "check", *target])


def _uv(version: str | None, inherited: list[str], run: Run, wait: Wait) -> str:
    """The program uv: the one that is installed, or one of our own when there is none or another version is wanted."""
    found = _find_uv()
    if found is not None and not version:
        return found
    from hashlib import sha256

    wanted = f"uv{version or ''}"
    entry = Entry(f"tool-{sha256(wanted.encode()).hexdigest()[:16]}")

    def build(path: str) -> None:
        pip = [_make(path, inherited, run), "-m", "pip", "--disable-pip-version-check", "--no-input"]
        run(f"installing {wanted}, which is not on the PATH", [*pip, "install", wanted])

    entry.use(build, wait)
    return os.path.join(entry.path, "bin", "uv")
