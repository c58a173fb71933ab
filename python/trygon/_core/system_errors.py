"""The engine's own errors as exceptions: what happened, to what, where, and what to do.

The engine names a kind and gives details; the class and the sentence are made here.
"""

from __future__ import annotations

from trygon import exceptions
from trygon._core import placement_errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Details = Mapping[str, Any]

_SIGNALS = {
    2: "SIGINT",
    4: "SIGILL",
    6: "SIGABRT",
    7: "SIGBUS",
    8: "SIGFPE",
    9: "SIGKILL",
    11: "SIGSEGV",
    13: "SIGPIPE",
    15: "SIGTERM",
    24: "SIGXCPU",
}
# Ended for more than its own limit, and ended because the node was nearly full.
_MEMORY_KINDS = ("memory_limit", "out_of_memory")


def system_error(kind: str, details: Details) -> BaseException:
    """Hook `system_error`."""
    make = _MAKERS.get(kind)
    if make is None:
        return exceptions.RaySystemError(f"The engine reports '{kind}': {_message(details) or dict(details)}.")
    return make(details)


def describe_death(details: Details) -> str:
    """The one cause of a process's death, as a phrase."""
    kind, pid = details.get("cause_kind", ""), details.get("pid") or 0
    process = f"process {pid}" if pid else "its process"
    signal, exit_code = details.get("signal") or 0, details.get("exit_code") or 0
    message = _message(details)
    if kind == "user_exit":
        return f"{process} left by itself: {message or 'sys.exit() was called'}"
    if kind in _MEMORY_KINDS:
        return f"{process} was stopped for its memory use: {message}"
    if signal:
        return f"{process} was killed by signal {signal} ({_SIGNALS.get(signal, 'unnamed')})"
    if kind == "exit":
        return f"{process} exited with code {exit_code}" + (
            f": {message}" if message and str(exit_code) not in message else ""
        )
    return f"{process} ended: {message}" if message else f"{process} ended for an unknown reason"


def _out_of_disk(details: Details) -> BaseException:
    return exceptions.OutOfDiskError(_message(details))


def _message(details: Details) -> str:
    text = details.get("message") or ""
    return (text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)).rstrip(".")


def _worker_died(details: Details) -> BaseException:
    if details.get("cause_kind") == "placement_group_removed":
        return placement_errors.task_ended_with_group(details)
    name = details.get("name") or "a task"
    attempts = int(details.get("attempts") or 1)
    tries = "" if attempts == 1 else f" It was tried {attempts} times."
    advice = " A higher max_retries would have tried again." if attempts else ""
    if details.get("cause_kind") in _MEMORY_KINDS:
        return exceptions.OutOfMemoryError(f"Task {name} was ended: {describe_death(details)}.{tries}")
    return exceptions.WorkerCrashedError(f"The worker of task {name} died: {describe_death(details)}.{tries}{advice}")


def _actor(kind: type[exceptions.RayActorError], text: str, details: Details) -> exceptions.RayActorError:
    error = kind(text)
    error.actor_id = details.get("actor_id")
    return error


def _actor_name(details: Details) -> str:
    class_name, name = details.get("class_name"), details.get("name")
    actor_id = str(details.get("actor_id") or "")
    return (
        f"Actor {class_name or ''}".rstrip() + (f" '{name}'" if name else "") + (f" ({actor_id})" if actor_id else "")
    )


def _actor_died(details: Details) -> BaseException:
    of_placement = placement_errors.actor_error(details)
    if of_placement is not None:
        return of_placement
    kind, message = details.get("cause_kind") or "", _message(details)
    if kind == "out_of_scope":
        why = "its last handle is gone; keep a handle for as long as the actor is needed"
    elif kind == "killed":
        why = "it was ended by trygon.kill()"
    elif kind and kind != "unknown":
        why = f"{describe_death(details)}; max_restarts would have started it again"
    else:
        why = message or "the reason is not known"
    error = exceptions.ActorOutOfMemoryError if kind in _MEMORY_KINDS else exceptions.ActorDiedError
    return _actor(error, f"{_actor_name(details)} is dead: {why}.", details)


def _actor_unavailable(details: Details) -> BaseException:
    why = describe_death(details) if details.get("cause_kind") else _message(details) or "it restarts"
    actor_id = details.get("actor_id")
    more = f" `trygon explain {actor_id}` says how it is." if actor_id else ""
    text = (
        f"{_actor_name(details)} cannot be reached now: {why}."
        f" The call may or may not have run; try again, or set max_task_retries.{more}"
    )
    return _actor(exceptions.ActorUnavailableError, text, details)


def _actor_init_failed(details: Details) -> BaseException:
    from trygon._core.errors import decode_error

    encoded = details.get("error") or b""
    cause = decode_error(encoded) if encoded else None
    text = f"{_actor_name(details)} could not be made: its constructor raised."
    error = _actor(exceptions.ActorDiedError, f"{text}\n{cause}" if cause else text, details)
    error.actor_init_failed = True
    error.cause = error.__cause__ = cause
    # The cause's text is in the message already; Python need not print it twice.
    error.__suppress_context__ = True
    error.__cause__ = None
    return error


def _object(kind: type[exceptions.ObjectLostError], sentence: str, details: Details) -> BaseException:
    object_id = str(details.get("object_id") or "")
    message = _message(details)
    what = f"Object {object_id}" if object_id else "The object"
    return kind(object_id, message=f"{what} {sentence}" + (f": {message}." if message else "."))


def _owner_died(details: Details) -> BaseException:
    owner = details.get("owner") or details.get("owner_id") or ""
    who = f"the process that owned it ({owner}) died" if owner else "the process that owned it died"
    return _object(exceptions.OwnerDiedError, f"is lost because {who}", details)


def _object_lost(details: Details) -> BaseException:
    return _object(exceptions.ObjectLostError, "cannot be had any more", details)


_RECONSTRUCTION_REASONS = {
    "put": "OBJECT_UNRECONSTRUCTABLE_PUT",
    "retries_disabled": "OBJECT_UNRECONSTRUCTABLE_RETRIES_DISABLED",
    "max_attempts": "OBJECT_UNRECONSTRUCTABLE_MAX_ATTEMPTS_EXCEEDED",
    "lineage_evicted": "OBJECT_UNRECONSTRUCTABLE_LINEAGE_EVICTED",
    "cancelled": "OBJECT_UNRECONSTRUCTABLE_TASK_CANCELLED",
    "borrowed": "OBJECT_UNRECONSTRUCTABLE_BORROWED",
}


def _object_reconstruction_failed(details: Details) -> BaseException:
    object_id, message = str(details.get("object_id") or ""), _message(details)
    maker = f", a result of {details['name']}," if details.get("name") else ""
    text = f"Object {object_id}{maker} is lost and could not be made again: {message}."
    reason = _RECONSTRUCTION_REASONS.get(str(details.get("reason") or ""))
    return exceptions.ObjectReconstructionFailedError(object_id, reason, None, message=text)


def _object_fetch_timed_out(details: Details) -> BaseException:
    return _object(exceptions.ObjectFetchTimedOutError, "could not be fetched in time", details)


def _object_freed(details: Details) -> BaseException:
    return _object(exceptions.ObjectFreedError, "was freed: nothing referred to it any more", details)


def _get_timeout(details: Details) -> BaseException:
    message = _message(details) or f"not ready after {details.get('timeout')} s"
    return exceptions.GetTimeoutError(
        f"get() gave up: {message}. What it waits for goes on; call get() again, or give it a longer timeout."
    )


def _cancelled(details: Details) -> BaseException:
    task_id = str(details.get("task_id") or "")
    what = " ".join(part for part in (details.get("name"), f"({task_id})" if task_id else "") if part)
    error = exceptions.TaskCancelledError(f"Task {what} was cancelled." if what else "The task was cancelled.")
    error.task_id = task_id or None
    return error


def _store_full(details: Details) -> BaseException:
    capacity, used = details.get("capacity_bytes"), details.get("used_bytes")
    if _message(details).startswith("The object store"):
        # The daemon has said all of it.
        return exceptions.ObjectStoreFullError(_message(details))
    numbers = f" ({_mebibytes(used)} of {_mebibytes(capacity)} used)" if capacity else ""
    return exceptions.ObjectStoreFullError(
        f"The object store is full{numbers}: {_message(details) or 'nothing in it can be dropped'}."
        " Drop references and arrays you no longer need, or give trygon.init(object_store_memory=...) more."
    )


def _mebibytes(size_bytes: Any) -> str:
    try:
        return f"{int(size_bytes) / 2**20:.0f} MiB"
    except (TypeError, ValueError):
        return str(size_bytes)


def _name_taken(details: Details) -> BaseException:
    return exceptions.ActorAlreadyExistsError(
        f"The actor name '{details.get('name')}' is taken by a living actor ({details.get('actor_id', '')})."
        " Choose another name or namespace, use get_if_exists=True, or end the other with trygon.kill()."
    )


def _pending_calls_limit(details: Details) -> BaseException:
    return exceptions.PendingCallsLimitExceeded(
        f"The actor {details.get('class_name')} has {details.get('pending')} pending calls from this process and"
        f" takes {details.get('limit')} at most"
        " (max_pending_calls). Wait for some of them with trygon.wait, or raise the limit."
    )


def _not_initialized(details: Details) -> BaseException:
    return exceptions.RaySystemError("Trygon is not started in this process; call trygon.init() first.")


def _invalid_argument(details: Details) -> BaseException:
    # Ray raises ValueError for what get() and wait() cannot take, TypeError where it says so.
    kind = TypeError if details.get("class") == "TypeError" else ValueError
    text = _message(details)
    return kind(
        text[:1].upper() + text[1:] + "." if text and not text.startswith(("get(", "wait(", "put(")) else text + "."
    )


def _plain(kind: type[exceptions.RayError], start: str) -> Callable[[Details], BaseException]:
    return lambda details: kind(f"{start}: {_message(details)}." if _message(details) else f"{start}.")


def _runtime_env(details: Details) -> BaseException:
    text = details.get("message") or ""
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    who = f" of {_actor_name(details)}" if details.get("actor_id") else ""
    return exceptions.RuntimeEnvSetupError(f"The runtime environment{who} could not be made: {text.rstrip()}")


def _function_too_large(details: Details) -> BaseException:
    return ValueError(
        f"The function {details.get('name', '')} cannot be sent: {_message(details) or 'its pickle is too large'}."
        " It closes over something big; pass that with trygon.put() instead."
    )


_MAKERS: dict[str, Callable[[Details], BaseException]] = {
    "worker_died": _worker_died,
    "actor_died": _actor_died,
    "actor_unavailable": _actor_unavailable,
    "actor_init_failed": _actor_init_failed,
    "owner_died": _owner_died,
    "object_lost": _object_lost,
    "object_reconstruction_failed": _object_reconstruction_failed,
    "object_fetch_timed_out": _object_fetch_timed_out,
    "object_freed": _object_freed,
    "get_timeout": _get_timeout,
    "cancelled": _cancelled,
    "store_full": _store_full,
    "out_of_disk": _out_of_disk,
    "node_died": _plain(exceptions.LocalRayletDiedError, "The node is gone"),
    "actor_name_taken": _name_taken,
    "not_initialized": _not_initialized,
    "pending_calls_limit": _pending_calls_limit,
    "invalid_argument": _invalid_argument,
    "num_returns_mismatch": lambda details: ValueError(_message(details)),
    "function_too_large": _function_too_large,
    "replay_inconsistent": lambda details: exceptions.StreamingGeneratorReplayInconsistentError(_message(details)),
    "runtime_env_failed": _runtime_env,
    "task_placement_group_removed": placement_errors.task_group_removed,
    "task_unschedulable": placement_errors.task_unschedulable,
    "blocked_cap": _plain(exceptions.RaySystemError, "Too many workers wait for one another"),
    "system": _plain(exceptions.RaySystemError, "The engine could not go on"),
}
