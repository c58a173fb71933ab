"""`timeline()`: when each task ran, where. Kept only if a program asks for it: `TRYGON_TIMELINE=1` before `init`.

A worker then wraps each function that it loads, notes begin and end of each call, and sends its notes to the
key-value store of the control service every fifth of a second. Others pay nothing.
"""

from __future__ import annotations

import os
import threading
import time

from trygon import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

VARIABLE = "TRYGON_TIMELINE"
_NAMESPACE = "trygon-timeline"
_FLUSH_S = 0.2

_events: list[tuple[str, str, int, int, bool]] = []
_flusher: threading.Thread | None = None


def is_wanted() -> bool:
    """Whether the program asked for a record."""
    return os.environ.get(VARIABLE, "0") not in ("", "0", "false", "False")


# --- in workers


def worker_hooks(find_method: Callable[[Any, str], Any]) -> dict[str, Callable[..., Any]]:
    """Hooks that load functions and methods so that their calls are noted."""
    from trygon._core.serialization import load_exported

    def method_label(method: Any, instance: Any, name: str) -> str:
        return f"{type(instance).__name__}.{name}"

    def function_label(function: Any, body: bytes) -> str:
        return str(getattr(function, "__qualname__", "task")).rpartition(".")[2]

    return {
        "load_function": recorded(load_exported, function_label),
        "find_method": recorded(find_method, method_label),
    }


def recorded(load: Callable[..., Any], label: Callable[..., str]) -> Callable[..., Any]:
    """`load`, with what it returns wrapped so that its calls are noted under `label(*arguments of load)`."""

    def load_recorded(*arguments: Any) -> Any:
        function = load(*arguments)
        return _wrapped(function, label(function, *arguments))

    return load_recorded


def _wrapped(function: Any, label: str) -> Any:
    import functools
    import inspect

    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def call_stream(*args: Any, **kwargs: Any) -> Any:
            with _Note(label):
                async for item in function(*args, **kwargs):
                    yield item

        return call_stream
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def call_async(*args: Any, **kwargs: Any) -> Any:
            with _Note(label):
                return await function(*args, **kwargs)

        return call_async
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def call_generator(*args: Any, **kwargs: Any) -> Any:
            with _Note(label):
                return (yield from function(*args, **kwargs))

        return call_generator

    @functools.wraps(function, updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        with _Note(label):
            return function(*args, **kwargs)

    return call


class _Note:
    """Notes one call. Times are wall-clock, so that those of several processes fit together."""

    __slots__ = ("_label", "_start_ns", "_task")

    def __init__(self, label: str) -> None:
        self._label = label

    def __enter__(self) -> None:
        self._task = str(_native.context().get("task_id") or "")
        self._start_ns = time.time_ns()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        _events.append((self._label, self._task, self._start_ns, time.time_ns(), kind is not None))
        _start_flusher()


def _start_flusher() -> None:
    global _flusher
    if _flusher is None:
        _flusher = threading.Thread(target=_flush_often, name="trygon-timeline", daemon=True)
        _flusher.start()


def _flush_often() -> None:
    import json

    number = 0
    while True:
        time.sleep(_FLUSH_S)
        batch = _events[:]
        if not batch:
            continue
        key = f"{_native.context()['worker_id']}:{os.getpid()}:{number}".encode()
        try:
            _native.key_value("put", _NAMESPACE, key, json.dumps(batch).encode())
        except Exception:
            return  # The engine ends, and nobody will ask any more.
        del _events[: len(batch)]
        number += 1


# --- in the driver


def timeline(filename: str | None = None) -> list[dict[str, Any]] | None:
    """What ran when, as events of Chrome's trace viewer (chrome://tracing, ui.perfetto.dev).

    Returns the list, or with a `filename` writes it there as JSON. The record is kept only if the environment variable
    `TRYGON_TIMELINE` was 1 when the engine started; without it, there is a warning and the list is empty.
    """
    import json

    if not is_wanted():
        import warnings

        warnings.warn(
            f"No record of tasks is kept: set {VARIABLE}=1 in the environment before init().", UserWarning, stacklevel=2
        )
    time.sleep(2 * _FLUSH_S if is_wanted() else 0)
    events = [event for key in _keys() for event in _trace_events(key)]
    events.sort(key=lambda event: event["ts"])
    if filename is None:
        return events
    with open(filename, "w", encoding="utf-8") as file:
        json.dump(events, file)
    return None


def _keys() -> list[bytes]:
    _, _, keys = _native.key_value("list", _NAMESPACE, b"")
    return keys


def _trace_events(key: bytes) -> list[dict[str, Any]]:
    import json

    _, value, _ = _native.key_value("get", _NAMESPACE, key)
    worker, pid, _ = key.decode().split(":")
    return [
        {
            "cat": f"task::{name}",
            "name": f"task::{name}",
            "pid": "node:127.0.0.1",
            "tid": f"worker:{worker}",
            "ts": start_ns / 1000,
            "dur": (end_ns - start_ns) / 1000,
            "ph": "X",
            "cname": "terrible" if failed else "good",
            "args": {"task_id": task, "name": name, "pid": int(pid), "failed": failed},
        }
        for name, task, start_ns, end_ns, failed in json.loads(value or b"[]")
    ]
