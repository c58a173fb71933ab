"""What holds for a whole job: its metadata, namespace and runtime environment."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

_LIFETIMES = ("non_detached", "detached")


class JobConfig:
    """Given to `init(job_config=...)`.

    `runtime_env` and `ray_namespace` stand for the arguments `runtime_env` and `namespace` of `init`;
    `code_search_path` lists folders that workers import from; `default_actor_lifetime` is "non_detached" or
    "detached". `jvm_options` is for Java, which Trygon does not run: it must be empty.
    """

    def __init__(
        self,
        jvm_options: list[str] | None = None,
        code_search_path: list[str] | None = None,
        runtime_env: dict[str, Any] | None = None,
        _client_job: bool = False,
        metadata: dict[str, str] | None = None,
        ray_namespace: str | None = None,
        default_actor_lifetime: str = "non_detached",
        _disable_job_level_lineage_reconstruction: bool = False,
        _py_driver_sys_path: list[str] | None = None,
    ) -> None:
        if isinstance(code_search_path, str):
            raise TypeError("code_search_path of JobConfig must be a list of str, but a str was given.")
        if jvm_options:
            raise NotImplementedError("jvm_options of JobConfig is for Java, which Trygon does not run; leave it out.")
        self.jvm_options = list(jvm_options or ())
        self.code_search_path = list(code_search_path or ())
        self.runtime_env: dict[str, Any] = {}
        self.metadata: dict[str, str] = {}
        self.ray_namespace = ray_namespace
        self.default_actor_lifetime = "non_detached"
        self.py_driver_sys_path = list(_py_driver_sys_path or ())
        self.set_runtime_env(runtime_env)
        self.set_default_actor_lifetime(default_actor_lifetime)
        for key, value in (metadata or {}).items():
            self.set_metadata(key, value)

    def set_metadata(self, key: str, value: str) -> None:
        """Adds one entry; both must be str."""
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"metadata of JobConfig maps str to str, but {key!r}: {value!r} was given.")
        self.metadata[key] = value

    def set_runtime_env(self, runtime_env: dict[str, Any] | None, validate: bool = False) -> None:
        """The environment of every task and actor."""
        self.runtime_env = {} if runtime_env is None else dict(runtime_env)

    def set_py_logging_config(self, logging_config: Any = None) -> None:
        """How the program and its workers log; see `trygon.LoggingConfig`."""
        self._py_logging_config = logging_config

    def set_ray_namespace(self, ray_namespace: str) -> None:
        """The namespace of named actors."""
        self.ray_namespace = ray_namespace

    def set_default_actor_lifetime(self, default_actor_lifetime: str) -> None:
        """ "non_detached" or "detached"."""
        if default_actor_lifetime not in _LIFETIMES:
            raise ValueError(
                f"default_actor_lifetime of JobConfig must be one of {', '.join(_LIFETIMES)}, but"
                f" {default_actor_lifetime!r} was given."
            )
        self.default_actor_lifetime = default_actor_lifetime

    @classmethod
    def from_json(cls, job_config_json: dict[str, Any]) -> Self:
        """The configuration that a dict of JSON describes."""
        return cls(
            jvm_options=job_config_json.get("jvm_options"),
            code_search_path=job_config_json.get("code_search_path"),
            runtime_env=job_config_json.get("runtime_env"),
            metadata=job_config_json.get("metadata"),
            ray_namespace=job_config_json.get("ray_namespace"),
            default_actor_lifetime=job_config_json.get("default_actor_lifetime") or "non_detached",
        )


__all__ = ["JobConfig"]
