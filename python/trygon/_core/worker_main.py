"""A worker from its fork on: output, hooks, then the engine's loop. Also what the engine asks of a worker: actors and
methods.
"""

from __future__ import annotations

import os
import sys

from trygon import _native
from trygon._core import cancel, debugger, hooks, output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_actor_label = ""
_actor: Any = None
_actor_meta = b""
_is_fresh = True


def run(control_fd: int) -> None:
    """Runs tasks until told to exit. Does not return."""
    import faulthandler

    output.install()
    faulthandler.enable(file=2, all_threads=True)
    # One task has one CPU: libraries that start a thread for each core would fight each other. A program may say
    # otherwise.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    debugger.install_in_worker()
    replaced: dict[str, Any] = {"on_task_start": on_task_start, "on_worker_start": on_worker_start}
    if debugger.wants_post_mortem():
        replaced["encode_error"] = _look_and_encode
    if os.environ.get("TRYGON_TIMELINE", "0") not in ("", "0", "false", "False"):
        from trygon._core import timeline

        replaced.update(timeline.worker_hooks(find_method))
    hooks.install(**replaced)
    if "TRYGON_LOGGING_CONFIG" in os.environ:
        from trygon._core.logging_config import apply_in_worker

        apply_in_worker()
    cancel.listen()
    _native.worker_main(control_fd)


def on_worker_start() -> str | None:
    """Hook `on_worker_start`: what the environment wants to be run before any task; returns what went wrong."""
    enter = sys.modules.get("trygon._core.runtime_env.enter")
    return None if enter is None else enter.run_hook()


def _look_and_encode(error: BaseException, name: str) -> bytes:
    """Hook `encode_error` when failed tasks are to be looked at."""
    from trygon._core.debugger.worker import post_mortem
    from trygon._core.errors import encode_error

    post_mortem(error)
    return encode_error(error, name)


def on_task_start(name: str) -> None:
    """Hook `on_task_start`: names the output from here on, and shows the task its devices."""
    global _is_fresh
    output.set_name(_actor_label or name)
    context = _native.context()
    if _is_fresh:
        _is_fresh = False
        # What the program was called with; a library that parses it sees the same everywhere.
        sys.argv[:] = context.get("argv") or sys.argv
    gpus = context["devices"].get("GPU")
    if gpus is not None and os.environ.get("TRYGON_KEEP_CUDA_VISIBLE_DEVICES", "0") in ("", "0", "false", "False"):
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, gpus))


def make_actor(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any], options: bytes) -> Any:
    """Hook `make_actor`: the instance. Output is tagged with its `repr` if the class has one of its own."""
    global _actor, _actor_label, _actor_meta
    _actor_label = cls.__name__
    output.set_name(_actor_label)
    _actor_meta = options
    _actor = cls(*args, **kwargs)
    own: Any = cls.__repr__
    if own is not object.__repr__:
        try:
            _actor_label = repr(_actor)[:200]
        except Exception:
            _actor_label = cls.__name__
        output.set_name(_actor_label)
    _keep_state(options)
    return _actor


def _keep_state(options: bytes) -> None:
    from trygon._core.actor_handle import meta_of

    settings = meta_of(options).checkpoint
    if settings is not None:
        from trygon._core.checkpoint.recorder import begin

        begin(_actor, settings)


def actor_concurrency(options: bytes) -> tuple[bool, list[tuple[str, int]], dict[str, str]] | None:
    """Hook `actor_concurrency`: whether the actor has an event loop, its groups' limits, its methods' groups."""
    from trygon._core.actor_handle import meta_of

    found = meta_of(options).concurrency
    if found is None or not found["concurrent"]:
        return None
    return found["has_loop"], found["limits"], found["methods"]


def current_actor_meta() -> bytes:
    """What handles on this process's actor need to know; empty if it is none."""
    return _actor_meta


def find_method(instance: Any, name: str) -> Any:
    """Hook `find_method`: looked up on the class, so that an attribute of the instance does not hide a method of the
    same name.
    """
    cls = type(instance)
    for base in cls.__mro__:
        if name in vars(base):
            found = vars(base)[name]
            bind = getattr(type(found), "__get__", None)
            bound = found if bind is None else bind(found, instance, cls)
            options = getattr(found, "__trygon_method_options__", None)
            if options:
                from trygon._core.generators import regrouped

                bound = regrouped(bound, options)
            return _with_checkpoint(instance, bound)
    built_in: Any = {"__ray_ready__": _ready, "__ray_call__": _call, "__ray_terminate__": _terminate}.get(name)
    if built_in is None:
        raise AttributeError(f"{cls.__name__} has no method {name}.")
    return lambda *args, **kwargs: built_in(instance, *args, **kwargs)


def _with_checkpoint(instance: Any, bound: Any) -> Any:
    recorder = sys.modules.get("trygon._core.checkpoint.recorder")
    current = recorder.current() if recorder is not None and instance is _actor else None
    return bound if current is None else current.wrap(bound)


def _ready(instance: Any) -> bool:
    return True


def _call(instance: Any, function: Any, *args: Any, **kwargs: Any) -> Any:
    return function(instance, *args, **kwargs)


def _terminate(instance: Any) -> None:
    sys.exit(0)
