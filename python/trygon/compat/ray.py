"""`install()`: from here on, `import ray` in this process, its workers and its children means Trygon."""

from __future__ import annotations

import os
import sys

from trygon.compat import environment, finder

SHIM_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "path")


def install() -> None:
    """Makes `import ray` and everything below it resolve to Trygon.

    Reaches this process, the workers of an engine that is started afterwards, and Python programs started from here
    (through `PYTHONPATH`). Calling it again does nothing. RuntimeError if the module `ray` was imported already from
    somewhere else: two engines under one name would mix.
    """
    known = sys.modules.get("ray")
    if known is not None and not finder.is_alias(known) and not is_shim(known):
        where = getattr(known, "__file__", None) or "an unknown place"
        raise RuntimeError(
            f"The module ray was imported already, from {where}. Call trygon.compat.ray.install() before the first"
            " import of ray, or run the program with 'trygon run --ray'."
        )
    finder.install()
    _add_search_path()
    environment.apply()


def is_installed() -> bool:
    """Whether `import ray` means Trygon in this process."""
    return finder.is_installed()


def is_shim(module: object) -> bool:
    """Whether `module` is the placeholder that children find through `PYTHONPATH`."""
    return (getattr(module, "__file__", None) or "").startswith(SHIM_FOLDER + os.sep)


def child_environment(base: dict[str, str]) -> dict[str, str]:
    """`base` with the search path under which a new Python finds Trygon as `ray`."""
    before = base.get("PYTHONPATH", "")
    entries = [entry for entry in before.split(os.pathsep) if entry and entry != SHIM_FOLDER]
    return {**base, "PYTHONPATH": os.pathsep.join([SHIM_FOLDER, *entries])}


def _add_search_path() -> None:
    os.environ["PYTHONPATH"] = child_environment(dict(os.environ))["PYTHONPATH"]
    if SHIM_FOLDER not in sys.path:
        # After the program's own folder, before anything that is installed. Workers are given this list.
        sys.path.insert(1, SHIM_FOLDER)
