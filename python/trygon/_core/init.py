"""`init` and `shutdown`: a program's engine is its own and ends with it, or a node's that stays."""

from __future__ import annotations

import atexit
import os
import sys
from _thread import RLock

from trygon import _native
from trygon._core import init_arguments, machine
from trygon._core.context import Context
from trygon._core.options import check_init_labels, check_resources, check_runtime_env
from trygon._core.runtime_env.job_directory import new_path
from trygon._core.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MEBIBYTE = 2**20
_LEAST_STORE_BYTES = 75 * 10**6
_STORE_SHARE = 0.3
_IDLE_WORKER_MS = 10_000
_LARGEST_STORE_BYTES = 200 * 10**9

# Ray's further arguments that would change what a program means, with the values that mean what Trygon does anyway. The
# harmless ones are in `init_arguments`.
_OTHER_ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "enable_resource_isolation": (False,),
    "cgroup_path": (None, "/sys/fs/cgroup"),
    "system_reserved_cpu": (None,),
    "system_reserved_memory": (None,),
}

_context: Context | None = None
_driver_pid = 0
_job_directory = ""
# The folder of the node that this program uses; empty for an engine of its own.
_session_folder = ""


# Several threads may use the engine first at the same time: one starts it.
_starting = RLock()


def init(
    address: str | None = None,
    *,
    num_cpus: float | None = None,
    num_gpus: float | None = None,
    resources: dict[str, float] | None = None,
    labels: dict[str, str] | None = None,
    object_store_memory: int | None = None,
    local_mode: bool = False,
    ignore_reinit_error: bool = False,
    logging_level: int | str | None = None,
    log_to_driver: bool | None = None,
    namespace: str | None = None,
    runtime_env: dict[str, Any] | None = None,
    mode: str | None = None,
    job_weight: float | None = None,
    **others: Any,
) -> Context:
    """Starts the engine on this machine, or connects to a node that runs; what it started ends with the program, or
    with `shutdown()`.

    `address` is `"local"` for an engine of its own, `"auto"` for a node that `trygon start` started on this machine,
    `host:port` for the cluster with that head, or None: what `TRYGON_ADDRESS` says, else a running node if there is
    one, else an engine of its own. A node has what it was started with: to name `num_cpus`, `num_gpus`,
    `resources`, `labels` or `object_store_memory` for one raises ValueError. ConnectionError: there is no such node.

    `job_weight` (1 if not given, 0.001 to a million) says how much of a node this program gets while others that share
    it want more than there is: twice the weight, twice as much. ValueError: it is not between these.

    Without arguments an engine of its own takes the CPUs and GPUs that this process may use and 30 % of the memory
    for objects. `num_cpus` may be more than there are. The first use of the engine calls this by itself. Of Ray's
    other arguments, those without a counterpart on one machine are accepted with one warning, and those that would
    change what the program means are refused by name. With `mode="inline"` nothing is started: tasks and actors run
    in this process, with the same meaning, for tests and debugging.
    """
    _read_ray_environment()
    given = init_arguments.take(others)
    _refuse_others(local_mode, others)
    if mode not in (None, "inline"):
        raise ValueError(f'mode of init() must be None or "inline", but {mode!r} was given.')
    with _starting:
        if _native.is_initialized():
            return _initialized_already(ignore_reinit_error)
        weight = init_arguments.check_job_weight(job_weight)
        given.namespace = init_arguments.check_namespace(namespace if namespace is not None else given.namespace)
        init_arguments.configure_logging(given, logging_level)
        session = _session(address, mode)
        if session is not None:
            _refuse_resources(session, num_cpus, num_gpus, resources, labels, object_store_memory, given.memory)
            _refuse_spilling(session, given.spill)
            runtime_env = given.runtime_env if runtime_env is None else runtime_env
            return _start_with({**_driver(session), "job_weight": weight}, log_to_driver, runtime_env, given, mode)
        config = _configuration(num_cpus, num_gpus, resources, object_store_memory, given.memory, mode == "inline")
        config["labels"] = check_init_labels(labels)
        if given.spill is not None:
            config["spill"] = given.spill
        runtime_env = given.runtime_env if runtime_env is None else runtime_env
        return _start_with(config, log_to_driver, runtime_env, given, mode)


def _start_with(
    config: dict[str, Any],
    log_to_driver: bool | None,
    runtime_env: dict[str, Any] | None,
    given: init_arguments.Given,
    mode: str | None,
) -> Context:
    config["namespace"] = given.namespace or _anonymous_namespace()
    config["sys_path"] = [*config["sys_path"], *given.code_search_path]
    config["log_to_driver"] = _wants_logs() if log_to_driver is None else bool(log_to_driver)
    check_runtime_env("runtime_env", runtime_env)
    if mode == "inline":
        return _start_inline(runtime_env, config)
    return _start_in(runtime_env, config) if runtime_env else _start(config)


def _start_inline(runtime_env: dict[str, Any] | None, config: dict[str, Any]) -> Context:
    """Starts nothing: everything runs in this process."""
    from trygon._core import inline

    if runtime_env:
        import logging

        logging.getLogger("trygon").warning(
            'runtime_env has no effect with mode="inline": tasks run in this process, as it is.'
        )
    # What tasks print is printed here anyway.
    config["log_to_driver"] = False
    return _started(config, inline.start(config))


def _start_in(runtime_env: dict[str, Any], config: dict[str, Any]) -> Context:
    """Starts with a runtime environment for the whole job."""
    from trygon._core.runtime_env import job_directory, prepare, state

    try:
        is_shared = bool(config.get("session_folder"))
        key, encoded, described = prepare.prepare_job(runtime_env, config["job_directory"], is_shared=is_shared)
        if described["fields"]:
            config["environment"], config["environment_description"] = key, encoded
            state.current = described
        context = _start(config)
        if is_shared:
            # Before anything can be asked of another node.
            try:
                prepare.ship_job(described["fields"], described["prepared"], config["job_directory"])
            except BaseException:
                shutdown()
                raise
        return context
    except BaseException:
        state.current = None
        job_directory.remove(config["job_directory"])
        raise


def _read_ray_environment() -> None:
    """Where Trygon stands in for Ray, Ray's variables count; the program may have set them after its imports."""
    compat = sys.modules.get("trygon.compat.environment")
    if compat is not None:
        compat.apply()


def _start(config: dict[str, Any]) -> Context:
    global _job_directory, _session_folder
    # In a node that stays, the job may outlive this program.
    _session_folder = config.get("session_folder", "")
    _job_directory = "" if _session_folder else config["job_directory"]
    return _started(config, _start_daemon(config))


def _started(config: dict[str, Any], info: dict[str, Any]) -> Context:
    global _context, _driver_pid
    _driver_pid = os.getpid()
    store = config.get("object_store_memory_bytes", info["resources"].get("object_store_memory", 0))
    described = {**info, "namespace": config["namespace"], "object_store_memory": int(store)}
    if config.get("session_folder"):
        described.update(cluster_address=config["cluster_address"], session_dir=config["session_folder"])
    _context = Context(described)
    if config["log_to_driver"]:
        from trygon._core import logs

        logs.start()
    return _context


def _start_daemon(config: dict[str, Any]) -> dict[str, Any]:
    """Starts or finds the daemon; its workers learn whether this program has a terminal for their debuggers."""
    if not config["log_to_driver"] or sys.stdin is None or sys.stdin.closed or not sys.stdin.isatty():
        return _connect(config)
    from trygon._core.debugger import TERMINAL_VARIABLE, driver

    if not driver.can_lend():
        return _connect(config)
    driver.install()
    os.environ[TERMINAL_VARIABLE] = "1"
    try:
        return _connect(config)
    finally:
        del os.environ[TERMINAL_VARIABLE]


def _connect(config: dict[str, Any]) -> dict[str, Any]:
    folder = config.get("session_folder")
    if not folder:
        return _native.start(config)
    own = (
        "TRYGON_ADDRESS",
        "TRYGON_BINARY",
        "TRYGON_DRIVER_ELSEWHERE",
        "TRYGON_JOB_DIRECTORY",
        "TRYGON_JOB_MARK",
        "TRYGON_PYTHON",
        "TRYGON_SYS_PATH",
    )
    config["variables"] = {
        name: value for name, value in os.environ.items() if name.startswith("TRYGON_") and name not in own
    }
    try:
        return _native.attach(os.path.join(folder, "node.sock"), config)
    except Exception as error:
        _, found, mismatch = str(error).partition("Version mismatch")
        if found:
            raise RuntimeError((found + mismatch).strip()) from None
        raise


def _session(address: str | None, mode: str | None) -> Any:
    """The node to use; None to start an engine in this program."""
    address = init_arguments.address_of(address)
    if address == "local" or (address is None and mode == "inline"):
        return None
    from trygon._core import sessions

    session = sessions.find(address)
    if session is not None and mode == "inline":
        raise ValueError(
            'mode="inline" runs everything in this process; leave the address out, and TRYGON_ADDRESS unset.'
        )
    return session


def _refuse_resources(session: Any, cpus: Any, gpus: Any, resources: Any, labels: Any, store: Any, memory: Any) -> None:
    given = {
        "num_cpus": cpus,
        "num_gpus": gpus,
        "resources": resources,
        "labels": labels,
        "object_store_memory": store,
        "_memory": memory,
    }
    named = [name for name, value in given.items() if value is not None]
    if named:
        raise ValueError(
            f"When connecting to a running cluster, {', '.join(named)} must not be given: the node at {session.address}"
            " has what it was started with. Give them to `trygon start`, or start an engine in this program with"
            ' init(address="local").'
        )


def _refuse_spilling(session: Any, spill: dict[str, Any] | None) -> None:
    if spill is not None:
        raise ValueError(
            "When connecting to a running cluster, object_spilling_directory and the settings of spilling in"
            f" _system_config must not be given: the node at {session.address} has what it was started with."
        )


def _driver(session: Any) -> dict[str, Any]:
    """What the daemon of a node is told of this program."""
    return {
        **_program(),
        "session_folder": session.folder,
        "cluster_address": session.address,
        "job_directory": new_path(os.path.join(session.folder, "jobs"), session.daemon_pid),
    }


def _program() -> dict[str, Any]:
    return {
        "package_version": VERSION,
        "python_version": sys.version.split()[0],
        "python_executable": sys.executable,
        "sys_path": _search_path(),
        "driver_pid": os.getpid(),
        "argv": [str(argument) for argument in getattr(sys, "argv", [])],
        "working_directory": _working_directory(),
        "environment": b"",
        "environment_description": b"",
    }


def _refuse_others(local_mode: bool, others: dict[str, Any]) -> None:
    if local_mode:
        raise RuntimeError(
            'local_mode does not exist any more, in Ray neither; trygon.init(mode="inline") runs everything in this'
            " process, for tests and debugging."
        )
    for name, value in others.items():
        if name not in _OTHER_ARGUMENTS:
            raise RuntimeError(f"init() has no argument {name}." + _close_name(name))
        if not any(
            value is default or (type(value) is type(default) and value == default)
            for default in _OTHER_ARGUMENTS[name]
        ):
            raise NotImplementedError(
                f"init({name}={value!r}) is not supported by this version of Trygon; leave it out."
            )


def _close_name(name: str) -> str:
    from difflib import get_close_matches

    own = [
        *init_arguments.TAKEN[:4],
        "num_cpus",
        "num_gpus",
        "resources",
        "labels",
        "object_store_memory",
        "namespace",
        "runtime_env",
        "ignore_reinit_error",
        "log_to_driver",
        "logging_level",
        "mode",
        "job_weight",
    ]
    close = get_close_matches(name, own, 1)
    return f" Did you mean {close[0]}?" if close else f" Its arguments are: address, {', '.join(own)}."


def _initialized_already(ignore: bool) -> Context:
    if not ignore:
        raise RuntimeError(
            "Trygon is started already; call trygon.shutdown() first, or pass ignore_reinit_error=True to go on with"
            " what runs."
        )
    global _context
    if _context is None:
        _context = Context(_native.context())
    return _context


def _configuration(
    num_cpus: Any, num_gpus: Any, resources: Any, object_store_memory: Any, task_memory: int | None, is_inline: bool
) -> dict[str, Any]:
    check_resources("resources", resources)
    cpus = _count("num_cpus", num_cpus, machine.cpu_count)
    gpus = _count("num_gpus", num_gpus, machine.gpu_count)
    memory = machine.memory_bytes()
    store = _store_bytes(object_store_memory, memory)
    have = {
        "CPU": cpus,
        "GPU": gpus,
        "memory": float(max(memory - store, 0) if task_memory is None else task_memory),
        "object_store_memory": float(store),
        # A task that asks for a little of these runs on this node, or on the one that the program began with.
        "node:127.0.0.1": 1.0,
        "node:__internal_head__": 1.0,
        **_accelerators(gpus),
        **(resources or {}),
    }
    have = init_arguments.override_resources(have)
    cpus = have["CPU"]
    return {
        **_program(),
        "binary": "" if is_inline else _binary(),
        "resources": {name: float(amount) for name, amount in have.items() if amount},
        "object_store_memory_bytes": store,
        "prestart_workers": max(0, min(int(cpus), os.cpu_count() or 1)),
        "idle_worker_ms": int(os.environ.get("TRYGON_IDLE_WORKER_MS", _IDLE_WORKER_MS)),
        "max_workers": 0,
        "job_directory": new_path(),
    }


def _accelerators(gpus: float) -> dict[str, float]:
    kind = machine.gpu_type() if gpus else ""
    return {f"accelerator_type:{kind}": 1.0} if kind else {}


def _count(name: str, value: Any, default: Any) -> float:
    if value is None:
        return float(default())
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} of init() must be a number, but {type(value).__name__} was given.")
    if not 0 <= value < 1e6:
        raise ValueError(f"{name} of init() must be between 0 and a million, but {value} was given.")
    return float(value)


def _store_bytes(value: Any, memory: int) -> int:
    if value is None:
        return max(_LEAST_STORE_BYTES, min(int(memory * _STORE_SHARE), _LARGEST_STORE_BYTES))
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(
            f"object_store_memory of init() must be a number of bytes, but {type(value).__name__} was given."
        )
    if value < _LEAST_STORE_BYTES:
        raise ValueError(
            f"object_store_memory of init() must be at least {_LEAST_STORE_BYTES} bytes (75 MB), but {value} was given."
        )
    return int(value)


def _binary() -> str:
    override = os.environ.get("TRYGON_BINARY")
    path = override or os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "_bin", "trygon")
    if not os.path.isfile(path):
        where = "which TRYGON_BINARY names" if override else "which belongs to the package"
        raise RuntimeError(
            f"The program {path}, {where}, is not there; install the package again (pip install --force-reinstall"
            " trygon)."
        )
    return path


def _search_path() -> list[str]:
    """`sys.path` as workers need it: they may have another current folder."""
    return [os.path.abspath(entry) for entry in sys.path if isinstance(entry, str)]


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""  # It was removed.


def _anonymous_namespace() -> str:
    random = os.urandom(16).hex()
    return f"{random[:8]}-{random[8:12]}-{random[12:16]}-{random[16:20]}-{random[20:]}"


def _wants_logs() -> bool:
    return os.environ.get("TRYGON_LOG_TO_DRIVER", "1") not in ("0", "false", "False")


def auto_init() -> None:
    """Hook `auto_init`: the first use of the engine starts it."""
    _read_ray_environment()
    if os.environ.get("TRYGON_ENABLE_AUTO_CONNECT", "1") in ("0", "false", "False"):
        from trygon._core.system_errors import system_error

        raise system_error("not_initialized", {})
    # Another thread may have been first.
    init(ignore_reinit_error=True)


def shutdown(*, wait_for_processes: bool = False, _exiting_interpreter: bool = False) -> None:
    """Ends the engine and everything it started; `init()` can start it again. Does nothing when it does not run.

    On a node that stays, only what belongs to this program ends; detached actors and the node go on.
    """
    global _context, _session_folder
    if not _native.is_initialized() or os.getpid() != _driver_pid or _native.context()["mode"] != "driver":
        # In a worker, or in a child that the driver forked, the engine is not this process's to end.
        return
    _context = None
    state: Any = sys.modules.get("trygon._core.runtime_env.state")
    if state is not None:
        state.current = None
    for name, end in (
        ("util.collective.collective", "leave_all"),
        ("_core.object_ref", "end_futures"),
        ("_core.logs", "flush"),
        ("_core.metrics", "end"),
        ("_core.debugger.driver", "remove"),
    ):
        module = sys.modules.get(f"trygon.{name}")
        if module is not None:
            getattr(module, end)()
    inline = sys.modules.get("trygon._core.inline")
    if inline is not None and inline.end():
        return
    last_lines = _native.shutdown()
    _session_folder = ""
    if _job_directory and os.path.isdir(_job_directory):
        # The daemon was killed, or there was more to remove than it had time for.
        from trygon._core.runtime_env import job_directory

        job_directory.remove(_job_directory)
    logs = sys.modules.get("trygon._core.logs")
    if logs is not None:
        logs.end(last_lines)


def is_initialized() -> bool:
    """Whether the engine runs in this process."""
    return _native.is_initialized()


atexit.register(shutdown, _exiting_interpreter=True)
