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

# What names the place in Ray's `object_spilling_config`, by its type.
_PARAMETERS = {"filesystem": "directory_path", "smart_open": "uri"}


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
    return [_place(f"{name} of {where}", os.fspath(it)) for it in given]


def _place(named: str, path: str) -> str:
    """A folder from / on, or the address of a bucket."""
    if not path:
        raise ValueError(f"{named} must name a folder, but it is empty.")
    scheme, _, rest = path.partition("://")
    if rest and scheme == "s3":
        if "@" in rest.split("/")[0]:
            # Not repeated: it may be a password.
            raise ValueError(
                f"{named} must be like s3://bucket/prefix, without keys: the daemon takes them from its environment"
                " (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)."
            )
        return path
    if "://" in path and not (scheme == "file" and rest.startswith("/")):
        raise ValueError(
            f"{named} must be a folder of this machine or s3://bucket/prefix, but one with {scheme}:// was given."
        )
    path = rest if rest else path
    if os.path.exists(path) and not os.path.isdir(path):
        raise ValueError(f"{named} must be a folder, but {path} is a file.")
    return os.path.abspath(path)


def _of_config(named: str, value: Any, where: str) -> list[str]:
    """The folders and addresses of Ray's `object_spilling_config`: a dict, or its JSON."""
    example = '{"type": "filesystem", "params": {"directory_path": "/data/spill"}}'
    try:
        parsed = json.loads(value) if isinstance(value, str) else dict(value)
        kind, given = parsed.get("type"), dict(parsed.get("params", {}))
    except (ValueError, TypeError, AttributeError):
        raise ValueError(f"{named} must be like {example}, but {value!r} was given.") from None
    if kind not in _PARAMETERS:
        raise ValueError(f'the type of {named} must be "filesystem" or "smart_open", but {kind!r} was given.')
    parameter = _PARAMETERS[kind]
    if not given.get(parameter):
        raise ValueError(f"params of {named} must have {parameter!r} for the type {kind!r}, as in {example}.")
    return _directories(f"{parameter} of object_spilling_config", given[parameter], where)


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
