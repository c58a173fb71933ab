"""What may still change: arrays that are made in the object store, so that putting them copies nothing; where objects
are; the cluster's key-value store.
"""

from __future__ import annotations

from trygon.experimental._store_array import StoreArray, empty, zeros
from trygon.experimental.locations import get_local_object_locations, get_object_locations

__all__ = ["StoreArray", "empty", "get_local_object_locations", "get_object_locations", "zeros"]
