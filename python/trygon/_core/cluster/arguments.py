"""What a node of a `Cluster` may be asked to be: checked, and turned into words of `trygon start`."""

from __future__ import annotations

import json

from trygon._core import spilling
from trygon._core.options import check_init_labels, check_resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# As in Ray: small, so that many nodes fit on one machine.
_DEFAULTS: dict[str, Any] = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": 150 * 2**20}
_LEAST_STORE_BYTES = 75 * 10**6
_NUMBERS = {"num_cpus": "--num-cpus", "num_gpus": "--num-gpus"}
_BYTES = {"memory": "--memory", "object_store_memory": "--object-store-memory"}
_TEXTS = {"node_name": "--node-name", "node_ip_address": "--node-ip-address", "temp_dir": "--temp-dir"}
# Ray has several ports for what is one here.
_PORTS = ("port", "node_manager_port", "gcs_server_port", "redis_port")
_SPILLING = ("object_spilling_directory", "_system_config")
_OWN = (
    *_NUMBERS,
    *_BYTES,
    *_TEXTS,
    *_PORTS,
    "resources",
    "labels",
    "env_vars",
    "object_spilling_directory",
    "_system_config",
)
# Ray's further names: accepted, and those that would ask for something are named in one warning.
_WITHOUT_EFFECT: dict[str, tuple[Any, ...]] = {
    "autoscaling_config": (),
    "cluster_id": (),
    "dashboard_agent_listen_port": (0, 52365),
    "dashboard_grpc_port": (0,),
    "dashboard_host": ("127.0.0.1", "localhost", "0.0.0.0"),
    "dashboard_port": (0, 8265),
    "enable_object_reconstruction": (False, True),
    "external_addresses": (),
    "huge_pages": (False,),
    "include_dashboard": (False,),
    "include_log_monitor": (False, True),
    "log_to_stderr": (False,),
    "max_worker_port": (0,),
    "metrics_agent_port": (0,),
    "metrics_export_port": (0,),
    "min_worker_port": (0,),
    "no_monitor": (False, True),
    "num_redis_shards": (),
    "object_manager_port": (0,),
    "plasma_directory": (),
    "plasma_store_socket_name": (),
    "proxy_server_url": (),
    "ray_client_server_port": (0,),
    "ray_debugger_external": (False,),
    "raylet_socket_name": (),
    "redirect_output": (False, True),
    "redis_max_clients": (),
    "redis_password": ("",),
    "redis_shard_ports": (),
    "redis_username": ("",),
    "resource_isolation_config": (),
    "runtime_env_agent_port": (0,),
    "runtime_env_dir_name": (),
    "session_name": (),
    "setup_worker_path": (),
    "tracing_startup_hook": (),
    "webui": (),
    "worker_path": (),
    "worker_port_list": (),
}


def words(given: Mapping[str, Any]) -> tuple[list[str], dict[str, str]]:
    """The words of `trygon start` for these arguments, and the variables of the node's environment.

    Raises TypeError for an argument that does not exist or is of the wrong kind, ValueError for a value that is not
    allowed.
    """
    _check_names(given)
    values = {**_DEFAULTS, **{name: value for name, value in given.items() if value is not None}}
    found = []
    for name, word in _NUMBERS.items():
        found.append(f"{word}={_number(name, values[name])}")
    for name, word in _BYTES.items():
        if name in values:
            found.append(f"{word}={_bytes(name, values[name])}")
    for name, word in _TEXTS.items():
        if name in values:
            if not isinstance(values[name], str) or not values[name]:
                raise TypeError(f"{name} of add_node() must be a str that is not empty, but got {values[name]!r}.")
            found.append(f"{word}={values[name]}")
    found.append(f"--port={_port(values)}")
    resources = _resources(values.get("resources"))
    if resources:
        found.append("--resources=" + json.dumps(resources))
    labels = check_init_labels(values.get("labels"))
    if labels:
        found.append("--labels=" + json.dumps(labels))
    spill = spilling.config(values.get("object_spilling_directory"), values.get("_system_config"), "add_node()")
    found.extend(spilling.words(spill))
    return found, _variables(values.get("env_vars"))


def _check_names(given: Mapping[str, Any]) -> None:
    ignored = []
    for name, value in given.items():
        if name in _OWN:
            continue
        if name not in _WITHOUT_EFFECT:
            from difflib import get_close_matches

            close = get_close_matches(name, [*_OWN, *_WITHOUT_EFFECT], 1)
            hint = f"Did you mean {close[0]}?" if close else f"It takes {', '.join(_OWN)}."
            raise TypeError(f"add_node() has no argument {name}. {hint}")
        quiet = _WITHOUT_EFFECT[name]
        if value is not None and not any(type(value) is type(it) and value == it for it in quiet):
            ignored.append(name)
    if ignored:
        import warnings

        warnings.warn(f"These arguments of add_node() have no effect: {', '.join(ignored)}.", UserWarning, stacklevel=4)


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} of add_node() must be a number, but {type(value).__name__} was given.")
    if not 0 <= value < 1e6:
        raise ValueError(f"{name} of add_node() must be between 0 and a million, but {value} was given.")
    return value


def _bytes(name: str, value: Any) -> int:
    least = _LEAST_STORE_BYTES if name == "object_store_memory" else 0
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} of add_node() must be a number of bytes, but {type(value).__name__} was given.")
    if value < least:
        raise ValueError(f"{name} of add_node() must be at least {least} bytes, but {value} was given.")
    return int(value)


def _port(values: Mapping[str, Any]) -> int:
    ports = {name: values[name] for name in _PORTS if values.get(name)}
    for name, port in ports.items():
        if isinstance(port, bool) or not isinstance(port, int):
            raise TypeError(f"{name} of add_node() must be an int, but {type(port).__name__} was given.")
        if not 0 < port < 65536:
            raise ValueError(f"{name} of add_node() must be between 0 and 65535, but {port} was given.")
    if len(set(ports.values())) > 1:
        raise ValueError(f"A node has one port, but add_node() was given {ports}; give it as port only.")
    return next(iter(ports.values()), 0)


def _resources(value: Any) -> dict[str, float]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError(
                f"resources of add_node() must be a dict or JSON of names and amounts, but {value!r} was given."
            ) from None
    check_resources("resources", value)
    return value or {}


def _variables(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(it, str) for pair in value.items() for it in pair):
        raise TypeError(f"env_vars of add_node() must be a dict of str to str, but {value!r} was given.")
    return dict(value)
