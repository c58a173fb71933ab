"""What runs inside each process of a crew: it keeps the functions it was taught and calls them. See `_crew`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_MOST_ENCODED_ERRORS = 1000


class PoolActor:
    """One process of a pool. Its name is what tags the lines that users' functions print."""

    def __init__(self) -> None:
        self._functions: dict[int, Callable[..., Any]] = {}

    def initialize(self, function: Callable[..., Any] | None, arguments: tuple[Any, ...]) -> None:
        """Runs the user's initializer, once, before anything else."""
        if function is not None:
            function(*arguments)

    def learn(self, number: int, function: Callable[..., Any]) -> None:
        """Remembers a function, so that it is sent once and not with every call."""
        self._functions[number] = function

    def forget(self) -> None:
        """Drops every function."""
        self._functions.clear()

    def call(self, number: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """One call of a function that was taught."""
        return self._functions[number](*args, **kwargs)

    def call_once(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """One call of a function that comes along with it."""
        return function(*args, **kwargs)

    def each(self, number: int, items: list[Any], spread: bool) -> tuple[list[Any], dict[int, bytes] | None]:
        """The function on each item: the results, and for the items where it raised, the encoded errors by index.

        With `spread` each item is a sequence of arguments.
        """
        from itertools import starmap

        function = self._functions[number]
        results: list[Any] = []
        errors: dict[int, bytes] | None = None
        calls = starmap(function, items) if spread else map(function, items)
        while True:
            try:
                # Both iterators have passed an item when its call raises: extending again goes on behind it.
                results.extend(calls)
                if len(results) == len(items):
                    return results, errors
                # A call that raises StopIteration looks like the end of the items.
                raise RuntimeError("the function raised StopIteration")
            except Exception as error:
                errors = errors or {}
                errors[len(results)] = _encode(error, function, len(errors))
                results.append(None)


def _encode(error: Exception, function: Any, count: int) -> bytes:
    from trygon import _native
    from trygon._core import errors

    errors.set_context(_native.context)
    if count >= _MOST_ENCODED_ERRORS:
        # A traceback each for a million items would be all that is sent.
        error = error.with_traceback(None)
    return errors.encode_error(error, getattr(function, "__name__", type(function).__name__))
