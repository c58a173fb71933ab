"""The rows, by subject. Importing this package registers all of them, in the order in which they run."""

from rows import tasks, actors, concurrency, objects, graphs, workers, fresh, pool  # noqa: F401  (order is the running order)
from rows.registry import ROWS, Row

__all__ = ["ROWS", "Row"]
