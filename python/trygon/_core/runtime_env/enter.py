"""What a worker does with its environment after the fork: folder, search path, variables; then its set-up hook."""

from __future__ import annotations

import os
import sys

from trygon._core.runtime_env import state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def entered(described: dict[str, Any], run: Callable[[int], None]) -> Callable[[int], None]:
    """What a worker of this environment runs in the place of `run`."""

    def enter_and_run(control_fd: int) -> None:
        state.current = described
        _enter(described["here"])
        run(control_fd)

    return enter_and_run


def _enter(prepared: dict[str, Any]) -> None:
    virtual_environment = prepared.get("virtual_environment")
    if virtual_environment is not None:
        _activate(virtual_environment)
    first = list(prepared.get("py_modules") or [])
    working_dir = prepared.get("working_dir")
    if working_dir is not None:
        os.chdir(working_dir)
        first.insert(0, working_dir)
    if "PYTHONPATH" in (prepared.get("env_vars") or {}):
        # The zygote was started without looking at it, and could not: what it imports must be nobody's.
        first += [os.path.abspath(path) for path in os.environ["PYTHONPATH"].split(os.pathsep) if path]
    elif first:
        inherited = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join([*first, *([inherited] if inherited else [])])
    sys.path[:0] = first


def _activate(folder: str) -> None:
    """What a virtual environment's `activate` does, and the `.pth` files that its packages brought."""
    from trygon._core.runtime_env.installer import site_of

    os.environ["VIRTUAL_ENV"] = folder
    os.environ["PATH"] = os.pathsep.join([os.path.join(folder, "bin"), os.environ.get("PATH", os.defpath)])
    site_folder = site_of(folder)
    if any(name.endswith(".pth") for name in os.listdir(site_folder)):
        import site

        site.addsitedir(site_folder)


def run_hook() -> str | None:
    """Runs the environment's set-up hook; returns what went wrong, or None."""
    hook = state.current["prepared"].get("hook") if state.current else None
    if hook is None:
        return None
    name = hook.get("path") or hook["name"]
    try:
        _load(hook)()
    except BaseException:
        import traceback

        frames = traceback.format_exc()
        return f"the set-up hook {name} raised in worker {os.getpid()}.\n{frames}"
    return None


def _load(hook: dict[str, str]) -> Callable[[], Any]:
    path = hook.get("path")
    if path is None:
        from base64 import b64decode

        from trygon._core.serialization import load_exported

        loaded: Callable[[], Any] = load_exported(b64decode(hook["pickle"]))
        return loaded
    from importlib import import_module

    module, _, name = path.rpartition(".")
    found: Callable[[], Any] = getattr(import_module(module), name)
    return found
