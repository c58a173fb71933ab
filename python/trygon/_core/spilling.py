"""Where objects go when the store's memory is full: what `init` and `Cluster` are given, checked."""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SHARES = {"object_spilling_threshold": "threshold", "local_fs_capacity_threshold": "disk_share"}
_COUNTS = {
    "min_spilling_size": "file_bytes",
    "max_fused_object_count": "file_objects",
    "object_spilling_quota": "quota_bytes",
}
# The settings of spilling among Ray's `_system_config`, and `object_spilling_quota`, which is ours.
SETTINGS = (*_SHARES, *_COUNTS, "automatic_object_spilling_enabled", "object_spilling_config")


def config(directory: Any, system_config: Any, where: str = "init()") -> dict[str, Any] | None:
    """What the daemon is told; None for the usual way. TypeError and ValueError name the option and what is allowed."""
    settings = {name: value for name, value in (system_config or {}).items() if name in SETTINGS}
    if directory is None and not settings:
        return None
    found: dict[str, Any] = {
        "is_off": False,
        "directories": _directories("object_spilling_directory", directory, where),
        "threshold": 0.0,
        "file_bytes": 0,
        "file_objects": 0,
        "quota_bytes": 0,
        "disk_share": 0.0,
    }
    for name, value in settings.items():
        named = f"{name} in _system_config of {where}"
        if name in _SHARES:
            found[_SHARES[name]] = _share(named, value)
        elif name in _COUNTS:
            found[_COUNTS[name]] = _count(named, value)
        elif name == "object_spilling_config":
            found["directories"] = found["directories"] or _of_config(named, value, where)
        elif not isinstance(value, bool):
            raise TypeError(f"{named} must be True or False, but {type(value).__name__} was given.")
        else:
            found["is_off"] = not value
    return found


def words(found: dict[str, Any] | None) -> list[str]:
    """The same as options of `trygon start`."""
    if found is None:
        return []
    settings = {name: found[field] for name, field in (*_SHARES.items(), *list(_COUNTS.items())[:2]) if found[field]}
    given = [f"--object-spilling-directory={directory}" for directory in found["directories"]]
    if found["quota_bytes"]:
        given.append(f"--object-spilling-quota={found['quota_bytes']}")
    if settings:
        given.append("--system-config=" + json.dumps(settings))
    return [*given, "--spill=off"] if found["is_off"] else given


def _directories(name: str, value: Any, where: str) -> list[str]:
    given = [] if value is None else [value] if isinstance(value, (str, os.PathLike)) else value
    if not isinstance(given, (list, tuple)) or not all(isinstance(it, (str, os.PathLike)) for it in given):
        raise TypeError(f"{name} of {where} must be a path or a list of paths, but {value!r} was given.")
    paths = [os.fspath(it) for it in given]
    if not all(paths):
        raise ValueError(f"{name} of {where} must name a folder, but it is empty.")
    for path in paths:
        if "://" in path:
            raise ValueError(f"{name} of {where} must be a folder of this machine, but {path!r} was given.")
        if os.path.exists(path) and not os.path.isdir(path):
            raise ValueError(f"{name} of {where} must be a folder, but {path} is a file.")
    return [os.path.abspath(path) for path in paths]


def _of_config(named: str, value: Any, where: str) -> list[str]:
    """The folders of Ray's `object_spilling_config`: a dict, or its JSON."""
    example = '{"type": "filesystem", "params": {"directory_path": "/data/spill"}}'
    try:
        parsed = json.loads(value) if isinstance(value, str) else dict(value)
        kind, paths = parsed.get("type"), parsed.get("params", {}).get("directory_path")
    except (ValueError, TypeError, AttributeError):
        raise ValueError(f"{named} must be like {example}, but {value!r} was given.") from None
    if kind != "filesystem":
        raise ValueError(f'the type of {named} must be "filesystem", but {kind!r} was given.')
    if not paths:
        raise ValueError(f"{named} must be like {example}, but {value!r} was given.")
    return _directories("directory_path of object_spilling_config", paths, where)


def _share(named: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{named} must be a number, but {type(value).__name__} was given.")
    if not 0 < value <= 1:
        raise ValueError(f"{named} must be above 0 and at most 1, but {value} was given.")
    return float(value)


def _count(named: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{named} must be an int, but {type(value).__name__} was given.")
    if value < 1:
        raise ValueError(f"{named} must be at least 1, but {value} was given.")
    return value
