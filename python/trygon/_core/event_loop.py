"""The event loop of an actor with async methods. Its selector also sleeps on the engine: calls need no other thread."""

from __future__ import annotations

import asyncio
import selectors
import sys
from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

# The call that the running asyncio task belongs to.
_current: ContextVar[Any] = ContextVar("trygon_call", default=None)


class _Selector(selectors.DefaultSelector):
    """Writes what waits before it sleeps, and does not sleep while there is a call to start."""

    def __init__(self, runner: Any) -> None:
        super().__init__()
        self._runner = runner
        self.loop: Any = None

    def select(self, timeout: float | None = None) -> Any:
        """As every selector's."""
        runner = self._runner
        if runner.enter_selector(timeout is None or timeout > 0):
            self.loop.call_soon(self._dispatch)
            return super().select(0)
        try:
            return super().select(timeout)
        finally:
            runner.leave_selector()

    def _dispatch(self) -> None:
        self._runner.dispatch()
        if self._runner.is_over:
            self.loop.stop()


async def _drive(awaitable: Any, call: Any) -> None:
    _current.set(call.context)
    try:
        value = await awaitable
    except BaseException as error:
        call.fail(error)
    else:
        call.finish(value)


def run(runner: Any) -> None:
    """Hook `run_event_loop`: runs the constructor and then every call, until the actor ends."""
    selector = _Selector(runner)
    loop = asyncio.SelectorEventLoop(selector)
    selector.loop = loop
    asyncio.set_event_loop(loop)
    # A task is referred to by nothing but what it waits for: without this it could be collected while it waits.
    running: set[Any] = set()

    if sys.version_info >= (3, 12):

        def drive(awaitable: Coroutine[Any, Any, Any], call: Any) -> Any:
            # Runs to its first real wait at once: most calls are over by then.
            task = asyncio.Task(_drive(awaitable, call), loop=loop, eager_start=True)
            if task.done():
                return None
            running.add(task)
            task.add_done_callback(running.discard)
            return task

    else:

        def drive(awaitable: Coroutine[Any, Any, Any], call: Any) -> Any:
            task = loop.create_task(_drive(awaitable, call))
            running.add(task)

            def on_done(task: Any) -> None:
                running.discard(task)
                if task.cancelled():
                    # Cancelled before its first step: nothing of `_drive` has run.
                    awaitable.close()
                    call.fail(asyncio.CancelledError())

            task.add_done_callback(on_done)
            return task

    runner.set_drive(drive, _current)
    loop.add_reader(runner.fileno(), selector._dispatch)
    loop.call_soon(runner.construct)
    while not runner.is_over:
        try:
            loop.run_forever()
        except (SystemExit, KeyboardInterrupt) as error:
            # Raised by code that no call of ours runs: a callback, or a task that the actor started.
            runner.exit(error)


def warn_of_blocking() -> None:
    """Called at the first `get` or `wait` that blocks the loop's thread."""
    import logging

    logging.getLogger("trygon").warning(
        "trygon.get() or trygon.wait() blocks the event loop of this async actor: no other call runs meanwhile."
        " Use `await ref` (or asyncio.wait) instead."
    )
