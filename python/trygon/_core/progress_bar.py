"""The bar that programs make, in the interface that Ray has of tqdm's: see `trygon.experimental.tqdm_ray`."""

from __future__ import annotations

import os
import time
from builtins import print as _print

from trygon._core import progress as _progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, Self

_FLUSH_S = 0.2


class tqdm:  # noqa: N801
    """A progress bar; iterating over it goes through `iterable` and advances it.

    `total` is the length of the iterable unless given. `position` orders the bars. `flush_interval_s` is how often the
    driver is told at most, 0.2 seconds unless given.
    """

    def __init__(
        self,
        iterable: Iterable[Any] | None = None,
        desc: str | None = None,
        total: int | None = None,
        unit: str | None = None,
        position: int | None = None,
        flush_interval_s: float | None = None,
    ) -> None:
        if total is None:
            length = getattr(iterable, "__len__", None)
            total = length() if length is not None else None
        self._iterable, self._desc, self._total, self._unit = iterable, desc or "", total, unit or "it"
        self._position = position or 0
        self._flush_s = _FLUSH_S if flush_interval_s is None else flush_interval_s
        self._count: float = 0
        self._closed = False
        self._said_s = float("-inf")
        self._identity = os.urandom(8).hex()
        self._pid = os.getpid()
        self._say(force=True)

    def update(self, n: float = 1) -> None:
        """Advances the bar by `n`."""
        self._count += n
        self._say()

    def set_description(self, desc: str) -> None:
        """Changes the text before the bar."""
        self._desc = desc
        self._say()

    def refresh(self) -> None:
        """Has the bar drawn as it is now."""
        self._say(force=True)

    def close(self) -> None:
        """Ends the bar; its last state stays printed."""
        if not self._closed:
            self._closed = True
            self._say(force=True)

    @property
    def n(self) -> float:
        """How far it is."""
        return self._count

    @n.setter
    def n(self, value: float) -> None:
        self._count = value
        self._say()

    @property
    def total(self) -> int | None:
        """Where it ends."""
        return self._total

    @total.setter
    def total(self, value: int | None) -> None:
        self._total = value
        self._say()

    def _say(self, force: bool = False) -> None:
        now_s = time.monotonic()
        if not force and now_s - self._said_s < self._flush_s:
            return
        if os.getpid() != self._pid:
            return  # A process that user code forked is not the one the bar belongs to.
        self._said_s = now_s
        _progress.say(
            {
                "bar": self._identity,
                "desc": self._desc,
                "count": self._count,
                "total": self._total,
                "unit": self._unit,
                "position": self._position,
                "closed": self._closed,
            }
        )

    def __iter__(self) -> Iterator[Any]:
        if self._iterable is None:
            raise ValueError("This bar was made without an iterable; advance it with update().")
        try:
            for item in self._iterable:
                yield item
                self.update()
        finally:
            self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def instance() -> _progress.BarManager:
    """What draws the bars of this process."""
    return _progress.instance()


def safe_print(*args: Any, **options: Any) -> None:
    """`print` that does not run into the bars."""
    import io
    import sys

    stream = options.pop("file", None) or sys.stdout
    options.pop("flush", None)
    text = io.StringIO()
    _print(*args, file=text, **options)
    _progress.write_above_bars(stream, text.getvalue())
