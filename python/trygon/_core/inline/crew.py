"""Who runs the calls of the inline mode: the thread that waits for them, or helpers.

A thread that waits without a time limit runs what it waits for itself, and what that needs, in the order of submission;
so a debugger sees one thread. Where that cannot do (a time limit, `wait` for some of many, `await`, a call that waits
for something which runs elsewhere, calls that nobody waits for), helper threads take over, as many as there are CPUs.
They end when nothing is left to run.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from time import monotonic

from trygon._core.inline.values import Encoded, Entry, Failure
from trygon._core.inline.work import DONE, QUEUED, RUNNING, Work, current_work
from trygon._core.system_errors import system_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_IDLE_S = 0.05
# A deeper stack of calls in one thread would come near Python's limit of recursion.
_DEEPEST = 25


class Crew:
    """The queue and the threads. `lock` guards every state; user code never runs under it."""

    def __init__(self, limit: int) -> None:
        # Entered as `with self.lock`, not through the condition: an interruption that another thread sends may come
        # between the two halves of a condition's `__enter__`, which are Python, but not within the lock's own.
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.is_closed = False
        self.is_at_breakpoint = False
        self._queue: deque[Work] = deque()
        self._limit = limit
        # One token for each helper that has not taken anything yet.
        self._starting: set[object] = set()
        # Threads that wait for a change.
        self._paused: set[int] = set()
        # What a thread has taken and not begun.
        self._claimed: dict[int, Work] = {}
        self._last_use_s = monotonic()
        self._is_watched = False
        self._threads: set[threading.Thread] = set()
        self._depth = threading.local()
        # What each thread runs now: of several that lie on one another, the uppermost.
        self.tops: dict[int, Work] = {}

    def finish(self, work: Work, outcome: Encoded | Failure | list[Encoded]) -> None:
        """Sets the results of a call, once."""
        raise NotImplementedError

    def _step(self, work: Work | None) -> Work | Entry | None:
        """What has to be run first so that `work` comes to its end: a call, now this thread's; an object that is not
        there yet; None when it can only be waited for.
        """
        if work is None:
            # The gate of a placement group.
            return None
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
        self._claimed[thread] = work
        work.state, work.thread = RUNNING, thread
        if work.actor is not None:
            work.actor.claim(thread)

    def give_back(self) -> None:
        """Something was raised in this thread between taking a call and beginning it: it is somebody else's."""
        with self.lock:
            work = self._claimed.pop(threading.get_ident(), None)
            if work is None or work.state != RUNNING:
                return
            work.state, work.thread = QUEUED, 0
            if work.actor is not None and work.actor.is_serial:
                work.actor.thread = 0
            self.changed.notify_all()

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
        thread, depth = threading.get_ident(), self._depth_here()
        outer = self.tops.get(thread)
        try:
            self._begin(work, thread, depth)
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
            # Here, not in a function of its own: an interruption that is due comes where a function begins.
            while True:
                try:
                    self._end(work, thread, outer, depth)
                    break
                except KeyboardInterrupt:
                    # It came too late for the call: what runs next must not be hit by it.
                    continue

    def run_here(self, work: Work) -> None:
        """Runs a call to its end in a thread of the engine, which no error of it may end."""
        work.thread = thread = threading.get_ident()
        depth, outer = self._depth_here(), self.tops.get(thread)
        try:
            self._begin(work, thread, depth)
            outcome = work.run_for(None)
            if outcome is not None:
                self.finish(work, outcome)
        except BaseException as error:
            message = f"{type(error).__name__} in it"
            self.finish(work, Failure(kind="cancelled", details={"name": work.name, "message": message}))
        finally:
            # Here, not in a function of its own: an interruption that is due comes where a function begins.
            while True:
                try:
                    self._end(work, thread, outer, depth)
                    break
                except KeyboardInterrupt:
                    # It came too late for the call: what runs next must not be hit by it.
                    continue

    # An interruption may come between any two steps here: what is set is set to what it has to be, nothing is counted.

    def _begin(self, work: Work, thread: int, depth: int) -> None:
        with self.lock:
            self.tops[thread] = work
            self._depth.value = depth + 1
            self._claimed.pop(thread, None)

    def _end(self, work: Work, thread: int, outer: Work | None, depth: int) -> None:
        with self.lock:
            top = self.tops.get(thread)
            if top is not None and top.is_interrupted:
                _raise_in(thread, None)
            self._depth.value = depth
            self._paused.discard(thread)
            if work.actor is not None and work.actor.is_serial:
                work.actor.done(work)
            if outer is None:
                self.tops.pop(thread, None)
            else:
                self.tops[thread] = outer
            self.changed.notify_all()

    def active(self) -> int:
        """How many threads run a call and do not wait."""
        return len(self.tops.keys() - self._paused)

    def _depth_here(self) -> int:
        return getattr(self._depth, "value", 0)

    # --- helpers

    def want_help(self) -> None:
        """Somebody waits without being able to run anything."""
        with self.lock:
            self._start_helper()

    def _start_helper(self) -> None:
        """Starts one more thread if there is something to run and a CPU for it."""
        limit = 1 if self.is_at_breakpoint else self._limit
        if self.active() + len(self._starting) >= limit or self.is_closed or not self._queue:
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
                self._claimed.pop(threading.get_ident(), None)
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
                if idle_s >= _IDLE_S and not self.tops and not self._paused and not self.is_at_breakpoint:
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

    # --- waiting and interrupting

    def _pause(self, limit_s: float | None) -> None:
        """Waits for a change. Called with the lock held, once."""
        self._check_interruption()
        me = threading.get_ident()
        try:
            self._paused.add(me)
            self.changed.wait(limit_s)
        finally:
            self._paused.discard(me)
        self._check_interruption()

    def _check_interruption(self) -> None:
        work = current_work.get()
        if work is not None and work.is_cancelled and work.actor is None:
            raise KeyboardInterrupt
        if self.is_closed:
            message = "the engine was shut down while this was waited for"
            raise system_error("node_died", {"message": message})

    def _interrupt(self, work: Work) -> None:
        """Raises KeyboardInterrupt in the thread that runs it, unless that runs something else on top."""
        if self.tops.get(work.thread) is not work or work.thread in self._paused:
            # It looks at its flag when it goes on.
            return
        work.is_interrupted = True
        _raise_in(work.thread, KeyboardInterrupt)


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
