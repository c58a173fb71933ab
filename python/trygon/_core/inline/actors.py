"""Actors of the inline mode: an instance, its calls in order, and who may run them.

A plain actor runs one call at a time, in whichever thread waits for it. One with `max_concurrency` has threads, one
with `async def` methods an event loop in a thread; both begin a call as soon as it is submitted.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque

from trygon._core.actor_handle import meta_of
from trygon._core.inline.values import Failure, meet, new_actor_id
from trygon._core.inline.work import DONE, RUNNING, Work, cancelled, loader
from trygon._core.system_errors import system_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from trygon._core.inline.engine import Engine


class Hold:
    """Counts the handles on an actor: when the last one is gone, the actor ends after its queue."""

    __slots__ = ("__weakref__", "actor")

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        actor.hold = weakref.ref(self)

    def __reduce__(self) -> Any:
        if not meet(self):
            self.actor.engine.pinned.append(self)
        return rebuild_hold, (self.actor.id,)

    def __del__(self) -> None:
        # May run anywhere, also under the lock: whoever comes next ends the actor.
        if not self.actor.is_detached:
            self.actor.engine.dropped.append(self.actor)


def rebuild_hold(actor_id: bytes) -> Hold | None:
    """The count of an actor that was pickled by its id."""
    from trygon._core.inline import current

    engine = current()
    actor = engine.actors.get(actor_id) if engine is not None else None
    return actor.hold() if actor is not None and actor.hold is not None else None


class Actor:
    """One actor. `thread` is who runs its call now, for those that run one at a time."""

    def __init__(
        self, engine: Engine, cls_name: str, options: dict[str, Any], meta: bytes, make: Callable[..., Any]
    ) -> None:
        self.engine, self.class_name, self.options, self.meta = engine, cls_name, options, meta
        concurrency = meta_of(meta).concurrency or {}
        self.limits: dict[str, int] = dict(concurrency.get("limits", ()))
        self.groups: dict[str, str] = concurrency.get("methods", {})
        self.most_pending: int = concurrency.get("max_pending_calls", -1)
        # Calls that are not done; the constructor is none.
        self.pending = 0
        self.id = new_actor_id()
        self.name: str | None = options.get("name")
        self.namespace = options.get("namespace") or engine.namespace
        from trygon._core.actor_class import is_detached

        self.is_detached = is_detached(options)
        self.is_serial = not concurrency.get("concurrent")
        self._is_out_of_order = bool(concurrency.get("out_of_order"))
        self.make = make
        self.instance: Any = None
        self.state = "PENDING_CREATION"
        self.death: dict[str, Any] | None = None
        self.init_error: bytes = b""
        self.incarnation = 0
        self.thread = 0
        self.hold: weakref.ref[Hold] | None = None
        self._queue: deque[Work] = deque()
        self._waiting: list[Work] = []
        self._runner: Any = None
        if not self.is_serial:
            self._runner = (_Loop if concurrency["has_loop"] else _Threads)(self)
        engine.actors[self.id] = self

    @property
    def loop_thread(self) -> int:
        """The thread of its event loop; 0 when it has none."""
        return getattr(self._runner, "thread", 0)

    # --- calls

    def submit(self, work: Work) -> None:
        """Takes a call, or the constructor as the first one."""
        with self.engine.lock:
            if self.death is not None or self.init_error:
                self.engine.finish(work, self.failure())
                return
            if 0 <= self.most_pending <= self.pending and not work.is_constructor:
                details = {"class_name": self.class_name, "pending": self.pending, "limit": self.most_pending}
                raise system_error("pending_calls_limit", details)
            self.pending += not work.is_constructor
            if self.is_serial:
                self._queue.append(work)
            elif all(entry.outcome is not None for entry in work.dependencies):
                work.state, work.thread = RUNNING, 0
                self.engine.collect()
                self.start(work)
                return
            self.engine.submit(work)

    def head(self) -> Work:
        """The call whose turn it is."""
        while self._queue[0].state == DONE:
            self._queue.popleft()
        if self._is_out_of_order and not self._queue[0].is_constructor:
            for work in self._queue:
                if work.state != DONE and all(entry.outcome is not None for entry in work.dependencies):
                    return work
        return self._queue[0]

    def claim(self, thread: int) -> None:
        """The head is being run by this thread."""
        if self.is_serial:
            self.thread = thread

    def done(self, work: Work) -> None:
        """The head has been run, or a step of it."""
        with self.engine.lock:
            self.thread = 0
            if work.state == DONE and self._queue and self._queue[0] is work:
                self._queue.popleft()
            elif work.state == DONE and work in self._queue:
                self._queue.remove(work)
            self.engine.changed.notify_all()

    def start(self, work: Work) -> None:
        """Begins a call of an actor that has threads or a loop."""
        with self.engine.lock:
            if self.death is not None or self.init_error:
                self.engine.finish(work, self.failure())
            elif self.instance is None and not work.is_constructor:
                self._waiting.append(work)
            else:
                self._runner.start(work)

    def constructed(self, instance: Any) -> None:
        """The constructor is through: calls may begin."""
        with self.engine.lock:
            self.instance = instance
            self.state = "ALIVE"
            waiting, self._waiting = self._waiting, []
            for work in waiting:
                if work.state != DONE:
                    self._runner.start(work)

    # --- the end

    def failure(self) -> Failure:
        """What calls on a dead actor get."""
        details = {"actor_id": self.id.hex(), "class_name": self.class_name, "name": self.name or ""}
        if self.init_error:
            return Failure(kind="actor_init_failed", details={**details, "error": self.init_error})
        return Failure(kind="actor_died", details={**details, **(self.death or {})})

    def end(self, message: str, cause_kind: str) -> None:
        """Ends it for good; calls that wait fail."""
        with self.engine.lock:
            if self.death is None:
                self.death = {"message": message, "cause_kind": cause_kind, "pid": self.engine.pid}
            self._finish_all()
        if self._runner is not None:
            self._runner.end()

    def _finish_all(self) -> None:
        self.state = "DEAD"
        self.engine.forget_name(self)
        failure = self.failure()
        for work in [*self._queue, *self._waiting, *(self._runner.running if self._runner else ())]:
            self.engine.finish(work, failure)
        self._queue.clear()
        self._waiting = []
        self.instance = None

    def fail_to_start(self, encoded: bytes) -> None:
        """The constructor raised."""
        with self.engine.lock:
            self.init_error = encoded
            self._finish_all()
        if self._runner is not None:
            self._runner.end()

    def left(self, work: Work, error: SystemExit) -> Failure | None:
        """User code asked the process to end: the actor ends, or starts again if it may."""
        code = error.code
        is_intended = code is None or code == 0
        message = f"sys.exit({'' if code is None else code}) was called"
        if not is_intended and self.restart():
            return Failure(
                kind="actor_unavailable",
                details={"actor_id": self.id.hex(), "class_name": self.class_name, "message": message},
            )
        with self.engine.lock:
            self.death = {"message": message, "cause_kind": "user_exit", "pid": self.engine.pid}
            failure = self.failure()
            self.engine.finish(work, failure)
            self._finish_all()
        if self._runner is not None:
            self._runner.end()
        return failure

    def drop(self) -> None:
        """Its last handle is gone: it ends when nothing is left in its queue."""
        with self.engine.lock:
            is_busy = self._queue or self._waiting or (self._runner and self._runner.running) or self.thread
            if self.death is None and not self.init_error and not (is_busy and self.state != "DEAD"):
                self.death = {"cause_kind": "out_of_scope"}
                self._finish_all()
            elif self.state != "DEAD":
                self.engine.dropped.append(self)
                return
        if self._runner is not None:
            self._runner.end()

    def restart(self) -> bool:
        """Makes the instance anew, with the constructor's first arguments, if `max_restarts` allows it."""
        most = self.options.get("max_restarts") or 0
        if most != -1 and self.incarnation >= most:
            return False
        self.incarnation += 1
        self.instance = self.make()
        return True


class ConstructorWork(Work):
    """An actor's constructor: its errors become the actor's."""

    __slots__ = ()
    is_constructor = True

    def settle(self, outcome: Any) -> None:
        """Gives the actor its instance, or its death."""
        actor = self.actor
        assert actor is not None
        if isinstance(outcome, Failure):
            encoded = outcome.encoded()
            if encoded:
                actor.fail_to_start(encoded)
            else:
                actor.end(f"its constructor was given an argument that failed ({outcome.kind})", "")

    def encode(self, value: Any) -> Any:
        assert self.actor is not None
        self.actor.constructed(value)
        return []

    def run_for(self, target: Any) -> Any:
        outcome = self.run()
        self.settle(outcome)
        return outcome


class _Group:
    """The threads of one concurrency group; each stays until the actor ends."""

    def __init__(self, most: int) -> None:
        self.most, self.threads, self.idle = most, 0, 0
        self.queue: deque[Work] = deque()


class _Threads:
    """Runs calls in threads, at most so many at a time; each group of calls has its own number."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self.running: set[Work] = set()
        self._groups: dict[str, _Group] = {}
        self._is_over = False

    def start(self, work: Work) -> None:
        """Takes a call. The lock is held."""
        self.running.add(work)
        group = self._groups.get(work.group)
        if group is None:
            group = self._groups[work.group] = _Group(self._actor.limits.get(work.group, 1))
        group.queue.append(work)
        if len(group.queue) > group.idle and group.threads < group.most:
            group.threads += 1
            self._actor.engine.spawn(lambda: self._run(group))
        self._actor.engine.changed.notify_all()

    def _run(self, group: _Group) -> None:
        engine = self._actor.engine
        while True:
            with engine.lock:
                group.idle += 1
                while not group.queue and not self._is_over and not engine.is_closed:
                    engine.changed.wait()
                group.idle -= 1
                if self._is_over or engine.is_closed:
                    return
                work = group.queue.popleft()
            if work.state != DONE:
                engine.run_here(work)
            self.running.discard(work)

    def end(self) -> None:
        """The threads go once their calls are done."""
        self._is_over = True
        with self._actor.engine.lock:
            self._actor.engine.changed.notify_all()


class _Loop:
    """Runs calls as asyncio tasks of one event loop, which has a thread of its own."""

    def __init__(self, actor: Actor) -> None:
        import asyncio

        self._actor = actor
        self.running: set[Work] = set()
        self._loop = asyncio.new_event_loop()
        self.thread = 0
        self._limits: dict[str, asyncio.Semaphore] = {}
        actor.engine.spawn(self._run)

    def _run(self) -> None:
        import asyncio

        self.thread = threading.get_ident()
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            if left:
                self._loop.run_until_complete(asyncio.wait(left, timeout=0.5))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()

    def start(self, work: Work) -> None:
        from contextvars import Context

        self.running.add(work)
        work.cancel = lambda: self._cancel(work)
        try:
            self._loop.call_soon_threadsafe(self._begin, work, context=Context())
        except RuntimeError:  # The loop has ended.
            self._actor.engine.finish(work, self._actor.failure())

    def _begin(self, work: Work) -> None:
        if work.state == DONE:
            self.running.discard(work)
            return
        task = self._loop.create_task(self._call(work))
        work.cancel = lambda: self._loop.call_soon_threadsafe(task.cancel)
        if work.is_cancelled:
            task.cancel()

    def _cancel(self, work: Work) -> None:
        """Not begun yet: `_begin` sees the flag."""

    async def _call(self, work: Work) -> None:
        import asyncio

        engine = self._actor.engine
        try:
            if work.is_constructor:
                outcome = await work.run_async()
                work.settle(outcome)
            else:
                async with self._limit(work.group):
                    outcome = await work.run_async()
        except asyncio.CancelledError:
            outcome = cancelled(work.name)
        self.running.discard(work)
        engine.finish(work, outcome)

    def _limit(self, group: str) -> Any:
        import asyncio

        limit = self._limits.get(group)
        if limit is None:
            limit = self._limits[group] = asyncio.Semaphore(self._actor.limits.get(group, 1))
        return limit

    def end(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._loop.stop)
        except RuntimeError:
            pass


# --- what `create`, `kill` and `get_actor` of the package come to


def create(engine: Engine, cls: type, args: Any, kwargs: Any, options: dict[str, Any], meta: bytes) -> Any:
    """Makes an actor, or finds the one of that name; returns its id, the count of its handles, and its data if it was
    there.
    """
    from trygon._core.serialization import export

    engine.collect()
    name, namespace = options.get("name"), options.get("namespace") or engine.namespace
    with engine.lock:
        existing = engine.names.get((namespace, name)) if name else None
        if existing is not None and options.get("get_if_exists"):
            return existing.id, existing.hold() if existing.hold else None, existing.meta
        if existing is not None:
            raise system_error("actor_name_taken", {"name": name, "actor_id": existing.id.hex()})
    load = loader(engine, lambda: export(cls, "class", cls.__qualname__))
    work: ConstructorWork

    def make() -> Any:
        again, keywords = work.arguments()
        return load()(*again, **keywords)

    actor = Actor(engine, cls.__name__, options, meta, make)
    work = ConstructorWork(engine, f"{cls.__name__}.__init__", load, args, kwargs, num_returns=0, actor=actor)
    work.keeps_arguments = bool(options.get("max_restarts"))
    with engine.lock:
        if name:
            engine.names[namespace, name] = actor
    hold = Hold(actor)
    if engine.placement.is_used(options):
        engine.placement.put_actor(actor, work, options)
    actor.submit(work)
    return actor.id, hold, None


def find(engine: Engine, name: str, namespace: str) -> tuple[bytes, str, bytes] | None:
    """The living actor of this name."""
    engine.collect()
    actor = engine.names.get((namespace or engine.namespace, name))
    return None if actor is None else (actor.id, actor.class_name, actor.meta)


def kill(engine: Engine, actor_id: bytes, no_restart: bool) -> None:
    """Ends an actor at once, or makes it anew."""
    actor = engine.actors.get(actor_id)
    if actor is None or actor.death is not None:
        return
    if not no_restart and actor.restart():
        return
    actor.end("", "killed")
