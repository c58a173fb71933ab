"""The first half of a zygote's life in an environment of its own: what has to be there before workers are forked.

It runs no code of the job: packages are installed by programs of their own, and where the environment needs another
interpreter, or variables that a process must be started with, this one becomes it.
"""

from __future__ import annotations

import json
import os
import re
import sys

from trygon import _native
from trygon._core.runtime_env.fields import DEFAULT_TIMEOUT_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trygon._core.runtime_env.commands import Commands

_DESCRIPTION_FD_VARIABLE = "TRYGON_ENVIRONMENT_FD"
# What programs look at when they start, before Python can set it.
_EARLY_PREFIXES = ("LD_", "MALLOC_", "GLIBC_")
_UNKNOWN_VARIABLE = re.compile(r"\$\{[A-Za-z0-9_]+\}")


def prepare(control_fd: int) -> dict[str, Any]:
    """The description of this zygote's environment, once it is prepared. Does not return when it cannot be."""
    kept = os.environ.pop(_DESCRIPTION_FD_VARIABLE, None)
    if kept is not None:
        # The environment is prepared, and this is the interpreter that it needed.
        with os.fdopen(int(kept), "rb") as file:
            described: dict[str, Any] = json.loads(file.read())
        return described
    received = _native.zygote_receive_environment(control_fd)
    if received is None:
        sys.exit(0)
    try:
        return _prepare(control_fd, json.loads(received))
    except SystemExit:
        raise
    except BaseException as error:
        _native.zygote_send_report(control_fd, _message(error), True)
        sys.exit(0)


def _prepare(control_fd: int, described: dict[str, Any]) -> dict[str, Any]:
    # What is found or made on this node is no part of what environments of tasks begun here are made from.
    prepared = described["here"] = dict(described["prepared"])
    _fetch_code(control_fd, prepared)
    command, search_path = [sys.executable], list(sys.path)
    if "packages" in prepared:
        from trygon._core.runtime_env import installer

        commands = _commands(control_fd, prepared)
        folder = installer.virtual_environment(prepared["packages"], search_path, commands.run, commands.wait)
        prepared["virtual_environment"] = folder
        # A virtual environment of this very interpreter differs by its name and its search path: nothing is started
        # anew.
        command = [installer.python_of(folder)]
        sys.executable = command[0]
        search_path = sys.path[:] = _with_site(search_path, installer.site_of(folder))
    if "py_executable" in prepared:
        command = _other_interpreter(_commands(control_fd, prepared), prepared)
    is_early = _set_variables(prepared.get("env_vars") or {})
    if is_early or command != [sys.executable]:
        _become(command, search_path, described)
    return described


def _fetch_code(control_fd: int, prepared: dict[str, Any]) -> None:
    """Names of code that the job has shipped become folders of this node."""
    modules = prepared.get("py_modules") or []
    names = {name for name in (prepared.get("working_dir"), *modules) if name and not os.path.isabs(name)}
    if not names:
        return
    from trygon._core.runtime_env.shipping import fetch

    commands = _commands(control_fd, prepared)
    directory = os.environ["TRYGON_JOB_DIRECTORY"]
    here = {name: fetch(name, directory, commands.look_up, commands.wait) for name in sorted(names)}
    if "working_dir" in prepared:
        prepared["working_dir"] = here.get(prepared["working_dir"], prepared["working_dir"])
    if "py_modules" in prepared:
        prepared["py_modules"] = [here.get(name, name) for name in modules]


def _commands(control_fd: int, prepared: dict[str, Any]) -> Commands:
    from trygon._core.runtime_env.commands import Commands

    def report(message: str) -> None:
        _native.zygote_send_report(control_fd, message, False)

    return Commands(control_fd, prepared.get("timeout_s", DEFAULT_TIMEOUT_SECONDS), report)


def _with_site(search_path: list[str], site: str) -> list[str]:
    """The environment's packages come before those that it inherits, and after the program's own modules."""
    is_site = [path.rstrip("/").endswith(("site-packages", "dist-packages")) for path in search_path]
    position = is_site.index(True) if True in is_site else len(search_path)
    return [*search_path[:position], site, *search_path[position:]]


def _other_interpreter(commands: Commands, prepared: dict[str, Any]) -> list[str]:
    """The command that starts the interpreter, which is asked first who it is: with the time limit, and before anything
    waits for it.
    """
    import shlex

    from trygon._core.runtime_env.commands import SetupError

    words = [os.path.expanduser(word) for word in shlex.split(_expanded(prepared["py_executable"]))]
    if os.path.basename(words[0]) == "uv" and "run" in words:
        words.append("python")
    mark = "trygon-interpreter:"
    question = f"import sys; print({mark!r} + '%d.%d' % sys.version_info[:2])"
    where = prepared.get("working_dir")
    if where is not None:
        os.chdir(where)
    answer = commands.run(f"starting {prepared['py_executable']}", [*words, "-c", question])
    found = [line.removeprefix(mark) for line in answer.splitlines() if line.startswith(mark)]
    if not found:
        raise SetupError(f"py_executable={prepared['py_executable']!r} is no Python interpreter")
    own_version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if found[-1] != own_version:
        raise SetupError(
            f"py_executable={prepared['py_executable']!r} is Python {found[-1]}, and the driver is {own_version};"
            " functions and values cannot be exchanged between the two"
        )
    return words


def _set_variables(variables: dict[str, str]) -> bool:
    """Sets the variables, each with those before it filled in; True if one must be there when a process starts."""
    for name, value in variables.items():
        os.environ[name] = _expanded(value)
    return any(name.startswith(_EARLY_PREFIXES) for name in variables)


def _expanded(value: str) -> str:
    """`$X` and `${X}` filled in; `${X}` is nothing when there is no X."""
    return _UNKNOWN_VARIABLE.sub("", os.path.expandvars(value))


def _become(command: list[str], search_path: list[str], described: dict[str, Any]) -> None:
    """Starts this zygote anew in another interpreter, which finds the description and the socket where they are."""
    memory = os.memfd_create("environment", 0)
    os.write(memory, json.dumps(described).encode())
    os.lseek(memory, 0, os.SEEK_SET)
    # Another interpreter has packages of its own, which come first; this one's are on the search path already.
    is_other = command != [sys.executable]
    own = "[path for path in sys.path if path]" if is_other else "[]"
    program = (
        f"import os, sys\nown = {own}\npassed = os.environ.pop('TRYGON_SYS_PATH').split('\\n')\n"
        "sys.path[:] = own + [path for path in passed if path not in own]\n"
        "from trygon._core.zygote import main\nmain(0)\n"
    )
    options = ["-I", "-c"] if is_other else ["-I", "-S", "-c"]
    environment = {
        **os.environ,
        "TRYGON_SYS_PATH": "\n".join(search_path),
        "TRYGON_PREPARES_ENVIRONMENT": "1",
        _DESCRIPTION_FD_VARIABLE: str(memory),
    }
    os.execvpe(command[0], [*command, *options, program], environment)


def _message(error: BaseException) -> str:
    from trygon._core.runtime_env.commands import SetupError

    return str(error) if isinstance(error, SetupError) else f"{type(error).__name__}: {error}"
