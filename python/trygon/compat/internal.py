"""`ray.internal`: freeing objects by hand."""

from __future__ import annotations

import warnings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def free(object_refs: Any, local_only: bool = False) -> None:
    """Objects are freed when the last reference to them goes: nothing is left to do by hand, and this warns so."""
    warnings.warn(
        "ray.internal.free() does nothing under Trygon: an object is freed when the last reference to it goes.",
        UserWarning,
        stacklevel=2,
    )


__all__ = ["free"]
