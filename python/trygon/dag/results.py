"""What executing a compiled graph returns: results that are read once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from trygon._core.objects import get
from trygon.exceptions import GetTimeoutError, RayChannelTimeoutError

if TYPE_CHECKING:
    from collections.abc import Generator

    from trygon.dag.compiled_dag_node import CompiledDAG


class _Result:
    def __init__(self, graph: CompiledDAG, execution: Any, value: Any, number: int, channel: int | None) -> None:
        self._graph = graph
        self._execution = execution
        self._value = value
        self._number, self._channel = number, channel
        self._is_read = False

    def _take(self) -> Any:
        """The object reference, or the references; a second time it is an error."""
        if self._is_read:
            raise ValueError("The result of a compiled graph can be read only once, and it was read already.")
        self._mark_read()
        value, self._value = self._value, None
        return value

    def _mark_read(self) -> None:
        if not self._is_read:
            self._is_read = True
            self._execution.one_read()

    def __del__(self) -> None:
        if hasattr(self, "_is_read"):
            self._mark_read()

    def __repr__(self) -> str:
        channel = "" if self._channel is None else f", output={self._channel}"
        return f"{type(self).__name__}(execution={self._number}{channel})"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"A {type(self).__name__} cannot be an argument or a part of a value: get() it, and send the result."
        )

    def __copy__(self) -> NoReturn:
        self.__reduce__()

    def __deepcopy__(self, memo: Any) -> NoReturn:
        self.__reduce__()


class CompiledDAGRef(_Result):
    """The result of an execution: `trygon.get` takes it, alone or in a list. It can be read once."""

    # `trygon.get` knows results of graphs by this, without importing anything of graphs.
    get_graph_result = True

    def get(self, timeout: float | None = None) -> Any:
        """Waits for the result; raises what a call of the graph raised, or RayChannelTimeoutError after `timeout`
        seconds, and then it can be asked again.
        """
        if self._is_read:
            self._take()
        if timeout == -1:
            timeout = None
        try:
            value = get(self._value, timeout=timeout)
        except GetTimeoutError as error:
            raise RayChannelTimeoutError(
                f"The result of the compiled graph did not come within {timeout:g} s; it can be asked again."
            ) from error
        except BaseException:
            self._take()
            raise
        self._take()
        return value


class CompiledDAGFuture(_Result):
    """The result of an execution with `execute_async`, for `await`. It can be awaited once."""

    def __await__(self) -> Generator[Any, None, Any]:
        value = self._take()
        if isinstance(value, list):
            import asyncio

            return asyncio.gather(*value).__await__()
        return value.__await__()  # type: ignore[no-any-return]


def get_results(refs: Any, timeout: float | None) -> Any:
    """What `trygon.get` does with a `CompiledDAGRef`, and with a list that has some."""
    if isinstance(refs, CompiledDAGRef):
        return refs.get(timeout)
    from time import monotonic

    deadline = None if timeout is None else monotonic() + timeout
    found = []
    for ref in refs:
        left = None if deadline is None else max(0.0, deadline - monotonic())
        if isinstance(ref, CompiledDAGRef):
            found.append(ref.get(left))
        else:
            found.append(get(ref, timeout=left))
    return found
