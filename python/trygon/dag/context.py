"""Settings of compiled graphs."""

from __future__ import annotations

import threading
from dataclasses import dataclass

_lock = threading.Lock()
_current: DAGContext | None = None


@dataclass
class DAGContext:
    """Defaults of `experimental_compile`, for this process. Times are in seconds.

    Trygon uses `max_inflight_executions`; the others are about Ray's channels, and are kept for programs that set them.
    """

    submit_timeout: int = 10
    get_timeout: int = 10
    teardown_timeout: int = 30
    read_iteration_timeout: float = 0.1
    buffer_size_bytes: int = 1_000_000
    max_inflight_executions: int = 10
    max_buffered_results: int = 1000
    overlap_gpu_communication: bool = False

    @staticmethod
    def get_current() -> DAGContext:
        """The settings; made when they are first asked for."""
        global _current
        with _lock:
            if _current is None:
                _current = DAGContext()
            return _current
