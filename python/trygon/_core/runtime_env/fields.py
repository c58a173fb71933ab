"""The fields of a runtime environment: which there are, and what each may be. All is checked where it is written."""

from __future__ import annotations

import os
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

KNOWN = (
    "config",
    "env_vars",
    "excludes",
    "pip",
    "py_executable",
    "py_modules",
    "uv",
    "worker_process_setup_hook",
    "working_dir",
)
# Fields of Ray's that need more than one machine's Python has to offer, and what does the same here.
_UNAVAILABLE = {
    "conda": "name the packages in pip or uv, or start the program with the conda environment's interpreter",
    "container": "start the program itself inside the container",
    "image_uri": "start the program itself inside a container of that image",
    "java_jars": "Trygon has no Java workers",
    "nsight": "start the program itself under nsys with --trace-fork-before-exec=true",
    "rocprof_sys": "start the program itself under rocprof-sys",
}
# What Ray writes into an environment for itself.
_IGNORED = ("_ray_commit", "_ray_release", "_inject_current_ray")
ARCHIVES = (".zip", ".tar.gz", ".tgz", ".tar.xz")
_PIP_KEYS = ("packages", "pip_check", "pip_version", "pip_install_options")
_UV_KEYS = ("packages", "uv_check", "uv_version", "uv_pip_install_options")
DEFAULT_TIMEOUT_SECONDS = 600


def check_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields in one form, without those that are None or empty.

    TypeError and ValueError name the field and what it may be; NotImplementedError says what to use instead.
    """
    checked: dict[str, Any] = {}
    for name, value in fields.items():
        if name in _IGNORED or value is None:
            continue
        unavailable = _UNAVAILABLE.get(name.removeprefix("_") if isinstance(name, str) else name)
        if unavailable is not None:
            raise NotImplementedError(
                f"The field {name} of a runtime environment is not available in this version of Trygon: {unavailable}."
            )
        check = _CHECKS.get(name)
        if check is None:
            raise ValueError(_unknown(name))
        value = check(name, value)
        if value not in (None, [], {}):
            checked[name] = value
    if "pip" in checked and "uv" in checked:
        raise ValueError("A runtime environment cannot have both pip and uv: name all packages in one of them.")
    return checked


def _unknown(name: Any) -> str:
    from difflib import get_close_matches

    close = get_close_matches(str(name), KNOWN, 1)
    hint = f" Did you mean {close[0]}?" if close else ""
    return f"A runtime environment has no field {name!r}.{hint} Its fields are: {', '.join(KNOWN)}."


def _wrong(name: str, wanted: str, value: Any) -> TypeError:
    return TypeError(
        f"The field {name} of a runtime environment must be {wanted}, but {type(value).__name__} was given."
    )


def _env_vars(name: str, value: Any) -> dict[str, str]:
    wanted = "a dict of str to str"
    if not isinstance(value, dict):
        raise _wrong(name, wanted, value)
    for variable, text in value.items():
        for part in (variable, text):
            if not isinstance(part, str):
                raise TypeError(
                    f"The field {name} of a runtime environment must be {wanted}, but {part!r} is"
                    f" {type(part).__name__}."
                )
        if not variable or "=" in variable or "\0" in variable + text:
            raise ValueError(f"The field {name} of a runtime environment names no possible variable: {variable!r}.")
    return dict(value)


def _texts(name: str, value: Any) -> list[str]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(text, str) for text in value):
        raise _wrong(name, "a list of str", value)
    return list(value)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(name, "a str", value)
    return value


def _command(name: str, value: Any) -> str:
    import shlex

    if not shlex.split(_text(name, value)):
        raise ValueError(f"The field {name} of a runtime environment names no interpreter, but {value!r} was given.")
    return str(value)


def local_path(name: str, value: str) -> str:
    """The absolute path of a local file or folder that is there. ValueError if it is not."""
    scheme, separator, rest = value.partition("://")
    if separator and scheme == "file":
        value = rest
    elif separator:
        raise NotImplementedError(
            f"The field {name} of a runtime environment cannot be fetched from {value!r} by this version of Trygon;"
            " download it first and give its local path."
        )
    path = os.path.abspath(os.path.expanduser(value))
    if not os.path.exists(path):
        raise ValueError(f"The field {name} of a runtime environment is no path that exists: {value!r}.")
    return path


def _working_dir(name: str, value: Any) -> str:
    if not isinstance(value, (str, os.PathLike)):
        raise _wrong(name, "a str", value)
    path = local_path(name, os.fspath(value))
    if not os.path.isdir(path) and not path.endswith(ARCHIVES):
        raise ValueError(
            f"The field {name} of a runtime environment must be a folder or an archive ({', '.join(ARCHIVES)}), but"
            f" {os.fspath(value)!r} is neither."
        )
    return path


def _py_modules(name: str, value: Any) -> list[str]:
    if not isinstance(value, (list, tuple)):
        raise _wrong(name, "a list of paths or modules", value)
    return [_module_path(name, module) for module in value]


def _module_path(name: str, module: Any) -> str:
    if isinstance(module, ModuleType):
        folders = list(getattr(module, "__path__", ()))
        if len(folders) > 1:
            raise ValueError(
                f"The field {name} of a runtime environment names {module.__name__}, which lies in several folders;"
                " give their paths."
            )
        path = folders[0] if folders else getattr(module, "__file__", None)
        if path is None:
            raise ValueError(f"The module {module.__name__} in {name} has no file that could be sent to workers.")
        return local_path(name, path)
    if not isinstance(module, (str, os.PathLike)):
        raise _wrong(name, "a list of paths or modules", module)
    path = local_path(name, os.fspath(module))
    if not os.path.isdir(path) and not path.endswith((".py", ".whl", *ARCHIVES)):
        raise ValueError(
            f"The field {name} of a runtime environment takes folders, .py files, wheels and archives, but"
            f" {os.fspath(module)!r} is none of them."
        )
    return path


def _pip(name: str, value: Any) -> dict[str, Any] | None:
    return _packages(name, value, _PIP_KEYS)


def _uv(name: str, value: Any) -> dict[str, Any] | None:
    return _packages(name, value, _UV_KEYS)


def _packages(name: str, value: Any, keys: tuple[str, ...]) -> dict[str, Any] | None:
    """`{packages, <tool>_check, ...}` whatever form it was given in; None when there is nothing to install."""
    _, check_key, version_key, options_key = keys
    given = value if isinstance(value, dict) else {"packages": value}
    if "packages" not in given:
        raise ValueError(f"The field {name} of a runtime environment must have the member packages: {given!r}.")
    unknown = [key for key in given if key not in keys]
    if unknown:
        raise ValueError(
            f"The field {name} of a runtime environment has no member {unknown[0]!r}; its members are:"
            f" {', '.join(keys)}."
        )
    packages = given["packages"]
    if isinstance(packages, (str, os.PathLike)):
        packages = _requirements(name, os.fspath(packages))
    elif not isinstance(packages, (list, tuple)) or not all(isinstance(package, str) for package in packages):
        raise _wrong(name, "a list of str, the path of a requirements file, or a dict", packages)
    check = given.get(check_key, False)
    if not isinstance(check, bool):
        raise _wrong(f"{name}[{check_key!r}]", "True or False", check)
    found: dict[str, Any] = {"packages": list(packages), check_key: check}
    if given.get(version_key) is not None:
        found[version_key] = _text(f"{name}[{version_key!r}]", given[version_key])
    if given.get(options_key) is not None:
        found[options_key] = _texts(f"{name}[{options_key!r}]", given[options_key])
    return found if found["packages"] else None


def _requirements(name: str, path: str, above: tuple[str, ...] = ()) -> list[str]:
    """The lines of a requirements file, with those of the files it includes; local paths become absolute."""
    path = os.path.abspath(os.path.expanduser(path))
    if path in above:
        raise ValueError(f"The field {name} of a runtime environment names a file that includes itself: {path!r}.")
    if not os.path.isfile(path):
        raise ValueError(f"The field {name} of a runtime environment is no file that exists: {path!r}.")
    folder = os.path.dirname(path)
    lines: list[str] = []
    with open(path, encoding="utf-8", errors="replace") as file:
        joined = file.read().replace("\\\n", " ")
    for line in joined.splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        line = line.partition(" #")[0].strip()
        option, _, operand = line.replace("=", " ", 1).partition(" ") if line.startswith("-") else ("", "", line)
        operand = operand.strip()
        if option in ("-r", "--requirement"):
            lines += _requirements(name, os.path.join(folder, operand), (*above, path))
        elif option in ("-c", "--constraint", "-f", "--find-links") and "://" not in operand:
            lines.append(f"{option} {os.path.join(folder, operand)}")
        elif not option and (operand.startswith(".") or os.path.exists(os.path.join(folder, operand))):
            lines.append(os.path.abspath(os.path.join(folder, operand)))
        else:
            lines.append(line)
    return lines


def _hook(name: str, value: Any) -> Any:
    if isinstance(value, str):
        if not all(part.isidentifier() for part in value.split(".")) or "." not in value:
            raise ValueError(
                f"The field {name} of a runtime environment must be a function or its import path, as in"
                f" 'package.module.function', but {value!r} was given."
            )
    elif not callable(value):
        raise _wrong(name, "a function or its import path", value)
    return value


def _config(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(name, "a dict or a RuntimeEnvConfig", value)
    members = ("setup_timeout_seconds", "eager_install", "log_files")
    unknown = [key for key in value if key not in members]
    if unknown:
        raise ValueError(
            f"The field {name} of a runtime environment has no member {unknown[0]!r}; its members are:"
            f" {', '.join(members)}."
        )
    seconds = value.get("setup_timeout_seconds", DEFAULT_TIMEOUT_SECONDS)
    if isinstance(seconds, bool) or not isinstance(seconds, int):
        raise _wrong("config['setup_timeout_seconds']", "an int", seconds)
    if seconds <= 0 and seconds != -1:
        raise ValueError(f"setup_timeout_seconds must be above zero, or -1 for no limit, but {seconds} was given.")
    eager = value.get("eager_install", True)
    if not isinstance(eager, bool):
        raise _wrong("config['eager_install']", "True or False", eager)
    log_files = _texts("config['log_files']", value.get("log_files") or [])
    return {"setup_timeout_seconds": seconds, "eager_install": eager, "log_files": log_files}


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "config": _config,
    "env_vars": _env_vars,
    "excludes": _texts,
    "pip": _pip,
    "py_executable": _command,
    "py_modules": _py_modules,
    "uv": _uv,
    "worker_process_setup_hook": _hook,
    "working_dir": _working_dir,
}
