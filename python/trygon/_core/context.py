"""What `init` returns: a mapping that prints well and ends the engine when used as a context manager."""

from __future__ import annotations

import sys
from _collections_abc import Mapping

from trygon._core.version import RAY_COMPATIBLE_VERSION, VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Self


class Context(Mapping):  # type: ignore[type-arg]
    """Where the program runs: `context["node_id"]`, `context.address_info`; `with trygon.init(): ...` shuts down at
    the end.
    """

    # Empty: there is no dashboard.
    dashboard_url = ""
    trygon_version = VERSION
    ray_version = RAY_COMPATIBLE_VERSION
    ray_commit = ""
    python_version = sys.version.split()[0]

    def __init__(self, info: dict[str, Any]) -> None:
        # Of a cluster that stays, the head's address; an engine of the program's own has none to reach it by.
        address = info.get("cluster_address") or info.get("node_address", "127.0.0.1")
        self.address_info = {
            **info,
            "node_ip_address": info.get("node_address", "127.0.0.1"),
            "address": address,
            "gcs_address": address,
            "webui_url": "",
        }

    def __getitem__(self, key: str) -> Any:
        return self.address_info[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.address_info)

    def __len__(self) -> int:
        return len(self.address_info)

    def disconnect(self) -> None:
        """Ends the engine, or leaves the node that stays."""
        from trygon._core.init import shutdown

        shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.disconnect()

    def __repr__(self) -> str:
        info = self.address_info
        resources = info.get("resources") or {}
        has = [f"{_number(resources.get('CPU', 0))} CPU"]
        has += [
            f"{_number(amount)} {name}"
            for name, amount in sorted(resources.items())
            if name not in ("CPU", "memory", "object_store_memory") and ":" not in name
        ]
        store = info.get("object_store_memory")
        if store:
            has.append(f"{store / 2**30:.1f} GiB for objects")
        daemon = f", daemon {info['daemon_pid']}" if info.get("daemon_pid") else ""
        return (
            f"Trygon {VERSION}, Python {self.python_version}\n"
            f"  node {str(info.get('node_id', ''))[:12]} at {info['node_ip_address']}{daemon}\n"
            f"  {' · '.join(has)}"
        )

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(repr(self))}</pre>"


def _number(amount: float) -> str:
    return str(int(amount)) if amount == int(amount) else str(amount)
