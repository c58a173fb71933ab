"""One session of the inline mode: its objects and actors, what is submitted, finished, cancelled, waited for."""

from __future__ import annotations

import os
import threading
from collections import deque
from time import monotonic
from weakref import WeakKeyDictionary

from trygon._core.inline.crew import Crew
from trygon._core.inline.values import Encoded, Entries, Entry, Failure, InlineRef, lost, new_task_id
from trygon._core.inline.work import DONE, RUNNING, Work, cancelled, current_work
from trygon._core.system_errors import system_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from typing import Any

    from trygon._core.inline.actors import Actor
    from trygon._core.inline.placement import Placement

# While somebody waits, one more helper may start this often.
_RAMP_S = 0.01
# A cancelled call gets so long to notice.
_PATIENCE_S = 0.3


class Engine(Crew):
    """One session. `lock` guards every state; user code never runs under it."""

    def __init__(self, num_cpus: float, worker_id: str, namespace: str) -> None:
        super().__init__(max(1, int(num_cpus)))
        self.pid, self.worker_id, self.namespace = os.getpid(), worker_id, namespace
        self.entries = Entries()
        self.pinned: list[Any] = []
        # How each remote function is loaded, once for the session.
        self.functions: WeakKeyDictionary[Any, Callable[[], Any]] = WeakKeyDictionary()
        self.actors: dict[bytes, Actor] = {}
        self.placement: Placement
        self.names: dict[tuple[str, str | None], Actor] = {}
        # Actors whose last handle is gone, streams that nobody reads any more.
        self.dropped: deque[Any] = deque()
        self.put_task_id = new_task_id()
        self._puts = 0
        self._has_warned = False

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
            message = f"every item must be an ObjectRef, got {kind}"
            raise system_error("invalid_argument", {"message": message, "class": "TypeError"})
        entry = reference._entry
        if entry.engine is not self:
            raise lost("the object belongs to an earlier session; objects end with shutdown()")
        if entry.outcome is None and reference.is_nil():
            message = "the reference is nil: it stands for no object, only for one that was not ready in time"
            raise system_error("invalid_argument", {"message": message})
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

    def settle(self, entry: Entry, outcome: Encoded | Failure) -> None:
        """Gives a value to an object that no call makes. Called with the lock held."""
        entry.outcome = outcome
        callbacks, entry.callbacks = entry.callbacks, []
        for callback in callbacks:
            callback()
        self.changed.notify_all()

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
            self.spawn(lambda: self._abandon(work))
        self.changed.notify_all()

    def _abandon(self, work: Work) -> None:
        """A long sleep cannot be interrupted: after a while nobody waits for it any more, and another call may run."""
        end_s = monotonic() + _PATIENCE_S
        with self.lock:
            while work.state != DONE and not self.is_closed and (left_s := end_s - monotonic()) > 0:
                self.changed.wait(left_s)
            if work.state != DONE and work.is_interrupted and self.tops.get(work.thread) is work:
                self._paused.add(work.thread)
                self.finish(work, cancelled(work.name))

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
            kind = type(reference).__name__
            raise TypeError(f"wait() takes a list of ObjectRefs and ObjectRefGenerators, but one item is a {kind}.")
        return self.entry_of(reference)

    def work_off(self, target: Any) -> None:
        """Runs in this thread what `target`, an object or a stream, waits for, until it is ready."""
        try:
            self._work_off(target)
        except BaseException:
            self.give_back()
            raise

    def _work_off(self, target: Any) -> None:
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
