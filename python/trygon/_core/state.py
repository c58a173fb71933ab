"""What there is: nodes and resources, in Ray's form."""

from __future__ import annotations

from trygon import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


_NO_SUCH_THING = {
    "DeathReason": 0,
    "DeathReasonMessage": "",
    "Labels": {},
    "MetricsExportPort": 0,
    "NodeManagerAddress": "127.0.0.1",
    "NodeManagerHostname": "",
    "NodeManagerPort": 0,
    "NodeName": "",
    "ObjectManagerPort": 0,
    "ObjectStoreSocketName": "",
    "RayletSocketName": "",
    "RuntimeEnvAgentPort": 0,
}


def query(what: str, argument: str = "") -> Any:
    """Asks the daemon and reads its JSON."""
    import json

    return json.loads(_native.query_state(what, argument))


def nodes() -> list[dict[str, Any]]:
    """The machines of the cluster; here, one. What Ray names and Trygon has not (ports, sockets) is 0 or empty."""
    return [{**_NO_SUCH_THING, **node, "alive": node["Alive"]} for node in query("nodes")]


def cluster_resources() -> dict[str, float]:
    """What all machines have together."""
    return dict(query("cluster_resources"))


def available_resources() -> dict[str, float]:
    """What is free now."""
    return dict(query("available_resources"))
