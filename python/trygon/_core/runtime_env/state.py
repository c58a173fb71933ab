"""The environment of this process. A module of its own because the zygote sets it and must import little for that."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The description of the environment that this process runs in, or that its job has; None for the plain one.
# Members: `fields`, as the user wrote them (JSON), `prepared`, what workers make of them on any node, and in a worker
# `here`, the same with what is only true on its node.
current: dict[str, Any] | None = None
