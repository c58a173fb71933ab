"""Ways to use more and more memory. Each says when it has passed the limit of the tests, if it is told where."""

from __future__ import annotations

import os
import subprocess
import sys
import time

MIB = 1 << 20
LIMIT_MIB = 64


def _say(said: str, mebibytes: int) -> None:
    if said and mebibytes == LIMIT_MIB:
        with open(said + ".part", "w") as file:
            file.write(f"{time.time()} {os.getpid()}")
        os.rename(said + ".part", said)


def _bytearray(said: str) -> None:
    kept = []
    for number in range(1, 4096):
        block = bytearray(MIB)
        block[::4096] = b"x" * len(block[::4096])
        kept.append(block)
        _say(said, number)
    time.sleep(60)


def _slow(said: str) -> None:
    kept = []
    for number in range(1, 4096):
        kept.append(os.urandom(MIB))
        _say(said, number)
        time.sleep(0.005)


def _numpy(said: str) -> None:
    import numpy

    kept = []
    for number in range(1, 4096):
        kept.append(numpy.ones(MIB, dtype=numpy.uint8))
        _say(said, number)
    time.sleep(60)


def _one_big(said: str) -> None:
    kept = b"x" * (1024 * MIB)
    time.sleep(60)
    del kept


def _mapping(said: str, flags: int) -> None:
    import mmap

    memory = mmap.mmap(-1, 1024 * MIB, flags=flags | mmap.MAP_ANONYMOUS)
    block = b"x" * MIB
    for number in range(1, 1025):
        memory.write(block)
        _say(said, number)
    time.sleep(60)


def _private_mapping(said: str) -> None:
    _mapping(said, 2)


def _shared_mapping(said: str) -> None:
    _mapping(said, 1)


def _malloc(said: str) -> None:
    import ctypes

    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p
    library.malloc.argtypes = [ctypes.c_size_t]
    library.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
    for number in range(1, 4096):
        library.memset(library.malloc(MIB), 1, MIB)
        _say(said, number)
    time.sleep(60)


def _recursion(said: str) -> None:
    """Never gives Python's main loop a chance to do anything else, and ignores every exception."""
    kept: list[object] = []
    while True:
        try:
            kept.append([kept, bytes(10_000)])
        except MemoryError:
            pass


def _forks(said: str) -> None:
    each = 24
    for number in range(1, 9):
        if os.fork() == 0:
            kept = bytearray(each * MIB)
            kept[::4096] = b"x" * len(kept[::4096])
            if number == LIMIT_MIB // each + 1:
                _say(said, LIMIT_MIB)
            time.sleep(60)
            os._exit(0)
    time.sleep(60)


def _child(said: str, **how: bool) -> None:
    code = f"""
import sys
sys.path.insert(0, {os.path.dirname(__file__)!r})
import memory_bombs
kept = []
for number in range(1, 4096):
    kept.append(b"x" * (1 << 20))
    memory_bombs._say({said!r}, number)
"""
    subprocess.run([sys.executable, "-S", "-c", code], check=False, **how)  # type: ignore[call-overload]
    time.sleep(60)


def _child_apart(said: str) -> None:
    _child(said, start_new_session=True)


def _shell(said: str) -> None:
    """A child of a child, of a program that is not Python."""
    subprocess.run(["sh", "-c", "(x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done)"], check=False)
    time.sleep(60)


def _threads(said: str) -> None:
    import threading

    kept: list[bytes] = []
    work = [threading.Thread(target=lambda: [kept.append(b"x" * MIB) for _ in range(512)]) for _ in range(4)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    time.sleep(60)


EXPLODE = {
    "bytearray": _bytearray,
    "slow": _slow,
    "numpy": _numpy,
    "one_big": _one_big,
    "private_mapping": _private_mapping,
    "shared_mapping": _shared_mapping,
    "malloc": _malloc,
    "recursion": _recursion,
    "forks": _forks,
    "child": _child,
    "child_apart": _child_apart,
    "shell": _shell,
    "threads": _threads,
}
