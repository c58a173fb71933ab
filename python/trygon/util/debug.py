"""Saying things once: `if log_once("key"): logger.warning(...)`."""

from __future__ import annotations

import time

__all__ = ["disable_log_once_globally", "enable_periodic_logging", "log_once", "reset_log_once"]

_PERIOD_S = 60.0
_said_s: dict[str, float] = {}
_is_disabled = False
_is_periodic = False


def log_once(key: str) -> bool:
    """True the first time it is asked for this key in this process; with periodic logging, once a minute."""
    if _is_disabled:
        return False
    now_s = time.monotonic()
    said_s = _said_s.get(key)
    if said_s is not None and not (_is_periodic and now_s - said_s > _PERIOD_S):
        return False
    _said_s[key] = now_s
    return True


def disable_log_once_globally() -> None:
    """From here on `log_once` says False in this process."""
    global _is_disabled
    _is_disabled = True


def enable_periodic_logging() -> None:
    """From here on `log_once` says True again for a key when a minute has passed, in this process."""
    global _is_periodic
    _is_periodic = True


def reset_log_once(key: str | None = None) -> None:
    """Forgets that `key` was asked for; without one, every key."""
    if key is None:
        _said_s.clear()
    else:
        _said_s.pop(key, None)
