"""What the engine calls back: one place that ties its hooks to the modules that answer them."""

from __future__ import annotations

import os

from trygon import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_is_set = False


def install(**replaced: Any) -> None:
    """Gives the engine its hooks; `replaced` are those that are different in a worker."""
    global _is_set
    from trygon._core.serialization import load_exported, pickle_value, unpickle_value

    hooks: dict[str, Any] = {
        "pickle": pickle_value,
        "unpickle": unpickle_value,
        "encode_error": _encode_error,
        "decode_error": _decode_error,
        "system_error": _system_error,
        "is_retryable": _is_retryable,
        "cancelled_error": _cancelled_error,
        "auto_init": _auto_init,
        "load_function": load_exported,
        "load_class": load_exported,
        "make_actor": _make_actor,
        "actor_concurrency": _actor_concurrency,
        "run_event_loop": _run_event_loop,
        "find_method": _find_method,
        "on_task_start": _on_task_start,
        "on_worker_start": _on_worker_start,
        "split_returns": split_returns,
        "await_ref": _await_ref,
        "future_of": _future_of,
        "inline_submit": _inline_submit,
        "next_item": _next_item,
        "on_worker_exit_request": _on_task_start,
    }
    _native.set_hooks({**hooks, **replaced})
    if not _is_set:
        _is_set = True
        os.register_at_fork(after_in_child=_native.after_fork)


# Modules that few programs need at once are imported by the first call that needs them.


def _encode_error(error: BaseException, name: str) -> bytes:
    from trygon._core import errors

    errors.set_context(_native.context)
    return errors.encode_error(error, name)


def _decode_error(data: bytes) -> BaseException:
    from trygon._core.errors import decode_error

    return decode_error(data)


def _system_error(kind: str, details: Any) -> BaseException:
    from trygon._core.system_errors import system_error

    return system_error(kind, details)


def _is_retryable(exception_types: bytes, error: BaseException) -> bool:
    from trygon._core.retries import is_retryable

    return is_retryable(exception_types, error)


def _cancelled_error(error: BaseException, name: str, task_id: str) -> BaseException | None:
    from trygon._core.cancel import cancelled_error

    return cancelled_error(error, name, task_id)


def _auto_init() -> None:
    from trygon._core.init import auto_init

    auto_init()


def _make_actor(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any], options: bytes) -> Any:
    from trygon._core.worker_main import make_actor

    return make_actor(cls, args, kwargs, options)


def _actor_concurrency(options: bytes) -> Any:
    from trygon._core.worker_main import actor_concurrency

    return actor_concurrency(options)


def _run_event_loop(runner: Any) -> None:
    from trygon._core.event_loop import run

    run(runner)


def _find_method(instance: Any, name: str) -> Any:
    from trygon._core.worker_main import find_method

    return find_method(instance, name)


def _on_task_start(name: Any) -> None:
    """Replaced in workers."""


def _on_worker_start() -> None:
    """Replaced in workers."""


def _await_ref(ref: Any) -> Any:
    from trygon._core.object_ref import await_ref

    return await_ref(ref)


def _future_of(ref: Any) -> Any:
    from trygon._core.object_ref import future_of

    return future_of(ref)


def _inline_submit(exporter: Any, args: Any, kwargs: Any) -> Any:
    from trygon._core.inline.surface import submit

    return submit(exporter, args, kwargs)


def _next_item(generator: Any, timeout_s: float | None) -> Any:
    from trygon._core.generators import next_item

    return next_item(generator, timeout_s)


def split_returns(value: Any, num_returns: int, name: str) -> list[Any]:
    """Hook `split_returns`: the several results of one call."""
    try:
        values = list(value)
    except TypeError:
        raise ValueError(
            f"{name} has num_returns={num_returns}, so it must return {num_returns} values, but it returned one"
            f" {type(value).__name__}."
        ) from None
    if len(values) != num_returns:
        raise ValueError(f"{name} has num_returns={num_returns}, but it returned {len(values)} values.")
    return values
