"""Errors between processes: what a worker sends when user code raises, and what `get` raises from it.

An encoded error is a pickle of plain strings and bytes, so it can always be read, whatever became of the exception
itself:
type, text and traceback arrive even if its class cannot be imported here. Errors of the engine are in `system_errors`.
"""

from __future__ import annotations

import os
from _pickle import dumps, loads

from trygon.exceptions import RayTaskError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from traceback import TracebackException
    from typing import Any

_RUNTIME_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_LONGEST_CHAIN = 8
_dual_classes: dict[type, type] = {}
_context: Callable[[], dict[str, Any]] = dict


def set_context(context: Callable[[], dict[str, Any]]) -> None:
    """Says where to ask for the address of this process."""
    global _context
    _context = context


# --- encoding, where the error happened


def encode_error(error: BaseException, name: str) -> bytes:
    """Hook `encode_error`: everything that rebuilds the error elsewhere."""
    pid, address = os.getpid(), _address()
    if os.environ.get("TRYGON_DRIVER_ELSEWHERE"):
        _say_what_is_elsewhere(original_cause(error), address)
    text = format_error(error)
    cause = original_cause(error)
    record = {
        "name": name,
        "type_name": _full_name(type(cause)),
        "message": _safe_str(cause),
        "traceback": f"task {name} failed in process {pid} on {address}\n{text}",
        "pid": pid,
        "ip": address,
        "chain": _encode_chain(cause),
        "actor_id": _actor_id(),
    }
    return dumps(record, 5)


def _say_what_is_elsewhere(error: BaseException, address: str) -> None:
    """A module that is missing where the driver is not may be on the driver's machine only."""
    if not isinstance(error, ImportError):
        return
    advice = (
        f"This happened on another node ({address}) than the driver's, and modules beside the program are not there."
        " Ship them: trygon.init(runtime_env={'working_dir': '.'}) gives every worker a copy of the program's folder,"
        " 'py_modules' single packages; 'pip' installs what is on an index."
    )
    if advice not in getattr(error, "__notes__", ()):
        error.add_note(advice)


def original_cause(error: BaseException) -> BaseException:
    """What user code raised first: an error that crossed processes several times stands for it."""
    while isinstance(error, RayTaskError) and error.cause is not None:
        error = error.cause
    return error


def _address() -> str:
    try:
        return str(_context().get("node_address") or "127.0.0.1")
    except Exception:
        return "127.0.0.1"


def _actor_id() -> str | None:
    try:
        return _context().get("actor_id") or None
    except Exception:
        return None


def _full_name(kind: type) -> str:
    return (
        kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    )


def _safe_str(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as problem:
        return f"(its text could not be made: {type(problem).__name__})"


def format_error(error: BaseException) -> str:
    """The traceback with its chain, without the runtime's own frames."""
    import traceback

    try:
        report = traceback.TracebackException.from_exception(error, compact=True)
        _hide_runtime_frames(report)
        return "".join(report.format()).rstrip("\n")
    except Exception:
        # The exception's own __str__ or __notes__ may be what is broken.
        frames = "".join(traceback.format_tb(error.__traceback__))
        return f"Traceback (most recent call last):\n{frames}{_full_name(type(error))}: {_safe_str(error)}"


def _hide_runtime_frames(report: TracebackException) -> None:
    todo, seen = [report], set()
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        one.stack[:] = [frame for frame in one.stack if not is_runtime_file(frame.filename)]
        todo += [other for other in (one.__cause__, one.__context__) if other is not None]
        todo += getattr(one, "exceptions", None) or []


def is_runtime_file(filename: str) -> bool:
    """Whether a frame of this file is the runtime's and not the user's."""
    return filename.startswith(_RUNTIME_FOLDER)


def _encode_chain(error: BaseException) -> list[tuple[str, bytes]]:
    """The error and its causes, outermost first, each as `(link to the one before, bytes)`."""
    chain: list[tuple[str, bytes]] = []
    link, seen = "", set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen and len(chain) < _LONGEST_CHAIN:
        seen.add(id(current))
        chain.append((link, _encode_one(current)))
        if current.__cause__ is not None:
            link, current = "cause", current.__cause__
        else:
            link, current = "context", None if current.__suppress_context__ else current.__context__
    return chain


def _encode_one(error: BaseException) -> bytes:
    from trygon._core.serialization import pickle_plain

    try:
        whole = pickle_plain(error)
        if type(loads(whole)).__name__ == type(error).__name__:
            return dumps(("whole", whole), 5)
    except Exception:
        pass
    try:
        kind = pickle_plain(type(error))
        loads(kind)
    except Exception:
        return b""
    arguments = [_try_pickle(argument) or pickle_plain(repr(argument)) for argument in error.args]
    state = {key: _try_pickle(value) for key, value in vars(error).items()}
    return dumps(("parts", kind, arguments, {key: value for key, value in state.items() if value is not None}), 5)


def _try_pickle(value: Any) -> bytes | None:
    from trygon._core.serialization import pickle_plain

    try:
        data = pickle_plain(value)
        loads(data)
    except Exception:
        return None
    return data


# --- decoding, where the result is asked for


def decode_error(data: bytes) -> BaseException:
    """Hook `decode_error`: the exception that `get` raises."""
    return as_instance_of_cause(task_error(loads(data)))


def task_error(record: dict[str, Any]) -> RayTaskError:
    """The plain error of a record that `encode_error` made."""
    error = RayTaskError(
        record["name"],
        record["traceback"],
        _decode_chain(record["chain"]),
        record.get("proctitle"),
        record["pid"],
        record["ip"],
        record.get("actor_repr"),
        record.get("actor_id"),
    )
    error.type_name, error.message = record["type_name"], record["message"]
    return error


def _decode_chain(chain: list[tuple[str, bytes]]) -> BaseException | None:
    first: BaseException | None = None
    above: BaseException | None = None
    for link, data in chain:
        error = _decode_one(data)
        if error is None:
            break
        if above is None:
            first = error
        elif link == "cause":
            above.__cause__ = error
        else:
            above.__context__ = error
        above = error
    return first


def _decode_one(data: bytes) -> BaseException | None:
    try:
        record = loads(data)
        if record[0] == "whole":
            error = loads(record[1])
            return error if isinstance(error, BaseException) else None
        _, kind, arguments, state = record
        # The class's own __init__ is what could not be called again, so it is left out.
        rebuilt: BaseException = loads(kind).__new__(loads(kind))
        rebuilt.args = tuple(loads(argument) for argument in arguments)
        rebuilt.__dict__.update({key: loads(value) for key, value in state.items()})
        return rebuilt
    except Exception:
        return None


# --- errors that are also the user's class


def as_instance_of_cause(error: RayTaskError) -> RayTaskError:
    """`error` as an instance of its cause's class too, or `error` itself where Python cannot combine the two."""
    cause = error.cause
    if cause is None or isinstance(error, type(cause)) or not isinstance(cause, Exception):
        return error
    try:
        kind = _dual_class(type(cause))
        dual: RayTaskError = kind.__new__(kind, *cause.args)
        _copy_fields(cause, dual)
        dual.__dict__.update(vars(cause))
        dual.__dict__.update(vars(error))
        dual.args = cause.args
    except Exception:
        return error
    dual.__cause__, dual.__context__ = cause.__cause__, cause.__context__
    dual.__suppress_context__ = cause.__suppress_context__
    return dual


def _dual_class(cause_class: type) -> type:
    known = _dual_classes.get(cause_class)
    if known is None:
        name = f"RayTaskError({cause_class.__name__})"
        space = {
            "__str__": RayTaskError.__str__,
            "__reduce__": RayTaskError.__reduce__,
            "__module__": "trygon.exceptions",
        }
        space["__init__"] = _ignore_arguments
        known = _dual_classes[cause_class] = type(name, (RayTaskError, cause_class), {**space, "__qualname__": name})
    return known


def _ignore_arguments(self: BaseException, *args: object, **kwargs: object) -> None:
    """The user's `__init__` may want other arguments; the fields are copied instead."""


def _copy_fields(source: BaseException, target: BaseException) -> None:
    """Copies what is not in `__dict__`: slots, and the C fields of OSError, UnicodeError and their like."""
    for base in type(source).__mro__:
        if base is BaseException or base is object:
            continue
        for name, field in vars(base).items():
            if type(field).__name__ not in ("member_descriptor", "getset_descriptor") or name.startswith("__"):
                continue
            try:
                setattr(target, name, getattr(source, name))
            except (AttributeError, TypeError):
                pass


def reduce_task_error(error: RayTaskError) -> Any:
    """How such an error is pickled when it travels as a value."""
    record = {
        "name": error.function_name,
        "type_name": error.type_name,
        "message": error.message,
        "traceback": error.traceback_str,
        "pid": error.pid,
        "ip": error.ip,
        "chain": [] if error.cause is None else _encode_chain(error.cause),
        "proctitle": error.proctitle,
        "actor_repr": error.actor_repr,
        "actor_id": error.actor_id,
    }
    is_dual = type(error) is not RayTaskError
    return _rebuild_task_error, (record, is_dual)


def _rebuild_task_error(record: dict[str, Any], is_dual: bool) -> RayTaskError:
    error = task_error(record)
    return as_instance_of_cause(error) if is_dual else error
