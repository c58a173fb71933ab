"""`RuntimeEnv` and `RuntimeEnvConfig`: dicts whose members are checked when they are set."""

from __future__ import annotations

from trygon._core.runtime_env.fields import DEFAULT_TIMEOUT_SECONDS, check_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType
    from typing import Any


class RuntimeEnvConfig(dict[str, "Any"]):
    """How an environment is made: `setup_timeout_seconds` (-1 for no limit), `eager_install`, `log_files`."""

    def __init__(
        self,
        setup_timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS,
        eager_install: bool = True,
        log_files: list[str] | None = None,
    ) -> None:
        given = {
            "setup_timeout_seconds": setup_timeout_seconds,
            "eager_install": eager_install,
            "log_files": log_files or [],
        }
        super().__init__(check_fields({"config": given})["config"])

    def to_dict(self) -> dict[str, Any]:
        """As a plain dict."""
        return dict(self)

    @classmethod
    def parse_and_validate_runtime_env_config(
        cls, config: RuntimeEnvConfig | Mapping[str, Any] | None
    ) -> RuntimeEnvConfig | None:
        """A config from a dict; None from None. TypeError and ValueError name the member."""
        if config is None or isinstance(config, RuntimeEnvConfig):
            return config
        return cls(**check_fields({"config": config})["config"])


class RuntimeEnv(dict[str, "Any"]):
    """What workers are to find; a plain dict of the same members does as well wherever one is taken.

    TypeError and ValueError name the field and what it may be; NotImplementedError says what to use instead.
    """

    def __init__(
        self,
        *,
        py_modules: list[str | ModuleType] | None = None,
        py_executable: str | None = None,
        working_dir: str | None = None,
        pip: list[str] | str | dict[str, Any] | None = None,
        conda: Any = None,
        container: Any = None,
        env_vars: dict[str, str] | None = None,
        worker_process_setup_hook: Callable[[], Any] | str | None = None,
        nsight: Any = None,
        rocprof_sys: Any = None,
        config: RuntimeEnvConfig | dict[str, Any] | None = None,
        _validate: bool = True,
        image_uri: str | None = None,
        uv: list[str] | str | dict[str, Any] | None = None,
        **others: Any,
    ) -> None:
        given: dict[str, Any] = {
            "py_modules": py_modules,
            "py_executable": py_executable,
            "working_dir": working_dir,
            "pip": pip,
            "conda": conda,
            "container": container,
            "env_vars": env_vars,
            "worker_process_setup_hook": worker_process_setup_hook,
            "nsight": nsight,
            "rocprof_sys": rocprof_sys,
            "config": config,
            "image_uri": image_uri,
            "uv": uv,
            **others,
        }
        given = {name: value for name, value in given.items() if value is not None}
        super().__init__(_shown(check_fields(given), given) if _validate else given)

    def __setitem__(self, name: str, value: Any) -> None:
        checked = _shown(check_fields({name: value}), {name: value})
        if name in checked:
            super().__setitem__(name, checked[name])

    def __reduce__(self) -> Any:
        # What was checked once is not checked again elsewhere, where its paths may not be.
        return _unchecked, (dict(self),)

    def set(self, name: str, value: Any) -> None:
        """As `env[name] = value`."""
        self[name] = value

    def to_dict(self) -> dict[str, Any]:
        """As a plain dict."""
        from copy import deepcopy

        return {name: value if callable(value) else deepcopy(value) for name, value in self.items()}

    def serialize(self) -> str:
        """As JSON; a set-up hook that is a function is named only."""
        import json

        return json.dumps(as_json(self), sort_keys=True)

    @classmethod
    def deserialize(cls, serialized_runtime_env: str) -> RuntimeEnv:
        """The environment that was serialized; nothing is checked."""
        import json

        return cls(_validate=False, **json.loads(serialized_runtime_env))

    def has_working_dir(self) -> bool:
        """Whether it has a working directory."""
        return self.get("working_dir") is not None

    def env_vars(self) -> dict[str, str]:
        """Its variables."""
        return dict(self.get("env_vars") or {})


def _unchecked(fields: dict[str, Any]) -> RuntimeEnv:
    return RuntimeEnv(_validate=False, **fields)


def _shown(checked: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What was checked, with paths as they were written."""
    return {name: given[name] if name in ("working_dir", "py_modules") else value for name, value in checked.items()}


def as_json(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with names in the place of functions and modules."""

    def plain(value: Any) -> Any:
        if isinstance(value, (str, bool, int, float)) or value is None:
            return value
        if isinstance(value, dict):
            return {name: plain(member) for name, member in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(member) for member in value]
        name = getattr(value, "__name__", None)
        return name if isinstance(name, str) else str(value)

    return {name: plain(value) for name, value in fields.items()}
