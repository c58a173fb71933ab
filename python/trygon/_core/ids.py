"""Identifiers as values: fixed-size byte strings with a hex form. They know nothing of what they name."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, Self


# `JobID.int` hides the type in its class.
_to_int = int.from_bytes


class BaseID:
    """A fixed number of bytes. Hashable, ordered, picklable; two ids of different classes are never equal."""

    SIZE_BYTES: ClassVar[int] = 28
    __slots__ = ("_binary",)

    def __init__(self, binary: bytes) -> None:
        if not isinstance(binary, bytes):
            raise TypeError(f"{type(self).__name__} takes bytes, not {type(binary).__name__}; use from_hex() for text.")
        if len(binary) != self.SIZE_BYTES:
            raise ValueError(f"A {type(self).__name__} has {self.SIZE_BYTES} bytes, but {len(binary)} were given.")
        self._binary = binary

    @classmethod
    def from_hex(cls, text: str) -> Self:
        """The id whose `hex()` is `text`."""
        if not isinstance(text, str):
            raise TypeError(f"{cls.__name__}.from_hex() takes a str, not {type(text).__name__}.")
        return cls(bytes.fromhex(text))

    @classmethod
    def from_binary(cls, binary: bytes) -> Self:
        """The id with these bytes."""
        return cls(binary)

    @classmethod
    def nil(cls) -> Self:
        """The id that names nothing."""
        return cls(b"\xff" * cls.SIZE_BYTES)

    @classmethod
    def from_random(cls) -> Self:
        """A new id."""
        from os import urandom

        return cls(urandom(cls.SIZE_BYTES))

    @classmethod
    def size(cls) -> int:
        """How many bytes such an id has."""
        return cls.SIZE_BYTES

    def binary(self) -> bytes:
        """The bytes."""
        return self._binary

    def hex(self) -> str:
        """The bytes as text."""
        return self._binary.hex()

    def is_nil(self) -> bool:
        """Whether this id names nothing."""
        return self._binary == b"\xff" * self.SIZE_BYTES

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._binary == self._binary

    def __lt__(self, other: Any) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return bool(self._binary < other._binary)

    def __hash__(self) -> int:
        return hash(self._binary)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._binary.hex()})"

    def __reduce__(self) -> Any:
        return type(self), (self._binary,)


class UniqueID(BaseID):
    """28 bytes."""

    __slots__ = ()


class NodeID(UniqueID):
    """Names a machine's daemon."""

    __slots__ = ()


class WorkerID(UniqueID):
    """Names a process that runs tasks, or a driver."""

    __slots__ = ()


class FunctionID(UniqueID):
    """Names an exported function."""

    __slots__ = ()


class ActorClassID(UniqueID):
    """Names an exported class."""

    __slots__ = ()


class ClusterID(UniqueID):
    """Names a cluster."""

    __slots__ = ()


class JobID(BaseID):
    """Names a program."""

    SIZE_BYTES = 4
    __slots__ = ()

    @classmethod
    def from_int(cls, number: int) -> JobID:
        """The job with this number."""
        if not isinstance(number, int):
            raise TypeError(f"JobID.from_int() takes an int, not {type(number).__name__}.")
        return cls(number.to_bytes(4, "little"))

    def int(self) -> int:
        """The job's number."""
        return _to_int(self._binary, "little")


class TaskID(BaseID):
    """Names a task: job, owner, place in the owner's table."""

    SIZE_BYTES = 24
    __slots__ = ()

    def job_id(self) -> JobID:
        """The job it belongs to."""
        return JobID(self._binary[:4])


class ActorID(BaseID):
    """Names an actor."""

    SIZE_BYTES = 16
    __slots__ = ()

    @classmethod
    def of(cls, job_id: JobID, parent_task_id: TaskID, parent_task_counter: int) -> ActorID:
        """The id of the actor that a task makes as its so-manieth; the same for the same arguments."""
        from hashlib import sha256

        unique = sha256(parent_task_id.binary() + parent_task_counter.to_bytes(8, "little")).digest()
        return cls(job_id.binary() + unique[: cls.SIZE_BYTES - JobID.SIZE_BYTES])

    @property
    def job_id(self) -> JobID:
        """The job it belongs to."""
        return JobID(self._binary[:4])


class PlacementGroupID(BaseID):
    """Names a placement group."""

    SIZE_BYTES = 18
    __slots__ = ()

    @classmethod
    def of(cls, job_id: JobID) -> PlacementGroupID:
        """A new id of the job."""
        from os import urandom

        return cls(job_id.binary() + urandom(cls.SIZE_BYTES - JobID.SIZE_BYTES))
