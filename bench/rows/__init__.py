"""The rows, by subject. Importing this package registers all of them, in the order in which they run."""

from rows import (  # noqa: F401  (order is the running order)
    tasks,
    actors,
    concurrency,
    objects,
    graphs,
    placement,
    workers,
    fresh,
    remote,
    machines,
    recovery,
    steps,
    pool,
)
from rows.registry import ROWS, Row

__all__ = ["ROWS", "Row"]
