"""From the fields that a user wrote to a description that every worker of the environment is made from, and its key.

What needs this process (its files, its functions) is done here; what needs an interpreter of its own, packages above
all, is done by the environment's zygote, so that nobody waits for it who does not need the environment.
"""

from __future__ import annotations

import os

from trygon._core.runtime_env import copies, job_directory, shipping, state
from trygon._core.runtime_env.fields import DEFAULT_TIMEOUT_SECONDS, check_fields
from trygon._core.runtime_env.public import as_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

# Keys that were put, with the session that they were put in: once is enough.
_put: set[tuple[str, bytes]] = set()


def prepare_job(fields: Mapping[str, Any], directory: str, *, is_shared: bool) -> tuple[bytes, bytes, dict[str, Any]]:
    """The key and the description of a job's environment, as bytes and as it is. What other nodes are to find is named
    in it if the job is one of a cluster, and shipped by `ship_job` when the job has begun.
    """
    described = _describe(None, check_fields(fields), directory, _name if is_shared else _path)
    encoded = _encode(described)
    return _key(encoded), encoded, described


def ship_job(fields: Mapping[str, Any], prepared: dict[str, Any], directory: str) -> None:
    """Lets the other nodes have what the job's environment names. RuntimeEnvSetupError: it is too large."""
    names = [prepared.get("working_dir"), *prepared.get("py_modules", [])]
    origins = [fields.get("working_dir"), *(fields.get("py_modules") or [])]
    for name, origin in zip(names, origins, strict=True):
        if name is not None:
            shipping.ship(os.path.join(directory, name), str(origin))


def environment_key(fields: Mapping[str, Any]) -> bytes:
    """The key of the environment with these fields in a task or actor of this process; its description is with the
    daemon when this returns.
    """
    from trygon import _native

    checked = check_fields(fields)
    needs_files = "working_dir" in checked or "py_modules" in checked
    place = shipping.ship if needs_files and shipping.is_needed() else _path
    described = _describe(state.current, checked, job_directory.of_this_job() if needs_files else "", place)
    if not described["fields"]:
        return b""
    encoded = _encode(described)
    key = _key(encoded)
    node = str(_native.context()["node_id"])
    if (node, key) not in _put:
        _native.key_value("put", job_directory.NAMESPACE, key, encoded)
        _put.add((node, key))
    return key


def _path(folder: str, what: str) -> str:
    return folder


def _name(folder: str, what: str) -> str:
    return os.path.basename(folder)


def _describe(
    parent: dict[str, Any] | None, checked: dict[str, Any], directory: str, place: Callable[[str, str], str]
) -> dict[str, Any]:
    """Fields take the place of the parent's; variables are added to the parent's."""
    fields: dict[str, Any] = dict(parent["fields"]) if parent else {}
    prepared: dict[str, Any] = dict(parent["prepared"]) if parent else {}
    for name, value in as_json(checked).items():
        if name in ("pip", "uv"):
            # They fill one place.
            fields.pop("pip", None)
            fields.pop("uv", None)
        fields[name] = {**fields.get(name, {}), **value} if name == "env_vars" else value
    prepared.update(_prepared(checked, directory, place))
    if "env_vars" in fields:
        prepared["env_vars"] = fields["env_vars"]
    return {"fields": fields, "prepared": prepared}


def _prepared(checked: dict[str, Any], directory: str, place: Callable[[str, str], str]) -> dict[str, Any]:
    """`place` says for the folder of a copy, and for what people call it, where workers find it."""
    prepared: dict[str, Any] = {}
    excludes = checked.get("excludes") or []
    working_dir = checked.get("working_dir")
    if working_dir is not None:
        is_folder = os.path.isdir(working_dir)
        prepared["working_dir"] = place(
            copies.copy_folder(working_dir, excludes, directory)
            if is_folder
            else copies.unpack(working_dir, directory),
            str(working_dir),
        )
    if "py_modules" in checked:
        prepared["py_modules"] = [
            place(copies.copy_module(path, excludes, directory), str(path)) for path in checked["py_modules"]
        ]
    for tool in ("pip", "uv"):
        if tool in checked:
            prepared["packages"] = {"tool": tool, **checked[tool]}
    if "py_executable" in checked:
        prepared["py_executable"] = checked["py_executable"]
    if "worker_process_setup_hook" in checked:
        prepared["hook"] = _hook(checked["worker_process_setup_hook"])
    if "config" in checked:
        prepared["timeout_s"] = checked["config"].get("setup_timeout_seconds", DEFAULT_TIMEOUT_SECONDS)
    return prepared


def _hook(hook: Any) -> dict[str, str]:
    if isinstance(hook, str):
        return {"path": hook}
    from base64 import b64encode

    from trygon._core.serialization import export

    name = getattr(hook, "__qualname__", repr(hook))
    return {"name": name, "pickle": b64encode(export(hook, "set-up hook", name)).decode()}


def _encode(described: dict[str, Any]) -> bytes:
    import json

    # Variables keep their order: one may refer to those before it.
    return json.dumps(described).encode()


def _key(encoded: bytes) -> bytes:
    from hashlib import sha256

    return sha256(encoded).digest()
