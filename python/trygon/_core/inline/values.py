"""Values of the inline mode: what an object holds, references to it, and the pickling between.

Everything passes through bytes as it would between processes, so that a change to an argument or a result is not seen
on the other side. Counting is Python's own: what refers to an object holds its `Entry`.
"""

from __future__ import annotations

import threading
from _pickle import PickleBuffer
from itertools import count
from os import urandom
from weakref import ref as weakref

from trygon import _native
from trygon._core.serialization import pickle_value, unpickle_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from concurrent.futures import Future
    from typing import Any

    from trygon._core.ids import JobID, TaskID
    from trygon._core.inline.engine import Engine
    from trygon._core.inline.work import Work

JOB_ID = (1).to_bytes(4, "little")
_PLAIN = frozenset((type(None), bool, int, float, str, bytes))
_PUT_BIT = 0x80
_numbers = count(1)


class Encoded:
    """A value as bytes, its large buffers beside them, and what it refers to."""

    __slots__ = ("_buffers", "_data", "_plain", "held")

    def __init__(self, value: Any) -> None:
        self.held: list[Any] = []
        self._plain = self._data = None
        self._buffers: list[bytes] = []
        if type(value) in _PLAIN:
            self._plain = value
            return
        outer = getattr(_meeting, "held", None)
        _meeting.held = self.held
        try:
            self._data, buffers = pickle_value(value)
        finally:
            _meeting.held = outer
        # A copy: the sender may change its array afterwards.
        self._buffers = [_copy(buffer) for buffer in buffers]

    @staticmethod
    def of_parts(data: bytes, buffer: bytes) -> Encoded:
        """A value whose bytes exist already."""
        made = Encoded(None)
        made._data, made._buffers = data, [buffer]
        return made

    def value(self) -> Any:
        """The value again, as its own copy; arrays are read-only views."""
        return self._plain if self._data is None else unpickle_value(self._data, self._buffers)

    def size_bytes(self) -> int:
        """How much it takes."""
        return len(self._data or b"") + sum(map(len, self._buffers))


def _copy(buffer: PickleBuffer) -> bytes:
    return bytes(buffer.raw())


# Whether this thread pickles for the engine, and what it has met while doing so.
_meeting = threading.local()


def meet(held: Any) -> bool:
    """Notes what a value that is being pickled refers to. False outside of the engine's own pickling."""
    met = getattr(_meeting, "held", None)
    if met is None:
        return False
    met.append(held)
    return True


def export_holding(engine: Engine, exporter: Callable[[], bytes]) -> bytes:
    """Pickles a function or class; the objects it refers to are kept."""
    outer = getattr(_meeting, "held", None)
    _meeting.held = engine.pinned
    try:
        return exporter()
    finally:
        _meeting.held = outer


class Failure:
    """Why there is no value: an error of user code, encoded, or one of the engine."""

    __slots__ = ("_details", "_encoded", "kind")

    def __init__(self, encoded: bytes = b"", kind: str = "", details: dict[str, Any] | None = None) -> None:
        self._encoded, self.kind, self._details = encoded, kind, details or {}

    def exception(self) -> BaseException:
        """A new exception each time: a raised one changes."""
        if self._encoded:
            from trygon._core.errors import decode_error

            return decode_error(self._encoded)
        from trygon._core.system_errors import system_error

        return system_error(self.kind, self._details)

    def encoded(self) -> bytes:
        """What user code raised; empty for an error of the engine."""
        return self._encoded


class Entry:
    """An object: made by `work`, or put. `outcome` is set once, under the engine's lock."""

    __slots__ = ("__weakref__", "callbacks", "engine", "id", "outcome", "work")

    def __init__(self, engine: Engine, work: Work | None, task_id: bytes, index: int, *, is_put: bool = False) -> None:
        self.engine = engine
        self.work = work
        number = index.to_bytes(4, "little")
        self.id = task_id + (number[:3] + bytes([number[3] | _PUT_BIT]) if is_put else number)
        self.outcome: Encoded | Failure | None = None
        self.callbacks: list[Callable[[], None]] = []
        engine.entries.remember(self)

    def is_ready(self) -> bool:
        """Whether the value or the error is there."""
        return self.outcome is not None

    def want(self, engine: Engine) -> None:
        """Nothing to do: helpers find its call in the queue."""

    def value(self) -> Any:
        """The value; raises what its task raised."""
        outcome = self.outcome
        assert outcome is not None
        if isinstance(outcome, Failure):
            raise outcome.exception()
        return outcome.value()


class Entries:
    """The living objects by their ids.

    Not a WeakValueDictionary: an interruption of a cancelled call that came while one forgets a key would be lost.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, weakref[Entry]] = {}
        self._limit = 1024

    def remember(self, entry: Entry) -> None:
        """Can be found while it lives."""
        self._known[entry.id] = weakref(entry)
        if len(self._known) > self._limit:
            self._limit = 1024 + 2 * len(self)

    def get(self, object_id: bytes) -> Entry | None:
        """The object, if it lives."""
        found = self._known.get(object_id)
        return None if found is None else found()

    def __len__(self) -> int:
        for key in [key for key, known in list(self._known.items()) if known() is None]:
            self._known.pop(key, None)
        return len(self._known)


def new_task_id() -> bytes:
    """The id of a task: the job's, a random part for the session, a number."""
    return JOB_ID + _SESSION + next(_numbers).to_bytes(8, "little") + bytes(8)


def new_actor_id() -> bytes:
    """The id of an actor."""
    return JOB_ID + urandom(12)


_SESSION = urandom(4)


class InlineRef:
    """A reference in the inline mode. `isinstance(ref, trygon.ObjectRef)` holds."""

    __slots__ = ("__weakref__", "_entry")

    def __init__(self, entry: Entry) -> None:
        self._entry = entry

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return _native.ObjectRef

    @classmethod
    def __class_getitem__(cls, _: Any) -> Any:
        return cls

    def hex(self) -> str:
        """The id as text."""
        return self._entry.id.hex()

    def binary(self) -> bytes:
        """The id."""
        return self._entry.id

    def task_id(self) -> TaskID:
        """The id of the task that makes the object."""
        from trygon._core.ids import TaskID

        return TaskID(self._entry.id[:24])

    def job_id(self) -> JobID:
        """The id of the job."""
        from trygon._core.ids import JobID

        return JobID(self._entry.id[:4])

    def owner_address(self) -> str:
        """The id of the owning process."""
        return self._entry.engine.worker_id

    def call_site(self) -> str:
        """Where the reference was made; not recorded."""
        return ""

    def is_nil(self) -> bool:
        """Whether this refers to nothing: what a generator gives when the time is over."""
        return self._entry.id == _NIL_ID

    def size(self) -> int | None:
        """Size of the encoded value in bytes, once it is known."""
        outcome = self._entry.outcome
        return outcome.size_bytes() if isinstance(outcome, Encoded) else None

    def future(self) -> Future[Any]:
        """A `concurrent.futures.Future` of the value."""
        return self._entry.engine.future_of(self._entry)

    def as_future(self) -> Any:
        """An `asyncio.Future` of the value."""
        import asyncio

        return asyncio.wrap_future(self.future())

    def __await__(self) -> Generator[Any, None, Any]:
        return self.as_future().__await__()  # type: ignore[no-any-return]

    def __hash__(self) -> int:
        return hash(self._entry.id)

    def __eq__(self, other: object) -> bool:
        return type(other) is InlineRef and other._entry.id == self._entry.id

    def __lt__(self, other: Any) -> bool:
        if type(other) is not InlineRef:
            return NotImplemented
        return self._entry.id < other._entry.id

    def __repr__(self) -> str:
        return f"ObjectRef({self.hex()})"

    def __reduce__(self) -> Any:
        if not meet(self._entry):
            # Nobody can say when this copy goes: the object lives as long as the session.
            self._entry.engine.pinned.append(self._entry)
        return rebuild_reference, (self._entry.id,)


_NIL_ID = b"\xff" * 28


def nil_reference(engine: Engine) -> InlineRef:
    """Stands for something that was not ready in time."""
    entry = Entry(engine, None, _NIL_ID[:24], 0)
    entry.id = _NIL_ID
    return InlineRef(entry)


InlineRef.__name__ = InlineRef.__qualname__ = "ObjectRef"


def rebuild_reference(object_id: bytes) -> InlineRef:
    """The reference that was pickled as this id."""
    from trygon._core.inline import current

    engine = current()
    entry = engine.entries.get(object_id) if engine is not None else None
    if entry is None:
        raise lost(f"the object {object_id.hex()} belongs to an earlier session", object_id.hex())
    return InlineRef(entry)


def require_living(reference: Any) -> None:
    """Refuses a reference whose session has ended."""
    if type(reference) is not InlineRef or reference._entry.engine.is_closed:
        raise lost("the object belongs to an earlier session; objects end with shutdown()")


def lost(message: str, object_id: str = "") -> BaseException:
    """The error about an object that is not there."""
    from trygon._core.system_errors import system_error

    return system_error("object_lost", {"message": message, "object_id": object_id})
