"""What programs take from Ray's private `ray._raylet` and from `ray.types`: identifiers, references, generators."""

from __future__ import annotations

from trygon._core.ids import (
    ActorClassID,
    ActorID,
    BaseID,
    ClusterID,
    FunctionID,
    JobID,
    NodeID,
    PlacementGroupID,
    TaskID,
    UniqueID,
    WorkerID,
)
from trygon._native import ObjectRef

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ObjectID = ObjectRef


def __getattr__(name: str) -> Any:
    if name in ("ObjectRefGenerator", "DynamicObjectRefGenerator", "StreamingObjectRefGenerator"):
        import trygon

        return getattr(trygon, "ObjectRefGenerator" if name.startswith("Streaming") else name)
    raise AttributeError(f"module 'ray._raylet' has no attribute {name!r} under Trygon: it is private to Ray.")


__all__ = [
    "ActorClassID",
    "ActorID",
    "BaseID",
    "ClusterID",
    "FunctionID",
    "JobID",
    "NodeID",
    "ObjectID",
    "ObjectRef",
    "PlacementGroupID",
    "TaskID",
    "UniqueID",
    "WorkerID",
]
