"""The actor behind a `Queue`: an event loop, so that any number of callers can wait."""

from __future__ import annotations

import asyncio

from trygon.util.queue import Empty, Full

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class QueueActor:
    """Items in order, and whoever waits for one or for room."""

    def __init__(self, maxsize: int) -> None:
        self._queue: asyncio.Queue[Any] = asyncio.Queue(maxsize)

    def qsize(self) -> int:
        """How many items there are."""
        return self._queue.qsize()

    def empty(self) -> bool:
        """Whether there is none."""
        return self._queue.empty()

    def full(self) -> bool:
        """Whether there is no room."""
        return self._queue.full()

    async def put(self, item: Any, timeout: float | None = None) -> None:
        """Adds an item; waits for room."""
        try:
            self._queue.put_nowait(item)
        except asyncio.QueueFull:
            try:
                async with asyncio.timeout(timeout):
                    await self._queue.put(item)
            except TimeoutError:
                raise Full from None

    async def get(self, timeout: float | None = None) -> Any:
        """Takes an item; waits for one."""
        try:
            return self._queue.get_nowait()
        except asyncio.QueueEmpty:
            try:
                async with asyncio.timeout(timeout):
                    return await self._queue.get()
            except TimeoutError:
                raise Empty from None

    def put_nowait(self, item: Any) -> None:
        """Adds an item or raises Full."""
        try:
            self._queue.put_nowait(item)
        except asyncio.QueueFull:
            raise Full from None

    def put_nowait_batch(self, items: list[Any]) -> None:
        """Adds all or none."""
        room = self._queue.maxsize - self._queue.qsize()
        if self._queue.maxsize > 0 and len(items) > room:
            raise Full(f"The queue has room for {room} items, but {len(items)} were to be added.")
        for item in items:
            self._queue.put_nowait(item)

    def get_nowait(self) -> Any:
        """Takes an item or raises Empty."""
        try:
            return self._queue.get_nowait()
        except asyncio.QueueEmpty:
            raise Empty from None

    def get_nowait_batch(self, num_items: int) -> list[Any]:
        """Takes as many or none."""
        if num_items > self._queue.qsize():
            raise Empty(f"The queue has {self._queue.qsize()} items, but {num_items} were asked for.")
        return [self._queue.get_nowait() for _ in range(num_items)]
