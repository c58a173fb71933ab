"""The folder of a job's copies: made when it is first needed, removed by the daemon when the job ends."""

from __future__ import annotations

import os

NAMESPACE = "trygon.runtime_env"


def new_path(parent: str = "", pid: int = 0) -> str:
    """A path for a job's folder, which is not made yet. It names the process with which it ends, this one unless
    another is given, so that what a crash left can be swept."""
    if parent:
        return os.path.join(parent, f"{_prefix()}{pid}-{os.urandom(6).hex()}")
    # As `tempfile` chooses, whose import costs more than a fork.
    chosen = (os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    folder = next((path for path in chosen if path and os.path.isdir(path)), "/tmp")
    return os.path.join(os.path.abspath(folder), f"{_prefix()}{os.getpid()}-{os.urandom(6).hex()}")


def made(path: str) -> str:
    """The folder, made if it is not there. Only its owner can look into it."""
    if not os.path.isdir(path):
        if os.path.isdir(os.path.dirname(path)):
            _sweep(os.path.dirname(path))
        os.makedirs(path, mode=0o700, exist_ok=True)
    return path


def of_this_job() -> str:
    """The path of the job's folder on this node, as the daemon was told."""
    from trygon import _native

    context = _native.context()
    if context["mode"] == "worker" and os.environ.get("TRYGON_JOB_DIRECTORY"):
        return os.environ["TRYGON_JOB_DIRECTORY"]
    key = f"job_directory:{context['job_id']}".encode()
    _, value, _ = _native.key_value("get", NAMESPACE, key)
    return value.decode()


def remove(path: str) -> None:
    """Removes the folder; what cannot be removed is left to a later driver."""
    import shutil

    shutil.rmtree(path, ignore_errors=True)


def _prefix() -> str:
    return f"trygon-job-{os.getuid()}-"


def _sweep(folder: str) -> None:
    """Removes the folders of drivers that are dead: their daemons were killed before they could."""
    prefix = _prefix()
    for name in os.listdir(folder):
        pid = name.removeprefix(prefix).partition("-")[0] if name.startswith(prefix) else ""
        if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            remove(os.path.join(folder, name))
