"""`trygon.init(mode="inline")`: everything runs in the caller's process, with the same meaning.

The one seam: while the mode is on, the engine's functions, as the package calls them through `_native`, are those of
`surface`, and remote functions hand their calls to `surface.submit`. Nothing of this is asked on the engine's own way,
so the other mode pays nothing.
"""

from __future__ import annotations

import sys

from trygon import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trygon._core.inline.engine import Engine

_engine: Engine | None = None
_replaced: dict[str, Any] = {}


def current() -> Engine | None:
    """The session, if this mode is on."""
    return _engine


def require() -> Engine:
    """The session."""
    if _engine is None:
        from trygon._core.system_errors import system_error

        raise system_error("not_initialized", {})
    return _engine


def start(config: dict[str, Any]) -> dict[str, Any]:
    """Begins the mode; returns what `_native.start` would."""
    global _engine
    from os import urandom

    # What remembers functions of the engine has to have the engine's own.
    from trygon._core import object_ref, objects  # noqa: F401
    from trygon._core.inline.engine import Engine
    from trygon._core.inline.placement import Placement
    from trygon._core.inline.surface import surface
    from trygon._core.inline.values import JOB_ID

    node_id = urandom(28).hex()
    resources = dict(config["resources"])
    _engine = Engine(resources.get("CPU", 1.0), urandom(28).hex(), config["namespace"])
    info = {
        "node_id": node_id,
        "job_id": JOB_ID.hex(),
        "worker_id": _engine.worker_id,
        "resources": resources,
        "node_address": "127.0.0.1",
        "daemon_pid": 0,
        "mode": "inline",
    }
    _engine.placement = Placement(_engine, node_id, resources)
    for name, function in surface(_engine, info, config).items():
        _replaced[name] = getattr(_native, name, None)
        setattr(_native, name, function)
    objects.use(_engine.get, _engine.put, _engine.wait)
    _native.set_inline(True)
    if sys.breakpointhook is sys.__breakpointhook__:
        sys.breakpointhook = _at_breakpoint
    return info


def end() -> bool:
    """Ends the mode: nothing of it stays. False when it is not on."""
    global _engine
    from trygon._core import objects

    engine = _engine
    if engine is None:
        return False
    engine.close()
    for name, function in _replaced.items():
        setattr(_native, name, function)
    _replaced.clear()
    objects.use(_native.get, _native.put, _native.wait)
    _native.set_inline(False)
    if sys.breakpointhook is _at_breakpoint:
        sys.breakpointhook = sys.__breakpointhook__
    _engine = None
    return True


def _at_breakpoint(*args: Any, **kwargs: Any) -> object:
    """`breakpoint()`: the debugger, which does not step through the package; helpers stand back from then on."""
    import os

    if os.environ.get("PYTHONBREAKPOINT"):
        return sys.__breakpointhook__(*args, **kwargs)
    from pdb import Pdb

    if _engine is not None:
        _engine.is_at_breakpoint = True
    Pdb(skip=["trygon.*"]).set_trace(sys._getframe(1))
    return None
