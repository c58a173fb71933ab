"""The rows, by subject. Importing this package registers all of them, in the order in which they run."""

from rows import (  # noqa: F401  (order is the running order)
    actors,
    concurrency,
    fresh,
    graphs,
    machines,
    objects,
    placement,
    pool,
    recovery,
    remote,
    steps,
    tasks,
    workers,
)
from rows.registry import ROWS, Row

__all__ = ["ROWS", "Row"]
