"""How many calls of an actor run at once: what its class and options say, and how handles and the worker know it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ASYNC_FLAGS = 0x80 | 0x200
# What an actor with an event loop runs at once when nothing is said.
DEFAULT_ASYNC_CALLS = 1000


def is_async(function: Any) -> bool:
    """Whether a call of it needs an event loop: `async def`, with or without `yield`."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return bool(code is not None and code.co_flags & _ASYNC_FLAGS)


def concurrency_of(class_name: str, methods: dict[str, Any], options: dict[str, Any]) -> dict[str, Any] | None:
    """What travels with the actor's handles; None for an actor that runs its calls one by one, in order.

    ValueError for a combination that cannot be.
    """
    has_loop = any(method.get("is_async") for method in methods.values())
    groups: dict[str, int] = options.get("concurrency_groups") or {}
    limit = options.get("max_concurrency")
    out_of_order = options.get("allow_out_of_order_execution")
    is_parallel = has_loop or (limit or 1) > 1
    if out_of_order is False and is_parallel:
        raise ValueError(
            f"allow_out_of_order_execution=False is not possible for {class_name}: an actor with async methods or"
            " max_concurrency above 1 starts calls as their arguments come."
        )
    _check_groups(class_name, methods, groups)
    max_pending = options.get("max_pending_calls")
    limited = max_pending is not None and max_pending >= 0
    if not (is_parallel or groups or out_of_order or limited):
        return None
    if limit is None:
        limit = DEFAULT_ASYNC_CALLS if has_loop else 1
    return {
        "has_loop": has_loop,
        "limits": [("", limit), *groups.items()],
        "methods": {name: m["concurrency_group"] for name, m in methods.items() if m.get("concurrency_group")},
        "concurrent": bool(is_parallel or groups),
        "out_of_order": is_parallel if out_of_order is None else out_of_order,
        "max_pending_calls": max_pending if limited else -1,
    }


def _check_groups(class_name: str, methods: dict[str, Any], groups: dict[str, int]) -> None:
    for name, method in methods.items():
        check_group(class_name, name, method.get("concurrency_group"), groups)


def check_group(class_name: str, method: str, group: str | None, groups: Any) -> None:
    """ValueError for a group that the class does not have."""
    if group is not None and group not in groups:
        known = ", ".join(sorted(name for name in groups if name)) or "none"
        raise ValueError(
            f"{class_name}.{method} names the concurrency group {group!r}, but the actor's groups are: {known}."
            " Give them with @remote(concurrency_groups={name: how_many_at_once})."
        )
