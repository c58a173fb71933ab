"""Counts how often one function or class is defined anew and sent: normal in a notebook, a mistake in a loop."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOST_DEFINITIONS = 100
# For each name: how many definitions were sent, and the identity of the last one.
_seen: dict[tuple[str, str, str], tuple[int, int]] = {}


def note(kind: str, value: Any) -> None:
    """Called when a function or class is sent; warns once for each name."""
    key = (kind, getattr(value, "__module__", None) or "", getattr(value, "__qualname__", repr(value)))
    count, last = _seen.get(key, (0, 0))
    if last == id(value):
        return
    _seen[key] = count + 1, id(value)
    if count == MOST_DEFINITIONS:
        import logging

        logging.getLogger("trygon").warning(
            "The remote %s %s.%s was defined more than %d times, and each definition was sent to the workers and is"
            " kept there. If it is defined in a loop or in another function, define it once, outside, and pass what"
            " changes as arguments.",
            *key,
            MOST_DEFINITIONS,
        )
