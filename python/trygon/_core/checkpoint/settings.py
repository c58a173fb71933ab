"""`checkpoint=` of an actor: when its state is saved, and where."""

from __future__ import annotations

from _pickle import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Checkpoint:
    """When the state of an actor is saved, and where, so that its next life goes on with it.

    `every_calls` saves before the answer of each such call is sent: with 1 (the default), what was answered is saved.
    `every_s` saves at most so many seconds after a change, beside or instead of it (`every_calls=None`). With neither,
    the state is saved when `trygon.actor.checkpoint()` is called in a method.
    `to` is a folder that all nodes see, or a URL of one (`s3://bucket/folder`, by pyarrow); with None the state is kept
    in the object stores of two other nodes, or of this one where there is no other.
    `exactly_once` keeps the answers of calls that changed the state beside it, so that a call that is made again after
    a death (`max_task_retries`) is answered from there and does not change the state twice. It needs `every_calls=1`.
    """

    __slots__ = ("every_calls", "every_s", "exactly_once", "to")

    def __init__(
        self,
        every_calls: int | None = 1,
        every_s: float | None = None,
        to: str | None = None,
        exactly_once: bool = False,
    ) -> None:
        if every_calls is not None and (isinstance(every_calls, bool) or not isinstance(every_calls, int)):
            raise TypeError(f"every_calls must be an int or None, but {type(every_calls).__name__} was given.")
        if every_calls is not None and every_calls < 1:
            raise ValueError(f"every_calls must be at least 1, or None, but {every_calls} was given.")
        if every_s is not None and (isinstance(every_s, bool) or not isinstance(every_s, (int, float))):
            raise TypeError(f"every_s must be a number of seconds or None, but {type(every_s).__name__} was given.")
        if every_s is not None and not 0 < every_s < float("inf"):
            raise ValueError(f"every_s must be a positive number of seconds, or None, but {every_s} was given.")
        if to is not None and not isinstance(to, str):
            raise TypeError(f"to must be a folder or a URL as str, or None, but {type(to).__name__} was given.")
        if to == "":
            raise ValueError("to must be a folder or a URL, or None, but an empty str was given.")
        if not isinstance(exactly_once, bool):
            raise TypeError(f"exactly_once must be True or False, but {type(exactly_once).__name__} was given.")
        if exactly_once and every_calls != 1:
            raise ValueError(
                f"exactly_once=True needs every_calls=1, but every_calls={every_calls} was given: an answer that is"
                " sent before the state is saved may be forgotten with it."
            )
        self.every_calls, self.every_s, self.to, self.exactly_once = every_calls, every_s, to, exactly_once

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{name}={getattr(self, name)!r}" for name in ("every_calls", "every_s", "to", "exactly_once")
        )
        return f"Checkpoint({shown})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Checkpoint) and encode(self) == encode(other)

    def __hash__(self) -> int:
        return hash(encode(self))

    def __reduce__(self) -> Any:
        return Checkpoint, (self.every_calls, self.every_s, self.to, self.exactly_once)


def check(name: str, value: Any) -> None:
    """True, or a Checkpoint; None and False for none."""
    if value is not None and not isinstance(value, (bool, Checkpoint)):
        raise TypeError(
            f"The option {name} must be True or a trygon.actor.Checkpoint, but {type(value).__name__} was given."
        )


def of_options(class_name: str, options: Any, concurrency: dict[str, Any] | None) -> bytes | None:
    """What the worker is told; None for an actor without checkpoints. ValueError for what cannot be."""
    value = options.get("checkpoint")
    if not value:
        return None
    if concurrency is not None and concurrency["concurrent"]:
        raise ValueError(
            f"The option checkpoint is not possible for {class_name}: an actor with async methods, threads or"
            " concurrency groups is never between two calls, so there is no state to save."
        )
    if not options.get("max_restarts"):
        raise ValueError(
            f"The option checkpoint of {class_name} needs max_restarts: without another life nobody asks for the state."
        )
    return encode(Checkpoint() if value is True else value)


def encode(settings: Checkpoint) -> bytes:
    """The byte form: plain values only."""
    return dumps((settings.every_calls, settings.every_s, settings.to, settings.exactly_once), 5)


def decode(data: bytes) -> Checkpoint:
    """The settings again."""
    return Checkpoint(*loads(data))
