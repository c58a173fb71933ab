"""The engine's functions as the inline mode answers them. `_native` has them while it is on."""

from __future__ import annotations

import sys
import time

from trygon._core.generators import DYNAMIC, STREAMING
from trygon._core.inline.completions import CompletionQueue
from trygon._core.inline.placement import plain
from trygon._core.inline.work import Work, current_work
from trygon._core.options import actor_resources, task_resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from trygon._core.inline.engine import Engine


class StoreSpace(bytearray):
    """Space for an object that is filled in place."""

    engine: Engine

    def seal(self, pickle: bytes) -> Any:
        """The object."""
        from trygon._core.inline.values import Encoded

        return self.engine.put_encoded(Encoded.of_parts(pickle, bytes(self)))


class MethodHandle:
    """An actor's method: what the native handle is elsewhere."""

    def __init__(
        self, actor_id: bytes, handle_ref: Any, *, method: str, class_name: str, num_returns: Any = 1,
        max_task_retries: int = 0, check: Any = None, **others: Any,
    ) -> None:  # fmt: skip
        self._actor_id, self._hold, self._method, self._class_name = actor_id, handle_ref, method, class_name
        self._num_returns, self._max_retries, self._check, self._others = num_returns, max_task_retries, check, others

    def submit(self, *args: Any, **kwargs: Any) -> Any:
        """Submits a call."""
        from trygon._core.inline import require
        from trygon._core.system_errors import system_error
        from trygon._core.worker_main import find_method

        if self._check is not None:
            self._check[2](args, kwargs)
        engine = require()
        actor = engine.actors.get(self._actor_id)
        if actor is None:
            message = "the actor belongs to an earlier session; actors end with shutdown()"
            raise system_error("actor_died", {"actor_id": self._actor_id.hex(), "message": message})
        method = self._method
        work = make_work(
            engine,
            method,
            lambda: find_method(actor.instance, method),
            args,
            kwargs,
            num_returns=self._num_returns,
            stream_limit=self._others.get("stream_limit", 0),
            max_retries=self._max_retries,
            retry_exceptions=self._others.get("retry_exceptions") or self._others.get("retry_exception_types"),
            actor=actor,
            resources=plain(actor_resources(actor.options)[1]),
        )
        work.group = self._others.get("group") or actor.groups.get(method, "")
        results = work.results()
        actor.submit(work)
        return results

    def __reduce__(self) -> Any:
        from trygon._core.actor_handle import _parts, _rebuild_native

        return _rebuild_native, _parts[self]


def make_work(
    engine: Engine,
    name: str,
    load: Callable[[], Any],
    args: Any,
    kwargs: Any,
    *,
    num_returns: int,
    stream_limit: int,
    **more: Any,
) -> Work:
    """The call of a function, of the kind that `num_returns` says."""
    if num_returns not in (STREAMING, DYNAMIC):
        return Work(engine, name, load, args, kwargs, num_returns=num_returns, **more)
    from trygon._core.inline.streams import ListWork, StreamWork

    if num_returns == DYNAMIC:
        return ListWork(engine, name, load, args, kwargs, **more)
    work = StreamWork(engine, name, load, args, kwargs, num_returns=0, **more)
    work.most_unread = stream_limit
    return work


def submit(exporter: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Any:
    """Hook `inline_submit`: submits a task."""
    from trygon._core.inline import require
    from trygon._core.inline.work import loader
    from trygon._core.remote_function import DEFAULT_MAX_RETRIES

    engine = require()
    load = engine.functions.get(exporter)
    if load is None:
        load = engine.functions[exporter] = loader(engine, exporter)
    options = exporter.options
    max_retries = options.get("max_retries")
    work = make_work(
        engine,
        exporter.name,
        load,
        args,
        kwargs,
        num_returns=exporter.num_returns,
        stream_limit=exporter.stream_limit,
        max_retries=DEFAULT_MAX_RETRIES if max_retries is None else max_retries,
        retry_exceptions=options.get("retry_exceptions") or False,
        resources=plain(task_resources(options)),
    )
    if engine.placement.is_used(options):
        engine.placement.put(work, options)
    results = work.results()
    # A stream begins when it is read.
    if exporter.num_returns != STREAMING:
        engine.submit(work)
    return results


def surface(engine: Engine, info: dict[str, Any], started: dict[str, Any]) -> dict[str, Any]:
    """The functions by name."""
    from trygon._core.inline import actors

    store: dict[tuple[str, bytes], bytes] = {}

    def context() -> dict[str, Any]:
        return _context(engine, info, current_work.get())

    def key_value(
        operation: str, namespace: str, key: bytes, value: bytes | None = None, overwrite: bool = True
    ) -> tuple[bool, bytes, list[bytes]]:
        with engine.lock:
            return _key_value(store, operation, namespace, key, value or b"", overwrite)

    def create_in_store(size_bytes: int) -> StoreSpace:
        made = StoreSpace(size_bytes)
        made.engine = engine
        return made

    def actor_state(actor_id: bytes) -> str:
        actor = engine.actors.get(actor_id)
        return "DEAD" if actor is None else actor.state

    return {
        "get": engine.get,
        "put": engine.put,
        "wait": engine.wait,
        "CompletionQueue": CompletionQueue,
        "is_initialized": lambda: True,
        "context": context,
        "key_value": key_value,
        "create_in_store": create_in_store,
        "actor_state": actor_state,
        "cancel": lambda reference, force, recursive: engine.cancel(engine.entry_of(reference), force, recursive),
        "is_canceled": lambda: (work := current_work.get()) is not None and work.is_cancelled,
        "kill_actor": lambda actor_id, no_restart: actors.kill(engine, actor_id, no_restart),
        "get_named_actor": lambda name, namespace: actors.find(engine, name, namespace),
        "explain": _explain,
        "query_state": lambda what, argument="": _query(engine, info, started, what, argument),
        **engine.placement.functions(),
        "object_stats": lambda: _statistics(engine),
        "wait_for_log_lines": time.sleep,
        "take_log_lines": list,
        "ActorMethodHandle": MethodHandle,
    }


def _explain(wanted: str) -> tuple[str, str]:
    from trygon.exceptions import RaySystemError

    raise RaySystemError(f"Nothing is known of {wanted}: the inline mode has no daemon that could be asked.")


def _statistics(engine: Engine) -> dict[str, Any]:
    engine.collect()
    return {"owned": len(engine.entries), "borrowed": 0, "tasks_in_flight": engine.unfinished()}


def _context(engine: Engine, info: dict[str, Any], work: Work | None) -> dict[str, Any]:
    actor = work.actor if work is not None else None
    group_id, captures = engine.placement.here()
    return {
        "mode": "driver" if work is None else "worker",
        "job_id": info["job_id"],
        "node_id": info["node_id"],
        "worker_id": engine.worker_id,
        "task_id": None if work is None else work.task_id.hex(),
        "actor_id": None if actor is None else actor.id.hex(),
        "task_name": "" if work is None else work.name,
        "namespace": engine.namespace,
        "node_address": info["node_address"],
        "resources": {} if work is None else dict(work.resources),
        "devices": {},
        "placement_group_id": group_id or None,
        "placement_group_captures": captures,
        "actor_name": "" if actor is None else actor.name or "",
        "actor_incarnation": 0 if actor is None else actor.incarnation,
        "actor_meta": b"" if actor is None else actor.meta,
        "attempt": 0 if work is None else work.attempt,
        "is_canceled": work is not None and work.is_cancelled,
        "argv": list(sys.argv),
        "num_cpus": info["resources"].get("CPU", 0.0),
    }


def _key_value(
    store: dict[tuple[str, bytes], bytes], operation: str, namespace: str, key: bytes, value: bytes, overwrite: bool
) -> tuple[bool, bytes, list[bytes]]:
    place = (namespace, key)
    existed = place in store
    found = store.get(place, b"")
    if operation == "put" and (overwrite or not existed):
        store[place] = value
    elif operation == "delete":
        store.pop(place, None)
    elif operation == "list":
        return False, b"", sorted(name for space, name in store if space == namespace and name.startswith(key))
    return existed, found if operation == "get" else b"", []


def _query(engine: Engine, info: dict[str, Any], started: dict[str, Any], what: str, argument: str) -> str:
    import json
    import socket

    resources = info["resources"]
    with engine.lock:
        actors = list(engine.actors.values())
    answers: dict[str, Any] = {
        "cluster_resources": resources,
        "available_resources": resources,
        "nodes": [
            {
                "NodeID": info["node_id"],
                "Alive": True,
                "NodeManagerAddress": info["node_address"],
                "NodeManagerHostname": socket.gethostname(),
                "Resources": resources,
                "Labels": {
                    **started["labels"],
                    "ray.io/node-id": info["node_id"],
                    "trygon.io/node-id": info["node_id"],
                },
                "DaemonPid": 0,
            }
        ],
        "named_actors": [
            {"name": actor.name, "namespace": actor.namespace}
            for actor in actors
            if actor.name and actor.state != "DEAD"
        ],
        "actors": [_describe(engine, actor) for actor in actors],
        "placement_groups": engine.placement.table(argument) if what == "placement_groups" else [],
        "workers": [],
        "task_events": {"events": [], "dropped": 0},
        "store": {"capacity_bytes": started.get("object_store_memory_bytes", 0), "used_bytes": 0, "objects": 0},
    }
    if what not in answers:
        from trygon._core.system_errors import system_error

        raise system_error("system", {"message": f"the inline mode has nothing to say about {what}"})
    return json.dumps(answers[what])


def _describe(engine: Engine, actor: Any) -> dict[str, Any]:
    return {
        "actor_id": actor.id.hex(),
        "class_name": actor.class_name,
        "name": actor.name or "",
        "namespace": actor.namespace,
        "state": actor.state.lower(),
        "incarnation": actor.incarnation,
        "pid": engine.pid,
        "death": (actor.death or {}).get("cause_kind", ""),
        "waits": "",
    }
