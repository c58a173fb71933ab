"""Which rows exist: each is one function for engines with Ray's API, and at most one for multiprocessing.Pool.

This module and every module of rows import only the standard library at the top, so that the harness can list the rows
without any engine installed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

API_ENGINES = ("trygon", "ray")


@dataclass
class Row:
    """One thing to run; it may yield several metrics, each named in targets.toml."""

    name: str
    # "shared": runs in the engine's long-lived process; "fresh": in a new process with the engine started;
    # "start": in a new process that has not even imported the engine; "idle": a step of the idle measurement;
    # "remote": in a program on the first of two machines (network namespaces), whose cluster lives as long as the run;
    # "machines": in the harness, function(place, context), with machines of its own; "step": what such a row has a
    # program on one of them do.
    kind: str = "shared"
    num_cpus: int = 2
    count_processes: bool = False
    # At most this many repeats, by engine: for rows where one repeat already takes seconds.
    repeats: dict[str, int] = field(default_factory=dict)
    # Engines that are not asked, with the reason shown in the table.
    skip: dict[str, str] = field(default_factory=dict)
    limit_s: float | None = None
    functions: dict[str, Callable] = field(default_factory=dict)

    def function_for(self, engine_name: str) -> Callable | None:
        """The function that runs this row on the engine, or None where the row makes no sense there."""
        return self.functions.get("pool" if engine_name == "pool" else "api")


ROWS: dict[str, Row] = {}


def row(name: str, **options) -> Callable:
    """Registers a row for the engines that share Ray's API: function(engine, context) -> {metric: value}."""

    def register(function: Callable) -> Callable:
        ROWS.setdefault(name, Row(name))
        for key, value in options.items():
            setattr(ROWS[name], key, value)
        ROWS[name].functions["api"] = function
        return function

    return register


def pool_row(name: str) -> Callable:
    """Registers how multiprocessing.Pool does the row of that name: function(pool, context) -> {metric: value}."""

    def register(function: Callable) -> Callable:
        ROWS[name].functions["pool"] = function
        return function

    return register
