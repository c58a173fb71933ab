"""What may still change: arrays that are made in the object store, so that putting them copies nothing."""

from __future__ import annotations

from trygon.experimental._store_array import StoreArray, empty, zeros

__all__ = ["StoreArray", "empty", "zeros"]
