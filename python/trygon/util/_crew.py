"""A crew: processes that take calls from one place, share them evenly and are replaced when they end.

Under `multiprocessing.Pool`, `Executor` and the joblib backend. Calls wait in one queue here and go to the process with
the fewest; how many each may have at hand follows from how long its calls take, so that a short call never waits for
the way there and back, and nothing queues behind a long one. One thread, the collector, hands out results.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import OrderedDict, deque
from types import BuiltinFunctionType, FunctionType

from trygon import _native
from trygon._core import objects
from trygon._core.completions import completion_queue
from trygon.util._calls import Call, Member, deliver, initializer_error, is_death

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_POLL_S = 0.5
_MOST_TAUGHT = 200
# How long the collector leaves the next answer to a thread that has just stopped waiting.
_ASIDE_S = 0.003
_LONG_CALL_S = 0.004


class Crew:
    """Processes that take calls. Thread-safe; everything under `_lock` is quick except pickling what is sent."""

    def __init__(
        self,
        size: int,
        *,
        initializer: Callable[..., Any] | None = None,
        initargs: tuple[Any, ...] = (),
        calls_per_member: int | None = None,
        actor_options: dict[str, Any] | None = None,
    ) -> None:
        from trygon._core.actor_class import ActorClass
        from trygon.util._member import PoolActor

        self.size = size
        self._actor_class = ActorClass(PoolActor, {"num_cpus": 0, **(actor_options or {})})
        self._initializer, self._initargs, self._calls_per_member = initializer, initargs, calls_per_member
        # Re-entrant: pickling an argument may run code that uses the crew.
        self._lock = threading.RLock()
        self._waiting: deque[Call] = deque()
        self._members: list[Member] = []
        self._numbers: OrderedDict[Any, int] = OrderedDict()
        self._next_number = 0
        self._closed = False
        self._ended_by: BaseException | None = None
        self.finished = threading.Event()
        # Threads in `wait_until`, and whether one of them waits for everything that is under way: then the collector
        # stands aside, so that each answer wakes one thread and not two.
        self._waiters = 0
        self._is_covered = False
        self._needed = threading.Event()
        self._uncovered_s = 0.0
        # Outcomes that a waiting thread has taken and the collector has to hand out.
        self._for_collector: deque[tuple[Call, Any, BaseException | None]] = deque()
        # None once the crew has finished.
        self._queue: Any = completion_queue()
        for _ in range(size):
            self._hire()
        self._collector = threading.Thread(target=self._collect, name="trygon-pool", daemon=True)
        self._collector.start()

    # --- from outside

    def number_of(self, function: Any, *, lasting: bool) -> int | None:
        """What `function` is known by. With `lasting` only plain functions have a number: what else is callable may
        have changed by the next call, so it is sent each time.
        """
        with self._lock:
            if type(function) not in (FunctionType, BuiltinFunctionType):
                if lasting:
                    return None
                self._next_number += 1
                return self._next_number
            known = self._numbers.get(function)
            if known is None:
                self._next_number += 1
                known = self._numbers[function] = self._next_number
                if len(self._numbers) > _MOST_TAUGHT:
                    self._numbers.popitem(last=False)
            return known

    def submit(self, calls: list[Call]) -> None:
        """Queues calls; their results come to their `done`. Raises RuntimeError when nothing is taken any more."""
        with self._lock:
            if self._ended_by is not None:
                raise self._ended_by.with_traceback(None)
            if self._closed:
                raise RuntimeError("it is closed")
            self._waiting.extend(calls)
            failed = self._send()
        deliver(failed)

    def close(self) -> None:
        """Takes no more calls; the processes end when those that were taken are done."""
        with self._lock:
            self._closed = True
            self._release_if_idle()

    def end(self, reason: BaseException) -> None:
        """Ends the processes now; what was not answered fails with `reason`."""
        with self._lock:
            left = self._end(reason)
        deliver([(call, None, reason) for call in left])

    def drop_waiting(self) -> list[Call]:
        """Takes back what was not sent yet."""
        with self._lock:
            left = list(self._waiting)
            self._waiting.clear()
            self._release_if_idle()
        return left

    def join(self, timeout_s: float | None = None) -> bool:
        """Waits until the processes are gone; only after `close` or `end`. False when the time was over first."""
        if not self.wait_for(self.finished, timeout_s):
            return False
        if threading.current_thread() is not self._collector:
            self._collector.join(timeout_s)
        return True

    def wait_for(self, event: threading.Event, timeout_s: float | None) -> bool:
        """Waits for an event that results set; False when the time was over first."""
        return self.wait_until(event.is_set, event.wait, timeout_s)

    def wait_until(
        self, is_done: Callable[[], bool], block: Callable[[float], object], timeout_s: float | None
    ) -> bool:
        """Waits until results have made `is_done` true; `block(seconds)` returns when it is, or the time is over.

        Collects meanwhile, which is quicker than being told by the collector, and tells the engine that this task
        waits, which frees its CPU.
        """
        if is_done():
            return True
        with self._lock:
            self._waiters += 1
        try:
            return self._wait_until(is_done, block, timeout_s)
        finally:
            with self._lock:
                self._waiters -= 1
                self._uncover()

    def _uncover(self) -> None:
        if self._is_covered:
            self._is_covered = False
            self._uncovered_s = time.monotonic()
            self._needed.set()

    def _wait_until(
        self, is_done: Callable[[], bool], block: Callable[[float], object], timeout_s: float | None
    ) -> bool:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not is_done():
            left = _POLL_S if deadline is None else min(_POLL_S, deadline - time.monotonic())
            if left <= 0:
                return False
            with self._lock:
                # A process answers in order, so the first of each is enough.
                firsts = [next(iter(member.at_hand.values()), member.starting) for member in self._members]
                queue = self._queue
                self._is_covered = any(first is not None for first in firsts)
            refs = [ref for ref in firsts if ref is not None]
            if not refs or queue is None or not queue.is_current():
                block(min(left, 0.05))
                continue
            objects.wait(refs, num_returns=1, timeout=left, fetch_local=False)
            answers = queue.drain()
            if answers:
                self._take(answers)
            else:
                # The collector has them and is about to deliver.
                block(0.001)
        return True

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more calls."""
        return self._closed

    def raise_if_broken(self) -> None:
        """Raises why it ended, where that was the initializer's fault."""
        if self._ended_by is not None and self._ended_by.__cause__ is not None:
            raise self._ended_by.with_traceback(None)

    @property
    def expected_room(self) -> int:
        """How many calls keep every process busy, for those who submit as results are taken."""
        with self._lock:
            return sum(member.room + 1 for member in self._members) or self.size

    # --- members, with the lock held

    def _hire(self) -> None:
        member = Member(self._actor_class.remote(), self._calls_per_member)
        self._members.append(member)
        ref = member.handle.initialize.remote(self._initializer, self._initargs)
        member.starting = ref
        self._queue.add(ref, (member, None))

    def _dismiss(self, member: Member) -> None:
        # The actor ends after its queue when its last handle is gone.
        member.handle = None
        if member in self._members:
            self._members.remove(member)

    def _send(self) -> list[tuple[Call, Any, BaseException | None]]:
        """Gives waiting calls to the members with the fewest; returns those that could not be sent, as failed."""
        failed: list[tuple[Call, Any, BaseException | None]] = []
        while self._waiting:
            best = None
            for member in self._members:
                has_room = member.initialized and len(member.at_hand) < member.room and member.left != 0
                if has_room and (best is None or len(member.at_hand) < len(best.at_hand)):
                    best = member
            if best is None:
                break
            call = self._waiting.popleft()
            if call.begin is not None and not call.begin():
                continue
            try:
                self._give(best, call)
            except Exception as error:
                failed.append((call, None, error))
        if failed:
            self._release_if_idle()
        return failed

    def _give(self, member: Member, call: Call) -> None:
        handle = member.handle
        if call.number is None:
            ref = handle.call_once.remote(call.function, *call.arguments)
        else:
            if call.number not in member.taught:
                if len(member.taught) >= _MOST_TAUGHT:
                    handle.forget.remote()
                    member.taught.clear()
                taught = handle.learn.remote(call.number, call.function)
                member.taught.add(call.number)
                self._queue.add(taught, (member, call.number))
            ref = getattr(handle, call.method).remote(call.number, *call.arguments)
        if not member.at_hand:
            # Whoever waits does not wait for this member.
            self._uncover()
            member.last_s = time.monotonic()
        member.at_hand[call] = ref
        self._queue.add(ref, (member, call))
        if member.left is not None:
            member.left -= 1

    # --- the collector

    def _collect(self) -> None:
        queue = self._queue
        while not self.finished.is_set():
            aside = self._stand_aside()
            while self._for_collector:
                deliver([self._for_collector.popleft()])
            if aside and queue.is_current():
                continue
            answers = queue.wait(_POLL_S)
            if answers:
                self._take(answers)
                answers = None
            elif not queue.is_current():
                self.end(RuntimeError("Trygon was shut down before the result came."))
        with self._lock:
            self._queue = None
        while self._for_collector:
            deliver([self._for_collector.popleft()])
        queue.close()

    def _stand_aside(self) -> bool:
        """Waits while another thread collects; False when nobody does, or has not for a moment."""
        with self._lock:
            is_covered = self._is_covered
            if is_covered and not self._for_collector:
                # Whoever sets it from here on holds the lock too, so nothing is missed.
                self._needed.clear()
        if is_covered:
            self._needed.wait(_POLL_S)
            return True
        left_s = _ASIDE_S - (time.monotonic() - self._uncovered_s)
        if left_s > 0 and self._waiters == 0:
            # Who has waited for one result mostly asks for the next at once.
            self.finished.wait(left_s)
            return True
        return False

    def _take(self, answers: list[Any]) -> None:
        results: list[tuple[Member, Any, Any, BaseException | None]] = []
        for ref, (member, what) in answers:
            if member is None:
                continue  # It was only to wake the collector.
            try:
                results.append((member, what, objects.get(ref), None))
            except BaseException as raised:
                # Its traceback would keep everything here alive for as long as the user keeps the error.
                results.append((member, what, None, raised.with_traceback(None)))
        delivered: list[tuple[Call, Any, BaseException | None]] = []
        counts: dict[Member, int] = {}
        with self._lock:
            for member, what, value, error in results:
                if isinstance(what, Call):
                    if self._settle(member, what, value, error, delivered):
                        counts[member] = counts.get(member, 0) + 1
                elif error is not None:
                    self._refused(member, what, error, delivered)
                elif what is None:
                    member.initialized, member.starting = True, None
            now_s = time.monotonic()
            for member, count in counts.items():
                member.measure(count, now_s)
            delivered += self._send()
            self._release_if_idle()
            if threading.current_thread() is not self._collector and self._queue is not None:
                delivered = self._leave_callbacks(delivered)
        deliver(delivered)

    def _leave_callbacks(self, outcomes: list[Any]) -> list[Any]:
        """Leaves to the collector what runs code of the user's, which must not hold up a thread that waits."""
        others: list[Any] = []
        left: list[Any] = []
        for outcome in outcomes:
            calls_back = outcome[0].calls_back
            (others if calls_back is None or not calls_back() else left).append(outcome)
        if left:
            self._for_collector += left
            self._is_covered = False
            self._needed.set()
            self._queue.add(objects.put(None), (None, None))
        return others

    def _settle(
        self, member: Member, call: Call, value: Any, error: BaseException | None, delivered: list[Any]
    ) -> bool:
        """One answer to a call: whether it counts as one. Fills `delivered`."""
        if call not in member.at_hand:
            return False  # It failed with the crew.
        if error is not None and is_death(error):
            is_running = not member.lost and next(iter(member.at_hand)) is call
            del member.at_hand[call]
            if is_running or self._ended_by is not None:
                delivered.append((call, None, error))
            else:
                # It had not begun when the process died, so it can run elsewhere.
                call.begin = None
                self._waiting.appendleft(call)
            self._lose(member)
            return False
        del member.at_hand[call]
        delivered.append((call, value, error))
        if member.left == 0 and not member.at_hand and not member.lost:
            member.lost = True
            self._dismiss(member)
            self._replace()
        return True

    def _lose(self, member: Member) -> None:
        if not member.lost:
            member.lost = True
            self._dismiss(member)
            self._replace()

    def _replace(self) -> None:
        if self._ended_by is None and not (self._closed and not self._waiting):
            self._hire()

    def _refused(self, member: Member, what: Any, error: BaseException, delivered: list[Any]) -> None:
        """The initializer failed, or a function could not be sent."""
        if what is None:
            self._fail(initializer_error(error), delivered)
        elif is_death(error):
            self._lose(member)
        else:
            member.taught.discard(what)
            for call in [call for call in member.at_hand if call.number == what]:
                del member.at_hand[call]
                delivered.append((call, None, error))

    def _fail(self, reason: BaseException, delivered: list[Any]) -> None:
        delivered += [(call, None, reason) for call in self._end(reason)]

    def _end(self, reason: BaseException) -> list[Call]:
        if self.finished.is_set():
            return []
        self._closed = True
        self._ended_by = self._ended_by or reason
        left = [call for member in self._members for call in member.at_hand] + list(self._waiting)
        self._waiting.clear()
        for member in list(self._members):
            member.at_hand.clear()
            member.lost = True
            if self._queue.is_current():
                _native.kill_actor(member.handle._trygon_id, True)
            self._dismiss(member)
        self._finish()
        return left

    def _release_if_idle(self) -> None:
        if self._closed and not self._waiting and not any(member.at_hand for member in self._members):
            for member in list(self._members):
                self._dismiss(member)
            self._finish()

    def _finish(self) -> None:
        if self.finished.is_set():
            return
        self.finished.set()
        if self._queue.is_current():
            # Wakes the collector, which ends.
            self._queue.add(objects.put(None), (None, None))


def end_with(owner: object, crew: Crew, reason: str | None) -> None:
    """Has the crew end when `owner` is dropped: at once for `reason`, or after what was submitted. At the end of the
    program nothing happens: the engine ends the processes.
    """
    weakref.finalize(owner, _end_dropped, weakref.ref(crew), reason).atexit = False


def _end_dropped(reference: weakref.ref[Crew], reason: str | None) -> None:
    crew = reference()
    if crew is not None:
        crew.close() if reason is None else crew.end(RuntimeError(reason))
