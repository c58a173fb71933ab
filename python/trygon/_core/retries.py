"""`retry_exceptions`: which errors of user code are worth another attempt.

The caller pickles the classes once; the worker, where the exception is, decides.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_MOST_CACHED = 1000
_classes: dict[bytes, tuple[type[BaseException], ...]] = {}


def check_retry_exceptions(name: str, value: Any) -> None:
    """True, False, or a list of exception classes."""
    if isinstance(value, bool):
        return
    if not isinstance(value, (list, tuple)):
        raise TypeError(
            f"The option {name} must be True, False or a list of exception classes, but {type(value).__name__} was"
            " given."
        )
    for kind in value:
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            raise ValueError(
                f"The option {name} must be True, False or a list of subclasses of Exception, but {kind!r} is none."
            )


def retry_rule(options: Mapping[str, Any]) -> tuple[bool, bytes | None]:
    """What the engine is told: whether any error is retried, or the pickled classes of those that are."""
    value = options.get("retry_exceptions")
    if not value or value is True:
        return bool(value), None
    if isinstance(value, bytes):
        return False, value
    return False, pickled(value)


def sendable(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a method as they travel with a handle: the classes in their byte form."""
    value = options.get("retry_exceptions")
    if not value or not isinstance(value, (list, tuple)):
        return dict(options)
    return {**options, "retry_exceptions": pickled(value)}


def pickled(kinds: Any) -> bytes:
    """The byte form of a list of classes. TypeError if one cannot be sent."""
    from trygon._core.serialization import pickle_plain

    try:
        return pickle_plain(tuple(kinds))
    except Exception as problem:
        names = ", ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"The classes of retry_exceptions ({names}) cannot be pickled: {problem}") from problem


def is_retryable(exception_types: bytes, error: BaseException) -> bool:
    """Hook `is_retryable`: whether the error is an instance of one of the classes."""
    classes = _classes.get(exception_types)
    if classes is None:
        from trygon._core.serialization import unpickle_value

        try:
            classes = tuple(unpickle_value(exception_types, []))
        except Exception as problem:
            # As if there were no such classes; whoever waits gets the error itself.
            print(f"the classes of retry_exceptions cannot be loaded in this worker: {problem}", file=sys.stderr)
            classes = ()
        if len(_classes) >= _MOST_CACHED:
            _classes.clear()
        _classes[exception_types] = classes
    return isinstance(error, classes)
