"""In the actor's process: saves the state when it is time, restores it in the next life, and answers calls that an
earlier life has answered.

A class says what its state is with `__trygon_save__(self)`, which returns anything that can be pickled, and
`__trygon_restore__(self, state)`, which runs after the constructor; without them it is the instance's attributes.
"""

from __future__ import annotations

import inspect
import threading
import time
from _pickle import loads
from collections import OrderedDict

from trygon import _native
from trygon._core.checkpoint.settings import Checkpoint, decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# Answers of calls that changed the state and may be asked for again.
_MOST_ANSWERS = 1000
# A life's states are newer than all of the lives before it.
_NUMBERS_OF_A_LIFE = 10**12


class Recorder:
    """Of the one actor of this process. One call runs at a time; the timer waits for it."""

    def __init__(self, instance: Any, settings: Checkpoint) -> None:
        context = _native.context()
        actor = bytes.fromhex(context["actor_id"])
        self._instance, self._settings = instance, settings
        self._place = _place(settings, actor)
        self._number = context["actor_incarnation"] * _NUMBERS_OF_A_LIFE
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._calls = 0
        self._dirty_since: float | None = None
        self._last = b""
        self._answers: OrderedDict[str, Any] = OrderedDict()
        if context["actor_incarnation"]:
            self._restore()
        self._last = self._state()
        if settings.every_s is not None:
            threading.Thread(target=self._save_in_time, name="trygon-checkpoint", daemon=True).start()

    def _state(self) -> bytes:
        from trygon._core.serialization import pickle_plain

        save = getattr(self._instance, "__trygon_save__", None)
        return pickle_plain(save() if save is not None else self._instance.__dict__)

    def _restore(self) -> None:
        found = self._place.newest()
        if found is None:
            return
        state, self._answers = loads(found[1])
        restore = getattr(self._instance, "__trygon_restore__", None)
        value = loads(state)
        if restore is not None:
            restore(value)
        else:
            self._instance.__dict__.clear()
            self._instance.__dict__.update(value)

    def save(self) -> None:
        """Saves the state now, if it has changed."""
        from trygon._core.serialization import pickle_plain

        with self._lock:
            state = self._state()
            self._calls, self._dirty_since = 0, None
            if state != self._last:
                self._number += 1
                self._place.save(self._number, pickle_plain((state, self._answers)))
                self._last = state

    def wrap(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """The method, which saves the state after its calls when it is time."""

        def call(*args: Any, **kwargs: Any) -> Any:
            with self._lock:
                if self._settings.exactly_once:
                    task: str = _native.context()["task_id"]
                    if task in self._answers:
                        return self._answers[task]
                try:
                    result = method(*args, **kwargs)
                except Exception:
                    # What it changed before counts; it may be made again.
                    self._note_call()
                    raise
                if inspect.isgenerator(result):
                    return self._drive(result)
                if self._settings.exactly_once and self._state() != self._last:
                    self._answers[task] = result
                    while len(self._answers) > _MOST_ANSWERS:
                        self._answers.popitem(last=False)
                self._note_call()
                return result

        return call

    def _drive(self, items: Any) -> Any:
        with self._lock:
            try:
                return (yield from items)
            finally:
                self._note_call()

    def _note_call(self) -> None:
        self._calls += 1
        if self._settings.every_calls is not None and self._calls >= self._settings.every_calls:
            self.save()
        elif self._dirty_since is None:
            self._dirty_since = time.monotonic()
            self._changed.notify_all()

    def _save_in_time(self) -> None:
        every_s = self._settings.every_s or 0.0
        while True:
            with self._lock:
                while self._dirty_since is None:
                    self._changed.wait()
                wait_s = self._dirty_since + every_s - time.monotonic()
                if wait_s <= 0:
                    try:
                        self.save()
                    except Exception as problem:
                        import sys

                        print(f"the actor's state could not be saved: {problem}", file=sys.stderr)
                        self._dirty_since = time.monotonic()
                    continue
            time.sleep(wait_s)


def _place(settings: Checkpoint, actor: bytes) -> Any:
    if settings.to is None:
        from trygon._core.checkpoint.keeper import KeptElsewhere

        return KeptElsewhere(actor)
    from trygon._core.checkpoint.files import KeptInFolder

    return KeptInFolder(settings.to, actor)


_recorder: Recorder | None = None


def begin(instance: Any, settings: bytes) -> None:
    """The actor of this process has been constructed: from now on its state is saved."""
    global _recorder
    _recorder = Recorder(instance, decode(settings))


def current() -> Recorder | None:
    """Of this process's actor."""
    return _recorder


def checkpoint() -> None:
    """Saves the state of the actor that calls it, now: returns when it is kept. RuntimeError if the actor was not made
    with the option `checkpoint`, or this is none.
    """
    if _recorder is None:
        raise RuntimeError(
            "trygon.actor.checkpoint() was called outside of an actor that was made with the option checkpoint, such as"
            " @trygon.remote(max_restarts=-1, checkpoint=trygon.actor.Checkpoint(every_calls=None))."
        )
    _recorder.save()
