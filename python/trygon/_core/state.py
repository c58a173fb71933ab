"""What there is: nodes and resources, in Ray's form."""

from __future__ import annotations

from trygon import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def query(what: str, argument: str = "") -> Any:
    """Asks the daemon and reads its JSON."""
    import json

    return json.loads(_native.query_state(what, argument))


def nodes() -> list[dict[str, Any]]:
    """The machines of the cluster; here, one."""
    return list(query("nodes"))


def cluster_resources() -> dict[str, float]:
    """What all machines have together."""
    return dict(query("cluster_resources"))


def available_resources() -> dict[str, float]:
    """What is free now."""
    return dict(query("available_resources"))
