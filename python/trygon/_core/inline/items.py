"""The reader's side of a generator of the inline mode."""

from __future__ import annotations

from trygon._core.inline.values import InlineRef, nil_reference
from trygon._core.inline.work import DONE
from trygon._native import ObjectRefGenerator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from trygon._core.inline.streams import StreamWork


class InlineGenerator:
    """What a generator's call returns: an iterator of references. `isinstance(it, ObjectRefGenerator)` holds."""

    def __init__(self, stream: StreamWork) -> None:
        self._trygon_stream = stream
        self._completed = stream.entries[0]

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return ObjectRefGenerator

    @classmethod
    def __class_getitem__(cls, _: Any) -> Any:
        return cls

    def __iter__(self) -> InlineGenerator:
        return self

    def __next__(self) -> InlineRef:
        return self._next_sync()

    def _next_sync(self, timeout_s: float | None = None) -> InlineRef:
        stream = self._trygon_stream
        engine = stream.engine
        if timeout_s is None or engine.is_debugged():
            engine.work_off(stream)
        elif not engine.wait_until(stream.is_ready, timeout_s, [stream]):
            return nil_reference(engine)
        found = self._pop()
        if found is None:
            raise StopIteration
        return found

    def _pop(self) -> InlineRef | None:
        stream = self._trygon_stream
        with stream.engine.lock:
            if not stream.items:
                return None
            stream.engine.changed.notify_all()
            return InlineRef(stream.items.popleft())

    def _take(self) -> InlineRef | None:
        found = self._pop()
        if found is None and self._trygon_stream.is_ready():
            raise StopAsyncIteration
        return found

    def __aiter__(self) -> InlineGenerator:
        return self

    async def __anext__(self) -> InlineRef:
        return await self._next_async()

    async def _next_async(self, timeout_s: float | None = None) -> InlineRef:
        import asyncio
        from concurrent.futures import Future

        stream = self._trygon_stream
        engine = stream.engine
        if not stream.is_ready():
            made: Future[None] = Future()

            def make() -> None:
                try:
                    engine.work_off(stream)
                    made.set_result(None)
                except BaseException as error:
                    made.set_exception(error)

            engine.spawn(make)
            try:
                await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(made)), timeout_s)
            except TimeoutError:
                return nil_reference(engine)
        found = self._take()
        assert found is not None
        return found

    def completed(self) -> InlineRef:
        """A reference that is ready when the generator is through."""
        return InlineRef(self._completed)

    @property
    def _generator_ref(self) -> InlineRef:
        return self.completed()

    def next_ready(self) -> bool:
        """Whether the next reference can be had without waiting; False at the end."""
        return bool(self._trygon_stream.items)

    def is_finished(self) -> bool:
        """Whether there is nothing more to read."""
        stream = self._trygon_stream
        return stream.state == DONE and not stream.items

    def task_id(self) -> bytes:
        """The task's id."""
        return self._trygon_stream.task_id

    def send(self, *_: object) -> NoReturn:
        """Not supported."""
        raise _not_supported("gen.send")

    def throw(self, *_: object) -> NoReturn:
        """Not supported."""
        raise _not_supported("gen.throw")

    def close(self) -> NoReturn:
        """Not supported."""
        raise _not_supported("gen.close")

    def asend(self, *_: object) -> NoReturn:
        """Not supported."""
        raise _not_supported("gen.asend")

    def athrow(self, *_: object) -> NoReturn:
        """Not supported."""
        raise _not_supported("gen.athrow")

    def aclose(self) -> NoReturn:
        """Not supported."""
        raise _not_supported("gen.aclose")

    def __del__(self) -> None:
        stream = self._trygon_stream
        if stream.state != DONE:
            stream.engine.dropped.append(stream)

    def __repr__(self) -> str:
        return f"ObjectRefGenerator({self._trygon_stream.task_id.hex()})"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "An ObjectRefGenerator cannot be pickled, so it cannot be passed to or returned by a task: pass the"
            " references that it yields, or a list of them."
        )


def _not_supported(name: str) -> NotImplementedError:
    return NotImplementedError(f"{name} is not supported: items only come from the task to its caller.")
