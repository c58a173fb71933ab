"""The zygote: a warm interpreter from which the daemon has workers forked.

It has one thread, asserted before each fork, because a thread that holds a lock while another forks leaves that lock
held
for ever in the child. It never runs or unpickles anything of a job. It imports what every worker needs and nothing that
workers may do without, since each import costs start-up time and memory.
"""

from __future__ import annotations

import builtins
import gc
import os
import signal
import sys
from importlib import import_module
from typing import NoReturn

from trygon import _native

_THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
# Imported beforehand when the daemon's environment asks for it: comma-separated module names.
_PRELOAD_VARIABLE = "TRYGON_PRELOAD"
# Set when the daemon sends the description of an environment first.
_ENVIRONMENT_VARIABLE = "TRYGON_PREPARES_ENVIRONMENT"
# Holds a worker's number.
_MARK_VARIABLE = "TRYGON_WORKER_MARK"
# What is written there is added to how likely the kernel ends a worker when memory runs out: 0 to 1000.
_SCORE_VARIABLE = "TRYGON_WORKER_OOM_SCORE_ADJUSTMENT"
# Where a worker finds its control socket: the first descriptor after the standard ones.
_CONTROL = 3


def main(control_fd: int) -> None:
    """Warms up, then forks one worker for each request until the daemon closes the socket."""
    environment = None
    if os.environ.pop(_ENVIRONMENT_VARIABLE, None):
        environment = import_module("trygon._core.runtime_env.setup").prepare(control_fd)
    control_fd = _keep_control(control_fd)
    _complete_interpreter()
    # Whoever started the daemon may have blocked signals in the thread that did so, and the mask outlives every fork
    # and exec.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    # Ctrl-C reaches every process of the terminal; what it means is the driver's to decide.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    run = _preload()
    if environment is not None:
        run = import_module("trygon._core.runtime_env.enter").entered(environment, run)
    gc.collect()
    gc.freeze()
    # Said before it is ready, so that the driver is told instead of waiting for workers that never come.
    _assert_single_thread()
    _native.zygote_send_ready(control_fd)
    while (request := _native.zygote_receive(control_fd)) is not None:
        number, descriptors = request
        _fork_worker(control_fd, number, descriptors, run)


def _keep_control(control_fd: int) -> int:
    """Moves the control socket away from the standard descriptors, which workers use for what they read and print."""
    import fcntl

    kept = fcntl.fcntl(control_fd, fcntl.F_DUPFD_CLOEXEC, 10)
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(null, 0)
    os.close(null)
    return kept


def _complete_interpreter() -> None:
    """Does what `site` would have done and programs rely on: `exit`, `quit`, and the prefix of a virtual
    environment."""
    import _sitebuiltins

    builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D (i.e. EOF)")
    builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D (i.e. EOF)")
    prefix = os.path.dirname(os.path.dirname(os.path.abspath(sys.executable)))
    if os.path.exists(os.path.join(prefix, "pyvenv.cfg")):
        sys.prefix = sys.exec_prefix = prefix


def _preload() -> object:
    """Imports what workers need; returns the function that a worker runs."""
    import_module("cloudpickle")
    # Numeric libraries start threads when they are imported; a zygote must have one.
    limited = [name for name in _THREAD_VARIABLES if name not in os.environ]
    os.environ.update(dict.fromkeys(limited, "1"))
    for name in filter(None, os.environ.get(_PRELOAD_VARIABLE, "").split(",")):
        import_module(name.strip())
    for name in limited:
        del os.environ[name]
    return import_module("trygon._core.worker_main").run


def _assert_single_thread() -> None:
    threads = os.listdir("/proc/self/task")
    if len(threads) != 1:
        names = []
        for thread in threads:
            with open(f"/proc/self/task/{thread}/comm", encoding="utf-8", errors="replace") as comm:
                names.append(comm.read().strip())
        raise RuntimeError(
            f"the zygote has {len(threads)} threads ({', '.join(names)}); a preloaded module started some. "
            f"Remove it from {_PRELOAD_VARIABLE}."
        )


def _fork_worker(control_fd: int, number: int, descriptors: list[int], run: object) -> None:
    """Forks twice, so that the worker becomes the daemon's child and the daemon learns how it ends."""
    _assert_single_thread()
    intermediate = os.fork()
    if intermediate == 0:
        code = 1
        try:
            worker = os.fork()
            if worker == 0:
                _become_worker(number, descriptors, run)
            _native.zygote_send_forked(control_fd, number, worker)
            code = 0
        finally:
            os._exit(code)
    for descriptor in descriptors:
        os.close(descriptor)
    os.waitpid(intermediate, 0)


def _become_worker(number: int, descriptors: list[int], run: object) -> NoReturn:
    """Runs in the worker: leaves nothing of the zygote behind, then runs until told to exit."""
    code = 1
    try:
        # A session of its own: the daemon ends the worker's group as a whole, and no terminal signal reaches it.
        os.setsid()
        # What it starts is known by it when the worker is gone.
        os.environ[_MARK_VARIABLE] = _native.zygote_mark_worker(number)
        _offer_to_kernel()
        control, output, errors = descriptors
        os.dup2(output, 1)
        os.dup2(errors, 2)
        control = _close_all_but(control)
        sys.stdin = open(0, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
        sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
        _reseed()
        _name_process()
        run(control)  # type: ignore[operator]
        code = 0
    except SystemExit as exit_request:
        code = exit_request.code if isinstance(exit_request.code, int) else int(exit_request.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def _close_all_but(control: int) -> int:
    """Closes every descriptor but the standard ones and the control socket, which becomes the first after them."""
    if control != _CONTROL:
        os.dup2(control, _CONTROL, inheritable=False)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > _CONTROL:
            try:
                os.close(int(name))
            except OSError:
                # The list itself was read through one of them.
                pass
    return _CONTROL


def _reseed() -> None:
    """Forked copies of one random state would all draw the same numbers."""
    if "random" in sys.modules:
        sys.modules["random"].seed()
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def _offer_to_kernel() -> None:
    """When the system itself runs out of memory, it ends workers before the daemon, the driver and everybody else."""
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:
            score.write(os.environ.get(_SCORE_VARIABLE) or "1000")
    except (OSError, ValueError):
        # The daemon's own watch is what counts.
        pass


def _name_process() -> None:
    try:
        with open("/proc/self/comm", "w", encoding="utf-8") as comm:
            comm.write("trygon-worker")
    except OSError:
        # A name is for people only.
        pass
