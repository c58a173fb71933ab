"""Counters, gauges and histograms that programs define: `Counter("requests", tag_keys=("route",)).inc(tags=...)`.

They can be used in drivers, tasks and actors; `prometheus_text()` gives the values of all processes together.
"""

from __future__ import annotations

import re

from trygon._core import metrics as _metrics

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

__all__ = ["Counter", "Gauge", "Histogram", "Metric", "prometheus_text"]

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


class Metric:
    """What counters, gauges and histograms have in common. Can be sent to tasks and actors."""

    _kind = ""

    def __init__(self, name: str, description: str = "", tag_keys: tuple[str, ...] | None = None) -> None:
        if not isinstance(name, str):
            raise TypeError(f"The name of a metric must be a str, but {type(name).__name__} was given.")
        if not name:
            raise ValueError("The name of a metric must not be empty.")
        if tag_keys is not None and not isinstance(tag_keys, tuple):
            raise TypeError(f"tag_keys must be a tuple of str, but {type(tag_keys).__name__} was given.")
        for key in tag_keys or ():
            if not isinstance(key, str):
                raise TypeError(f"tag_keys must be str, but {key!r} was given.")
        self._name, self._description = name, description
        self._tag_keys = tuple(tag_keys or ())
        self._default_tags: dict[str, str] = {}
        self._boundaries: tuple[float, ...] = ()
        self._series: _metrics.Series | None = None
        self._is_discarded = _NAME.fullmatch(name) is None
        if self._is_discarded:
            import warnings

            warnings.warn(
                f"The metric name {name!r} is not valid, so its values are discarded: names have letters, digits, _ and"
                " :, and do not begin with a digit.",
                stacklevel=3,
            )

    @property
    def info(self) -> dict[str, Any]:
        """Name, description, tag keys and default tags."""
        return {
            "name": self._name,
            "description": self._description,
            "tag_keys": self._tag_keys,
            "default_tags": dict(self._default_tags),
        }

    def set_default_tags(self, default_tags: dict[str, str]) -> Self:
        """Tags for the calls that do not give them; returns the metric. ValueError for keys that it does not have."""
        for key, value in default_tags.items():
            if key not in self._tag_keys:
                raise ValueError(self._unknown(key))
            _check_tag_value(key, value)
        self._default_tags = dict(default_tags)
        return self

    def _unknown(self, key: str) -> str:
        known = ", ".join(self._tag_keys) or "none"
        return f"The metric {self._name} has no tag key {key}; its tag_keys are: {known}."

    def _key(self, tags: dict[str, str] | None) -> tuple[str, ...]:
        if tags:
            for key, value in tags.items():
                if key not in self._tag_keys:
                    raise ValueError(self._unknown(key))
                _check_tag_value(key, value)
        merged = {**self._default_tags, **tags} if tags else self._default_tags
        try:
            return tuple([merged[key] for key in self._tag_keys])
        except KeyError:
            missing = ", ".join(key for key in self._tag_keys if key not in merged)
            raise ValueError(
                f"The metric {self._name} needs values for the tag keys {missing}: give tags=, or set_default_tags()."
            ) from None

    def _own_series(self) -> _metrics.Series:
        series = self._series
        if series is None or not _metrics.is_current(series):
            series = self._series = _metrics.series_of(
                self._kind, self._name, self._description, self._tag_keys, self._boundaries
            )
        return series

    def _arguments(self) -> tuple[Any, ...]:
        return self._name, self._description, self._tag_keys

    def __reduce__(self) -> Any:
        return _rebuild, (type(self), self._arguments(), self._default_tags)


class Counter(Metric):
    """A total that only grows."""

    _kind = "counter"

    def inc(self, value: float = 1.0, tags: dict[str, str] | None = None) -> None:
        """Adds `value`, which must be above 0."""
        _check_value(value)
        if not value > 0:
            raise ValueError(f"A counter can only grow: the value must be > 0, but {value} was given.")
        key = self._key(tags)
        if not self._is_discarded:
            _metrics.add(self._own_series(), key, value)


class Gauge(Metric):
    """A value that goes up and down. Of several processes with the same tags, the one that set it last counts."""

    _kind = "gauge"

    def set(self, value: float | None, tags: dict[str, str] | None = None) -> None:
        """Sets the value; None changes nothing."""
        if value is None:
            return
        _check_value(value)
        key = self._key(tags)
        if not self._is_discarded:
            _metrics.put(self._own_series(), key, value)


class Histogram(Metric):
    """How often values fell below each of some boundaries."""

    _kind = "histogram"

    def __init__(
        self,
        name: str,
        description: str = "",
        boundaries: Sequence[float] | None = None,
        tag_keys: tuple[str, ...] | None = None,
    ) -> None:
        super().__init__(name, description, tag_keys)
        if not boundaries:
            raise ValueError(f"The histogram {name} needs boundaries, such as boundaries=[0.1, 1.0, 10.0].")
        for boundary in boundaries:
            _check_value(boundary)
            if not 0 < boundary < float("inf"):
                raise ValueError(f"The boundaries of the histogram {name} must be > 0 and finite, got {boundary}.")
        self._given = list(boundaries)
        self._boundaries = tuple(sorted({float(boundary) for boundary in boundaries}))

    @property
    def info(self) -> dict[str, Any]:
        """As of a metric, with the boundaries."""
        return {**super().info, "boundaries": self._given}

    def observe(self, value: float, tags: dict[str, str] | None = None) -> None:
        """Counts a value."""
        _check_value(value)
        key = self._key(tags)
        if not self._is_discarded:
            _metrics.observe(self._own_series(), key, value)

    def _arguments(self) -> tuple[Any, ...]:
        return self._name, self._description, self._given, self._tag_keys


def _check_value(value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"The value of a metric must be an int or float, but {type(value).__name__} was given.")


def _check_tag_value(key: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"Tag values must be str, but for {key} {type(value).__name__} was given.")


def _rebuild(kind: type[Metric], arguments: tuple[Any, ...], default_tags: dict[str, str]) -> Metric:
    import warnings

    with warnings.catch_warnings():
        # It was said where the metric was made.
        warnings.simplefilter("ignore", UserWarning)
        metric = kind(*arguments)
    metric._default_tags = default_tags
    return metric


# --- Prometheus' text


def prometheus_text(prefix: str = "ray_") -> str:
    """All values of all processes in Prometheus' text format. What another process counted arrives within a fraction
    of a second. Names are those of Ray: `ray_<name>`, counters `ray_<name>_total`.
    """
    lines: list[str] = []
    said: dict[str, str] = {}
    headed = set()
    for series in _metrics.everywhere():
        name = prefix + series.name
        if series.kind == "counter" and not name.endswith("_total"):
            name += "_total"
        # One name has one type; metrics of the same name that differ only in their tags are one family.
        if said.setdefault(name, series.kind) != series.kind:
            continue
        if name not in headed:
            headed.add(name)
            lines.append(f"# HELP {name} {_escape_help(series.description)}")
            lines.append(f"# TYPE {name} {series.kind}")
        for key in sorted(series.values):
            lines += _samples(name, series, key)
    return "".join(f"{line}\n" for line in lines)


def _samples(name: str, series: _metrics.Series, key: tuple[str, ...]) -> list[str]:
    tags = list(zip(series.tag_keys, key, strict=True))
    value = series.values[key]
    if series.kind == "counter":
        return [f"{name}{_labels(tags)} {_number(value)}"]
    if series.kind == "gauge":
        return [f"{name}{_labels(tags)} {_number(value[0])}"]
    found, count = [], 0.0
    for boundary, inside in zip([*series.boundaries, float("inf")], value, strict=False):
        count += inside
        found.append(f"{name}_bucket{_labels([*tags, ('le', _number(boundary))])} {_number(count)}")
    found.append(f"{name}_sum{_labels(tags)} {_number(value[-1])}")
    found.append(f"{name}_count{_labels(tags)} {_number(count)}")
    return found


def _labels(tags: list[tuple[str, str]]) -> str:
    if not tags:
        return ""
    parts = (f'{_label_name(key)}="{_escape(value)}"' for key, value in tags)
    return "{" + ",".join(parts) + "}"


def _label_name(key: str) -> str:
    name = re.sub(r"[^a-zA-Z0-9_]", "_", key)
    return name if not name[:1].isdigit() else f"_{name}"


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _escape_help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _number(value: float) -> str:
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    return repr(float(value))
