"""Ray's further arguments of `init`, and the environment variables that stand for arguments.

What Trygon can do is done; what has no counterpart on one machine is accepted with one warning; what would change what
a program means is refused by `init` itself.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Accepted for programs written for Ray: the values that ask for nothing, and why others have no effect.
_WITHOUT_EFFECT: dict[str, tuple[tuple[Any, ...], str]] = {
    "include_dashboard": ((None, False), "there is no dashboard"),
    "dashboard_host": ((None, "127.0.0.1", "localhost", "0.0.0.0"), "there is no dashboard"),
    "dashboard_port": ((None, 8265), "there is no dashboard"),
    "proxy_server_url": ((None,), "there is no dashboard"),
    "_enable_object_reconstruction": ((None, False, True), ""),
    "_plasma_directory": ((None,), "objects are in anonymous memory"),
    "_node_ip_address": ((None, "127.0.0.1"), "nothing listens"),
    "_node_name": ((None,), "there is one machine"),
    "_driver_object_store_memory": ((None,), "use object_store_memory"),
    "_redis_username": ((None, ""), "there is no Redis"),
    "_redis_password": ((None, ""), "there is no Redis"),
    "_temp_dir": ((None,), "the engine keeps no folder"),
    "_metrics_export_port": ((None,), "nothing listens"),
    "_tracing_startup_hook": ((None,), "there is no tracing"),
}
TAKEN = (
    "job_config",
    "configure_logging",
    "logging_format",
    "logging_config",
    "_memory",
    "_system_config",
    "object_spilling_directory",
)


class Given:
    """What the further arguments ask for."""

    __slots__ = (
        "code_search_path",
        "configure_logging",
        "logging_config",
        "logging_format",
        "memory",
        "namespace",
        "runtime_env",
        "spill",
    )

    def __init__(self) -> None:
        self.code_search_path: list[str] = []
        self.configure_logging = True
        self.logging_config: Any = None
        self.logging_format: str | None = None
        self.memory: int | None = None
        self.namespace: str | None = None
        self.runtime_env: dict[str, Any] | None = None
        self.spill: dict[str, Any] | None = None


def take(others: dict[str, Any]) -> Given:
    """Takes out of `others` what this module answers for. Warns once, naming everything that has no effect."""
    given = Given()
    system_config = _system_config(others.pop("_system_config", None))
    directory = others.pop("object_spilling_directory", None)
    if directory is not None or system_config:
        from trygon._core import spilling

        given.spill = spilling.config(directory, system_config)
    _warn(others, system_config)
    job = _job_config(others.pop("job_config", None))
    # Workers inherit it.
    os.environ.pop("TRYGON_DEFAULT_ACTOR_LIFETIME", None)
    if job is not None:
        given.namespace = job.ray_namespace
        given.code_search_path = job.code_search_path
        if job.default_actor_lifetime == "detached":
            os.environ["TRYGON_DEFAULT_ACTOR_LIFETIME"] = "detached"
        given.runtime_env = job.runtime_env or None
    given.configure_logging = bool(others.pop("configure_logging", True))
    given.logging_format = others.pop("logging_format", None)
    if given.logging_format is not None and not isinstance(given.logging_format, str):
        raise TypeError(f"logging_format of init() must be a str, but {type(given.logging_format).__name__} was given.")
    given.logging_config = _logging_config(others.pop("logging_config", None), job)
    given.memory = _memory(others.pop("_memory", None))
    return given


def _system_config(value: Any) -> dict[str, Any]:
    if value is not None and not isinstance(value, dict):
        raise TypeError(f"_system_config of init() must be a dict, but {type(value).__name__} was given.")
    return value or {}


def _warn(others: dict[str, Any], system_config: dict[str, Any]) -> None:
    ignored = []
    if system_config:
        from trygon._core.spilling import SETTINGS

        unknown = [name for name in system_config if name not in SETTINGS]
        if unknown:
            ignored.append(f"_system_config (of {', '.join(unknown)}: these are settings of Ray's own processes)")
    for name, (silent, why) in _WITHOUT_EFFECT.items():
        if name not in others:
            continue
        value = others.pop(name)
        if not any(value is quiet or (type(value) is type(quiet) and value == quiet) for quiet in silent):
            ignored.append(f"{name} ({why})")
    if ignored:
        import warnings

        warnings.warn(f"These arguments of init() have no effect: {', '.join(ignored)}.", UserWarning, stacklevel=4)


def _job_config(value: Any) -> Any:
    from_environment = os.environ.get("TRYGON_JOB_CONFIG_JSON")
    if value is None and not from_environment:
        return None
    from trygon.job_config import JobConfig

    if value is None:
        import json

        return JobConfig.from_json(json.loads(from_environment or "{}"))
    if isinstance(value, dict):
        return JobConfig.from_json(value)
    if not isinstance(value, JobConfig):
        raise TypeError(f"job_config of init() must be a JobConfig, but {type(value).__name__} was given.")
    return value


def _logging_config(value: Any, job: Any) -> Any:
    if value is None:
        value = getattr(job, "_py_logging_config", None)
    if value is None:
        return None
    from trygon._core.logging_config import LoggingConfig

    if not isinstance(value, LoggingConfig):
        raise TypeError(f"logging_config of init() must be a LoggingConfig, but {type(value).__name__} was given.")
    return value


def _memory(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"_memory of init() must be a number of bytes, but {type(value).__name__} was given.")
    if value < 0:
        raise ValueError(f"_memory of init() must be >= 0 bytes, but {value} was given.")
    return int(value)


def check_namespace(namespace: Any) -> str | None:
    """The namespace of named actors: the argument, else the environment; None for a new one."""
    if namespace is None:
        return os.environ.get("TRYGON_NAMESPACE") or None
    if not isinstance(namespace, str):
        raise TypeError(f"The namespace must be a str or None, but {type(namespace).__name__} was given.")
    if not namespace:
        raise ValueError("The namespace must not be empty; leave it out for a new one.")
    return namespace


def check_job_weight(weight: Any) -> float:
    """What the program is due where several share a node: the argument, else the environment, else 1."""
    name = "job_weight of init()"
    if weight is None:
        weight, name = os.environ.get("TRYGON_JOB_WEIGHT") or 1.0, "TRYGON_JOB_WEIGHT"
        try:
            weight = float(weight)
        except ValueError:
            raise ValueError(
                f"{name} must be a number between 0.001 and a million, but {weight!r} was given."
            ) from None
    if isinstance(weight, bool) or not isinstance(weight, (int, float)):
        raise TypeError(f"{name} must be a number, but {type(weight).__name__} was given.")
    if not 0.001 <= weight <= 1e6:
        raise ValueError(f"{name} must be between 0.001 and a million, but {weight} was given.")
    return float(weight)


def address_of(address: str | None) -> str | None:
    """The address to join: the argument, else the environment."""
    return address if address is not None else os.environ.get("TRYGON_ADDRESS") or None


def override_resources(have: dict[str, float]) -> dict[str, float]:
    """`have`, with the amounts that the environment variable `TRYGON_OVERRIDE_RESOURCES` (a JSON object) names."""
    text = os.environ.get("TRYGON_OVERRIDE_RESOURCES")
    if not text:
        return have
    import json

    try:
        named = {str(name): float(amount) for name, amount in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError):
        raise ValueError(
            f"TRYGON_OVERRIDE_RESOURCES must be a JSON object of names and amounts, but it is {text!r}."
        ) from None
    return {**have, **named}


def configure_logging(given: Given, level: int | str | None) -> None:
    """Sets the level and form of the engine's own log, and of everybody's if a LoggingConfig was given."""
    from trygon._core import logging_config

    os.environ.pop(logging_config.VARIABLE, None)
    if given.logging_config is not None:
        os.environ[logging_config.VARIABLE] = given.logging_config.to_json()
        logging_config.apply(given.logging_config)
    if not given.configure_logging or (level is None and given.logging_format is None):
        return
    import logging

    logger = logging.getLogger("trygon")
    if level is not None:
        # Raises ValueError or TypeError for what is no level.
        logger.setLevel(level.upper() if isinstance(level, str) else level)
    if given.logging_format is not None:
        for former in [handler for handler in logger.handlers if getattr(handler, "_trygon", False)]:
            logger.removeHandler(former)
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(given.logging_format))
        handler._trygon = True  # type: ignore[attr-defined]
        logger.addHandler(handler)
        logger.propagate = False
