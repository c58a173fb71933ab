"""`multiprocessing.Pool` on the engine: `from trygon.util.multiprocessing import Pool`."""

from __future__ import annotations

from trygon.util.multiprocessing.pool import Pool, PoolTaskError, TimeoutError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Pool", "PoolTaskError", "TimeoutError"]


def __getattr__(name: str) -> Any:
    if name == "JoinableQueue":
        from multiprocessing import JoinableQueue

        return JoinableQueue
    raise AttributeError(f"module 'trygon.util.multiprocessing' has no attribute {name!r}")
