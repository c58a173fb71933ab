"""What a process has counted, and how it reaches the others: each process keeps its totals under its own key of the
cluster's key-value store, written by a thread of its own a moment after they change, and once more when it ends.

Totals are written, never differences: a write that comes twice or late does no harm.
"""

from __future__ import annotations

import threading
import time

from trygon import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAMESPACE = "trygon:metrics"
_GATHER_S = 0.1
_IDLE_S = 5.0
# More combinations of tag values than this are a mistake (an identifier used as a tag), and would fill the memory.
_MOST_SERIES = 10_000

Key = tuple[str, ...]


class Series:
    """All values of one metric in this process, by the values of its tags."""

    __slots__ = ("boundaries", "description", "kind", "name", "tag_keys", "values", "was_full")

    def __init__(self, kind: str, name: str, description: str, tag_keys: Key, boundaries: tuple[float, ...]) -> None:
        self.kind, self.name, self.description = kind, name, description
        self.tag_keys, self.boundaries = tag_keys, boundaries
        # A counter's total; a gauge's (value, time); a histogram's counts by bucket with the sum last.
        self.values: dict[Key, Any] = {}
        self.was_full = False

    def has_room(self, key: Key) -> bool:
        """Whether a value for these tags can be kept. Says once when it cannot."""
        if key in self.values or len(self.values) < _MOST_SERIES:
            return True
        if not self.was_full:
            self.was_full = True
            import warnings

            warnings.warn(
                f"The metric {self.name} has values for {_MOST_SERIES} combinations of tags; further ones are dropped."
                " Use tags with few values.",
                stacklevel=4,
            )
        return False


class _Registry:
    def __init__(self) -> None:
        # Re-entrant: a finalizer that runs under it may count something.
        self.lock = threading.RLock()
        self.series: dict[tuple[str, str, Key], Series] = {}
        # Held while totals are taken and sent: an older copy must not overtake a newer one.
        self._writing = threading.Lock()
        self._changed = threading.Event()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def note_change(self) -> None:
        """Has the totals written soon."""
        if self._changed.is_set():
            return
        self._changed.set()
        if self._thread is None and _native.is_initialized():
            with self.lock:
                if self._thread is None:
                    self._ending.clear()
                    self._thread = threading.Thread(target=self._run, name="trygon-metrics", daemon=True)
                    self._thread.start()

    def _run(self) -> None:
        while not self._ending.is_set():
            if not self._changed.wait(_IDLE_S):
                with self.lock:
                    if not self._changed.is_set():
                        self._thread = None
                        return
            self._ending.wait(_GATHER_S)
            if not self._ending.is_set():
                self.write()

    def write(self) -> None:
        """Writes the totals now."""
        with self._writing:
            self._changed.clear()
            try:
                _native.key_value("put", NAMESPACE, _own_key(), encode(self.snapshot()), True)
            except Exception:
                # The engine ends; so does everybody who could read it.
                pass

    def snapshot(self) -> list[Series]:
        """A copy that nobody changes."""
        with self.lock:
            copies = []
            for series in self.series.values():
                copy = Series(series.kind, series.name, series.description, series.tag_keys, series.boundaries)
                copy.values = {
                    key: list(value) if series.kind == "histogram" else value for key, value in series.values.items()
                }
                copies.append(copy)
            return copies

    def end(self) -> None:
        """Forgets everything: the session is over."""
        thread, self._thread = self._thread, None
        self._ending.set()
        self._changed.set()
        if thread is not None:
            thread.join(1.0)
        with self.lock:
            self.series.clear()
            self._changed.clear()


_registry = _Registry()


def _own_key() -> bytes:
    return str(_native.context()["worker_id"]).encode()


def series_of(kind: str, name: str, description: str, tag_keys: Key, boundaries: tuple[float, ...]) -> Series:
    """The series of a metric in this process; metrics of one name, kind and tags share it."""
    key = (kind, name, tag_keys)
    with _registry.lock:
        found = _registry.series.get(key)
        if found is None:
            found = _registry.series[key] = Series(kind, name, description, tag_keys, boundaries)
        return found


def add(series: Series, key: Key, amount: float) -> None:
    """Adds to a counter."""
    with _registry.lock:
        if series.has_room(key):
            series.values[key] = series.values.get(key, 0.0) + amount
    _registry.note_change()


def put(series: Series, key: Key, value: float) -> None:
    """Sets a gauge."""
    with _registry.lock:
        if series.has_room(key):
            series.values[key] = (value, time.time())
    _registry.note_change()


def observe(series: Series, key: Key, value: float) -> None:
    """Counts a value in the buckets of a histogram."""
    from bisect import bisect_left

    with _registry.lock:
        if series.has_room(key):
            buckets = series.values.get(key)
            if buckets is None:
                buckets = series.values[key] = [0.0] * (len(series.boundaries) + 2)
            buckets[bisect_left(series.boundaries, value)] += 1
            buckets[-1] += value
    _registry.note_change()


def is_current(series: Series) -> bool:
    """Whether this series is still counted: not after the session it began in."""
    return _registry.series.get((series.kind, series.name, series.tag_keys)) is series


def flush() -> None:
    """Writes the totals now. Called by the engine before a worker ends."""
    if _registry.series:
        _registry.write()


def end() -> None:
    """Ends the thread and forgets the totals. Called by `shutdown`."""
    _registry.end()


# --- between processes


def encode(all_series: list[Series]) -> bytes:
    """Totals as bytes."""
    import json

    return json.dumps(
        [
            [one.kind, one.name, one.description, one.tag_keys, one.boundaries, list(one.values.items())]
            for one in all_series
        ]
    ).encode()


def decode(data: bytes) -> list[Series]:
    """What `encode` made."""
    import json

    found = []
    for kind, name, description, tag_keys, boundaries, values in json.loads(data):
        series = Series(kind, name, description, tuple(tag_keys), tuple(boundaries))
        series.values = {tuple(key): tuple(value) if kind == "gauge" else value for key, value in values}
        found.append(series)
    return found


def everywhere() -> list[Series]:
    """The totals of all processes put together: counters and histograms added, of gauges the value set last."""
    totals: dict[tuple[str, str, Key], Series] = {}
    for series in _registry.snapshot():
        _merge(totals, series)
    if _native.is_initialized():
        own = _own_key()
        _, _, keys = _native.key_value("list", NAMESPACE, b"")
        for key in keys:
            existed, data, _ = _native.key_value("get", NAMESPACE, key)
            if existed and key != own:
                for series in decode(data):
                    _merge(totals, series)
    return sorted(totals.values(), key=lambda series: (series.name, series.kind, series.tag_keys))


def _merge(totals: dict[tuple[str, str, Key], Series], series: Series) -> None:
    key = (series.kind, series.name, series.tag_keys)
    total = totals.setdefault(key, series)
    if total is series:
        return
    if total.boundaries != series.boundaries:
        # Another program's histogram of the same name; adding the two would mean nothing.
        return
    for tags, value in series.values.items():
        known = total.values.get(tags)
        if known is None:
            total.values[tags] = value
        elif series.kind == "counter":
            total.values[tags] = known + value
        elif series.kind == "gauge":
            total.values[tags] = max(known, value, key=lambda one: one[1])
        else:
            total.values[tags] = [one + other for one, other in zip(known, value, strict=True)]
