"""`Queue`: first in, first out, between tasks, actors and drivers."""

from __future__ import annotations

import queue as _queue
from collections.abc import Iterable

import trygon

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Empty", "Full", "Queue"]

# Each call that waits for an item or for room is one of the actor's calls under way.
_MOST_WAITING = 1_000_000


class Empty(_queue.Empty):
    """There is no item, or none came in time."""


class Full(_queue.Full):
    """There is no room, or none came in time."""


class Queue:
    """A queue in an actor of its own. It can be sent to tasks and actors; all copies are the same queue.

    `maxsize` is how many items it holds at most, any number when 0. `actor_options` are options of the actor, such as
    a name. When the last copy of the queue is gone, so is the actor.
    """

    def __init__(self, maxsize: int = 0, actor_options: dict[str, Any] | None = None) -> None:
        if isinstance(maxsize, bool) or not isinstance(maxsize, int):
            raise TypeError(f"maxsize must be an int, but {type(maxsize).__name__} was given.")
        from trygon._core.actor_class import ActorClass
        from trygon.util._queue_actor import QueueActor

        self.maxsize = maxsize
        options = {"num_cpus": 0, "max_concurrency": _MOST_WAITING, **(actor_options or {})}
        self.actor: Any = ActorClass(QueueActor, options).remote(maxsize)

    def __len__(self) -> int:
        return self.size()

    def size(self) -> int:
        """How many items there are."""
        return trygon.get(self._actor().qsize.remote())  # type: ignore[no-any-return]

    def qsize(self) -> int:
        """How many items there are."""
        return self.size()

    def empty(self) -> bool:
        """Whether there is no item."""
        return trygon.get(self._actor().empty.remote())  # type: ignore[no-any-return]

    def full(self) -> bool:
        """Whether there is no room."""
        return trygon.get(self._actor().full.remote())  # type: ignore[no-any-return]

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Adds an item. Waits for room, at most `timeout` seconds, unless `block` is False; then raises Full."""
        actor = self._actor()
        if not block:
            self.put_nowait(item)
            return
        _check_timeout(timeout)
        try:
            trygon.get(actor.put.remote(item, timeout))
        except Full:
            raise Full(f"The queue had no room within {timeout} s.") from None

    async def put_async(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """`put` for event loops."""
        actor = self._actor()
        try:
            if block:
                _check_timeout(timeout)
                await _or_cancel(actor.put.remote(item, timeout))
            else:
                await actor.put_nowait.remote(item)
        except Full:
            raise Full("The queue had no room.") from None

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Takes the oldest item. Waits for one, at most `timeout` seconds, unless `block` is False; then raises
        Empty.
        """
        actor = self._actor()
        if not block:
            return self.get_nowait()
        _check_timeout(timeout)
        try:
            return trygon.get(actor.get.remote(timeout))
        except Empty:
            raise Empty(f"No item came within {timeout} s.") from None

    async def get_async(self, block: bool = True, timeout: float | None = None) -> Any:
        """`get` for event loops."""
        actor = self._actor()
        try:
            if block:
                _check_timeout(timeout)
                return await _or_cancel(actor.get.remote(timeout))
            return await actor.get_nowait.remote()
        except Empty:
            raise Empty("The queue has no item.") from None

    def put_nowait(self, item: Any) -> None:
        """Adds an item, or raises Full."""
        try:
            trygon.get(self._actor().put_nowait.remote(item))
        except Full:
            raise Full("The queue has no room.") from None

    def put_nowait_batch(self, items: Iterable[Any]) -> None:
        """Adds all items in one call, or raises Full and adds none."""
        if not isinstance(items, Iterable):
            raise TypeError(f"items must be iterable, but {type(items).__name__} was given.")
        batch = list(items)
        try:
            trygon.get(self._actor().put_nowait_batch.remote(batch))
        except Full as error:
            raise Full(_said(error) or f"The queue has no room for {len(batch)} items.") from None

    def get_nowait(self) -> Any:
        """Takes the oldest item, or raises Empty."""
        try:
            return trygon.get(self._actor().get_nowait.remote())
        except Empty:
            raise Empty("The queue has no item.") from None

    def get_nowait_batch(self, num_items: int) -> list[Any]:
        """Takes the `num_items` oldest items in one call, or raises Empty and takes none."""
        if isinstance(num_items, bool) or not isinstance(num_items, int):
            raise TypeError(f"num_items must be an int, but {type(num_items).__name__} was given.")
        if num_items < 0:
            raise ValueError(f"num_items must be >= 0, but {num_items} was given.")
        try:
            return trygon.get(self._actor().get_nowait_batch.remote(num_items))  # type: ignore[no-any-return]
        except Empty as error:
            raise Empty(_said(error) or f"The queue does not have {num_items} items.") from None

    def shutdown(self, force: bool = False, grace_period_s: int = 5) -> None:
        """Ends the queue: after the calls that came before, unless it takes longer than `grace_period_s` seconds; with
        `force` at once. Whoever waits for it gets ActorDiedError.
        """
        actor, self.actor = self.actor, None
        if actor is None:
            return
        if not force:
            ended = actor.__ray_terminate__.remote()
            trygon.wait([ended], timeout=grace_period_s)
        trygon.kill(actor)

    def _actor(self) -> Any:
        if self.actor is None:
            raise trygon.exceptions.ActorDiedError("The queue was shut down here; make a new one.")
        return self.actor

    def __repr__(self) -> str:
        return f"Queue(maxsize={self.maxsize}, {self.actor})"


def _check_timeout(timeout: float | None) -> None:
    if timeout is not None and timeout < 0:
        raise ValueError(f"The timeout must be a non-negative number of seconds, but {timeout} was given.")


def _said(error: BaseException) -> str:
    cause = getattr(error, "cause", None)
    return str(cause) if cause is not None else ""


async def _or_cancel(call: Any) -> Any:
    """What the call returns. When whoever awaits it is cancelled, so is the call: it would take an item for nobody."""
    import asyncio

    try:
        return await call
    except asyncio.CancelledError:
        trygon.cancel(call)
        raise
