"""Where calls of the inline mode wait and are run: by the thread that waits for them, or by helpers.

A thread that waits without a time limit runs what it waits for itself, and what that needs, in the order of submission;
so a debugger sees one thread. Where that cannot do (a time limit, `wait` for some of many, `await`, a call that waits
for something which runs elsewhere, calls that nobody waits for), helper threads take over, as many as there are CPUs.
They end when nothing is left to run.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from time import monotonic
from weakref import WeakKeyDictionary

from trygon._core.inline.values import Encoded, Entries, Entry, Failure, InlineRef, lost, new_task_id
from trygon._core.inline.work import DONE, QUEUED, RUNNING, Work, cancelled, current_work
from trygon._core.system_errors import system_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from typing import Any

    from trygon._core.inline.actors import Actor

_RAMP_S = 0.01
_IDLE_S = 0.05
# A deeper stack of calls in one thread would come near Python's limit of recursion.
_DEEPEST = 25


class Engine:
    """One session. `lock` guards every state; user code never runs under it."""

    def __init__(self, num_cpus: float, worker_id: str, namespace: str) -> None:
        self.namespace = namespace
        # Entered as `with engine.lock`, not through the condition: an interruption that another thread sends may come
        # between the two halves of a condition's `__enter__`, which are Python, but not within the lock's own.
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self._paused: set[int] = set()
        self.pid, self.worker_id = os.getpid(), worker_id
        self.entries = Entries()
        self.pinned: list[Any] = []
        # How each remote function is loaded, once for the session.
        self.functions: WeakKeyDictionary[Any, Callable[[], Any]] = WeakKeyDictionary()
        self.names: dict[tuple[str, str | None], Actor] = {}
        # Actors whose last handle is gone, streams that nobody reads any more.
        self.dropped: deque[Any] = deque()
        self.actors: dict[bytes, Actor] = {}
        self.is_closed = False
        self.is_at_breakpoint = False
        self._has_warned = False
        self._queue: deque[Work] = deque()
        self._limit = max(1, int(num_cpus))
        self._active = 0
        # One token for each helper that has not taken anything yet.
        self._starting: set[object] = set()
        self._waiting = 0
        self._last_use_s = monotonic()
        self._is_watched = False
        self._threads: set[threading.Thread] = set()
        self._depth = threading.local()
        # What each thread runs now: of several that lie on one another, the uppermost.
        self.tops: dict[int, Work] = {}
        self.put_task_id = new_task_id()
        self._puts = 0

    # --- objects

    def put(self, value: Any) -> InlineRef:
        """Stores a value."""
        return self.put_encoded(Encoded(value))

    def put_encoded(self, encoded: Encoded) -> InlineRef:
        """Stores what is bytes already."""
        with self.lock:
            self._puts += 1
            entry = Entry(self, None, self.put_task_id, self._puts, is_put=True)
        entry.outcome = encoded
        return InlineRef(entry)

    def entry_of(self, reference: Any) -> Entry:
        """The object of a reference; refuses everything else as the engine does."""
        if type(reference) is not InlineRef:
            from trygon._native import ObjectRef

            if type(reference) is ObjectRef:
                raise lost("the object belongs to an earlier session; objects end with shutdown()")
            kind = type(reference).__name__
            raise system_error("invalid_argument", {"message": f"every item must be an ObjectRef, got {kind}"})
        entry = reference._entry
        if entry.engine is not self:
            raise lost("the object belongs to an earlier session; objects end with shutdown()")
        return entry

    # --- submitting and finishing

    def submit(self, work: Work) -> None:
        """Takes a call; it runs when somebody waits for it, or after a moment."""
        self.collect()
        with self.lock:
            if self.is_closed:
                raise system_error("not_initialized", {})
            while self._queue and self._queue[0].state == DONE:
                self._queue.popleft()
            self._queue.append(work)
            self._last_use_s = monotonic()
            if not self._is_watched and not self.is_debugged():
                self.spawn(self._watch)
                self._is_watched = True

    def finish(self, work: Work, outcome: Encoded | Failure | list[Encoded]) -> None:
        """Sets the results of a call, once."""
        with self.lock:
            if work.state == DONE:
                return
            if work.is_cancelled and work.actor is not None and work.state == RUNNING:
                # The actor goes on, whatever the call has returned.
                outcome = cancelled(work.name)
            work.state = DONE
            work.release()
            callbacks = []
            for index, entry in enumerate(work.entries):
                entry.outcome = outcome[index] if isinstance(outcome, list) else outcome
                callbacks += entry.callbacks
                entry.callbacks = []
                entry.work = None
            # A call that is done may lie in a queue for a while: the objects are not its any more.
            work.entries = []
            self._last_use_s = monotonic()
            self.changed.notify_all()
        for callback in callbacks:
            callback()

    def cancel(self, entry: Entry, force: bool, recursive: bool) -> None:
        """Drops a call that has not begun; interrupts one that runs. Nothing happens when it is done."""
        work = entry.work
        with self.lock:
            if entry.outcome is not None or work is None:
                return
            if force and work.actor is not None:
                raise ValueError("force=True cannot be used for an actor's call; use trygon.kill() to end the actor.")
            self._cancel(work, recursive, force)

    def _cancel(self, work: Work, recursive: bool, force: bool) -> None:
        if work.state == DONE:
            return
        work.is_cancelled = True
        if recursive:
            for child in list(work.children.values()):
                self._cancel(child, True, force and child.actor is None)
        has_begun = work.state == RUNNING and (work.thread != 0 or work.cancel is not None)
        if not has_begun or force:
            # In one process nothing can be killed: what runs is told to end, and nobody waits for that.
            self.finish(work, cancelled(work.name))
        if not has_begun:
            return
        if work.cancel is not None:
            work.cancel()
        elif work.actor is None:
            self._interrupt(work)
        self.changed.notify_all()

    def _interrupt(self, work: Work) -> None:
        """Raises KeyboardInterrupt in the thread that runs it, unless that runs something else on top."""
        if self.tops.get(work.thread) is not work or work.thread in self._paused:
            # It looks at its flag when it goes on.
            return
        work.is_interrupted = True
        _raise_in(work.thread, KeyboardInterrupt)

    # --- waiting

    def get(self, refs: Any, timeout: float | None = None) -> Any:
        """The value of a reference, or the values of a list of them."""
        if type(refs) is InlineRef:
            entry = self.entry_of(refs)
            self._wait_for_all([entry], timeout, refs)
            return entry.value()
        entries = [self.entry_of(reference) for reference in refs]
        self._wait_for_all(entries, timeout, refs)
        return [entry.value() for entry in entries]

    def _wait_for_all(self, entries: list[Entry], timeout: float | None, refs: Any) -> None:
        if timeout is not None and not timeout >= 0:
            raise ValueError(f"timeout must be None or >= 0 seconds, got {timeout}")
        self._warn_of_blocking()
        if timeout is None or self.is_debugged():
            for entry in entries:
                self.work_off(entry)
            return
        if self.wait_until(lambda: all(entry.outcome is not None for entry in entries), timeout):
            return
        missing = sum(entry.outcome is None for entry in entries)
        what = f"{missing} of {len(entries)} objects" if isinstance(refs, list) else repr(refs)
        message = f"{what} not ready after {timeout} s"
        raise system_error("get_timeout", {"timeout": str(timeout), "message": message})

    def wait(
        self, refs: list[Any], num_returns: int, timeout: float | None, fetch_local: bool
    ) -> tuple[list[Any], list[Any]]:
        """The first `num_returns` references whose objects are there, and the others."""
        sources = [self._source(reference) for reference in refs]
        if len({id(source) for source in sources}) != len(sources):
            raise ValueError("wait() takes each reference once, but the list has duplicates.")

        def is_enough() -> bool:
            return bool(sum(source.is_ready() for source in sources) >= num_returns)

        if self.is_debugged() or (timeout is None and num_returns == len(refs)):
            for source in sources:
                if is_enough():
                    break
                self.work_off(source)
        else:
            self.wait_until(is_enough, timeout, sources)
        ready: list[Any] = []
        missing: list[Any] = []
        for reference, source in zip(refs, sources, strict=True):
            chosen = len(ready) < num_returns and source.is_ready()
            (ready if chosen else missing).append(reference)
        return ready, missing

    def _warn_of_blocking(self) -> None:
        work = current_work.get()
        if self._has_warned or work is None or work.actor is None:
            return
        if work.actor.loop_thread == threading.get_ident():
            self._has_warned = True
            from trygon._core.event_loop import warn_of_blocking

            warn_of_blocking()

    def _source(self, reference: Any) -> Any:
        stream = getattr(reference, "_trygon_stream", None)
        if stream is not None:
            return stream
        if type(reference) is not InlineRef:
            raise TypeError("wait() takes a list of ObjectRefs")
        return self.entry_of(reference)

    def work_off(self, target: Any) -> None:
        """Runs in this thread what `target`, an object or a stream, waits for, until it is ready."""
        needed = [target]
        while needed:
            top = needed[-1]
            with self.lock:
                self._last_use_s = monotonic()
                if top.is_ready():
                    needed.pop()
                    continue
                step = self._step(top.work)
                if step is None:
                    self._start_helper()
                    self._pause(None)
                    continue
            if isinstance(step, Work):
                self.execute(step, top)
            else:
                needed.append(step)

    def wait_until(self, is_done: Callable[[], bool], timeout: float | None, sources: Any = ()) -> bool:
        """Waits while helpers work; more of them the longer it takes. False when the time is over."""
        end_s = None if timeout is None else monotonic() + timeout
        with self.lock:
            while not is_done():
                for source in sources:
                    source.want(self)
                self._start_helper()
                left_s = _RAMP_S if end_s is None else end_s - monotonic()
                if left_s <= 0:
                    return False
                self._pause(min(left_s, _RAMP_S))
        return True

    def _pause(self, limit_s: float | None) -> None:
        """Waits for a change. Called with the lock held, once."""
        self._check_interruption()
        runs = self._depth_here() > 0
        me = threading.get_ident()
        self._active -= runs
        self._waiting += 1
        self._paused.add(me)
        try:
            self.changed.wait(limit_s)
        finally:
            self._paused.discard(me)
            self._active += runs
            self._waiting -= 1
        self._check_interruption()

    def _check_interruption(self) -> None:
        work = current_work.get()
        if work is not None and work.is_cancelled and work.actor is None:
            raise KeyboardInterrupt
        if self.is_closed:
            message = "the engine was shut down while this was waited for"
            raise system_error("node_died", {"message": message})

    def future_of(self, entry: Entry) -> Future[Any]:
        """A future of the object."""
        from concurrent.futures import Future

        from trygon._core.object_ref import complete

        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        with self.lock:
            if entry.outcome is None:
                entry.callbacks.append(lambda: complete(future, entry.value))
                self._start_helper()
                return future
        complete(future, entry.value)
        return future

    # --- running

    def _step(self, work: Work) -> Work | Entry | None:
        """What has to be run first so that `work` comes to its end: a call, now this thread's; an object that is not
        there yet; None when it can only be waited for.
        """
        me = threading.get_ident()
        if work.state == QUEUED and work.actor is not None and work.actor.is_serial:
            if work.actor.thread == me:
                raise _waits_for_itself(work)
            if work.actor.thread:
                return None
            work = work.actor.head()
        if work.state != QUEUED:
            return None
        for entry in work.dependencies:
            if entry.outcome is None:
                return entry
        if self._depth_here() >= _DEEPEST:
            return None
        self._claim(work, me)
        return work

    def _claim(self, work: Work, thread: int) -> None:
        work.state, work.thread = RUNNING, thread
        if work.actor is not None:
            work.actor.claim(thread)

    def _claim_any(self) -> Work | None:
        me = threading.get_ident()
        while self._queue and self._queue[0].state == DONE:
            self._queue.popleft()
        for work in self._queue:
            if self._can_run(work):
                self._claim(work, me)
                return work
        return None

    def _can_run(self, work: Work) -> bool:
        if work.state != QUEUED or not work.is_runnable():
            return False
        if any(entry.outcome is None for entry in work.dependencies):
            return False
        actor = work.actor
        return actor is None or not actor.is_serial or (not actor.thread and actor.head() is work)

    def execute(self, work: Work, target: Any = None) -> None:
        """Runs a call that this thread has claimed; `target` is what it is run for."""
        thread = work.thread
        outer = self._begin(work)
        try:
            if work.actor is not None and not work.actor.is_serial:
                work.actor.start(work)
                return
            outcome = work.run_for(target)
            if outcome is not None:
                self.finish(work, outcome)
        except BaseException as error:
            # Ctrl-C, or the end of a debugger's session: it is the program's.
            name = type(error).__name__
            self.finish(work, Failure(kind="cancelled", details={"name": work.name, "message": f"{name} in it"}))
            raise
        finally:
            self._end(thread, outer)
            if work.actor is not None and work.actor.is_serial:
                work.actor.done(work)

    def run_here(self, work: Work) -> None:
        """Runs a call to its end in a thread of the engine, which no error of it may end."""
        work.thread = threading.get_ident()
        outer = self._begin(work)
        try:
            outcome = work.run_for(None)
            if outcome is not None:
                self.finish(work, outcome)
        except BaseException as error:
            message = f"{type(error).__name__} in it"
            self.finish(work, Failure(kind="cancelled", details={"name": work.name, "message": message}))
        finally:
            self._end(work.thread, outer)
            if work.actor is not None:
                work.actor.done(work)

    def _begin(self, work: Work) -> Work | None:
        with self.lock:
            depth = self._depth_here()
            self._active += depth == 0
            self._depth.value = depth + 1
            outer = self.tops.get(work.thread)
            self.tops[work.thread] = work
            return outer

    def _end(self, thread: int, outer: Work | None) -> None:
        depth = self._depth_here() - 1
        while True:
            try:
                self._end_at(thread, outer, depth)
                return
            except KeyboardInterrupt:
                # It came too late for the call: what runs next must not be hit by it.
                continue

    def _end_at(self, thread: int, outer: Work | None, depth: int) -> None:
        with self.lock:
            top = self.tops.get(thread)
            if top is not None and top.is_interrupted:
                _raise_in(thread, None)
            if self._depth_here() != depth:
                self._depth.value = depth
                self._active -= depth == 0
            if outer is None:
                self.tops.pop(thread, None)
            else:
                self.tops[thread] = outer
            self.changed.notify_all()

    def _depth_here(self) -> int:
        return getattr(self._depth, "value", 0)

    # --- helpers

    def _start_helper(self) -> None:
        """Starts one more thread if there is something to run and a CPU for it."""
        limit = 1 if self.is_at_breakpoint else self._limit
        if self._active + len(self._starting) >= limit or self.is_closed or not self._queue:
            return
        while self._queue and self._queue[0].state == DONE:
            self._queue.popleft()
        if any(self._can_run(work) for work in self._queue):
            token = object()
            self._starting.add(token)
            try:
                self.spawn(lambda: self._help(token))
            except BaseException:
                # A cancelled call was interrupted here; the helper may run all the same.
                self._starting.discard(token)
                raise

    def spawn(self, target: Callable[[], None]) -> None:
        """Starts a thread that is waited for when the session ends."""

        def run() -> None:
            try:
                target()
            finally:
                self._threads.discard(thread)

        thread = threading.Thread(target=run, name="trygon-inline", daemon=True)
        self._threads.add(thread)
        thread.start()

    def _help(self, token: object) -> None:
        while True:
            with self.lock:
                self._starting.discard(token)
                work = None if self.is_closed else self._claim_any()
                if work is None:
                    return
            if work.actor is None or work.actor.is_serial:
                self.run_here(work)
            else:
                work.actor.start(work)

    def _watch(self) -> None:
        """Sees to it that calls run which nobody waits for."""
        with self.lock:
            while not self.is_closed and any(work.state == QUEUED for work in self._queue):
                idle_s = monotonic() - self._last_use_s
                if idle_s >= _IDLE_S and not self._active and not self._waiting and not self.is_at_breakpoint:
                    self._start_helper()
                self.changed.wait(_IDLE_S)
            self._is_watched = False

    def is_debugged(self) -> bool:
        """Whether a debugger steps through this thread: then nothing runs behind its back."""
        if self.is_at_breakpoint:
            return True
        trace = sys.gettrace()
        if trace is None:
            return False
        bdb = sys.modules.get("bdb")
        if bdb is not None and isinstance(getattr(trace, "__self__", None), bdb.Bdb):
            return True
        return "pydev" in str(getattr(trace, "__module__", ""))

    # --- the end

    def forget_name(self, actor: Actor) -> None:
        """The actor is dead: its name is free."""
        if self.names.get((actor.namespace, actor.name)) is actor:
            del self.names[actor.namespace, actor.name]

    def collect(self) -> None:
        """Ends what nothing refers to any more."""
        if self.dropped:
            with self.lock:
                for _ in range(len(self.dropped)):
                    self.dropped.popleft().drop()

    def unfinished(self) -> int:
        """Calls that are not done."""
        with self.lock:
            return sum(work.state != DONE for work in {*self._queue, *self.tops.values()})

    def close(self) -> None:
        """Drops what waits, ends helpers and event loops."""
        with self.lock:
            self.is_closed = True
            for work in list(self._queue):
                self.finish(
                    work, Failure(kind="system", details={"message": "Trygon was shut down before the result came"})
                )
            self._queue.clear()
            for work in list(self.tops.values()):
                if work.thread != threading.get_ident():
                    work.is_cancelled = True
                    self._interrupt(work)
            actors = list(self.actors.values())
            self.changed.notify_all()
        for actor in actors:
            actor.end("the engine was shut down", "")
        end_s = monotonic() + 1.0
        for thread in list(self._threads):
            if thread is not threading.current_thread():
                thread.join(max(0.0, end_s - monotonic()))
        self.pinned.clear()


def _raise_in(thread: int, kind: type[BaseException] | None) -> None:
    """Has a thread raise `kind` as soon as it runs Python; None takes that back."""
    import ctypes

    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    raise_in(ctypes.c_ulong(thread), None if kind is None else ctypes.py_object(kind))


def _waits_for_itself(work: Work) -> BaseException:
    message = (
        f"{work.name} is called by the same actor that is to run it, and its result is waited for: that would wait for"
        " ever. Call the method directly, or give the actor max_concurrency"
    )
    return system_error("system", {"message": message})
