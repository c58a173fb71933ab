"""What this machine can do without any engine: the rows by which absolute figures of two machines are compared.

Run as a script it prints one JSON object; the harness runs it in the Pool environment once per repeat.
"""

import json
import os
import socket
import statistics
import time

clock = time.perf_counter

UNITS = {
    "socketpair ping-pong 64 B p50": "µs",
    "socketpair ping-pong on one core": "µs",
    "memcpy 100 MiB": "GB/s",
    "fork and wait": "µs",
    "Python function call": "ns",
}


def ping_pong_us(one_core: bool, count: int = 5000) -> float:
    """Round trip of 64 bytes over a Unix socket pair between two processes, both on one core if so asked."""
    allowed = os.sched_getaffinity(0)
    if one_core:
        os.sched_setaffinity(0, {min(allowed)})
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        while data := theirs.recv(64):
            theirs.send(data)
        os._exit(0)
    theirs.close()
    message, samples = os.urandom(64), []
    for _ in range(count):
        start = clock()
        ours.send(message)
        answer = ours.recv(64)
        samples.append(clock() - start)
        assert answer == message, "the socket pair changed the message"
    ours.close()
    os.waitpid(pid, 0)
    os.sched_setaffinity(0, allowed)
    return 1e6 * statistics.median(samples)


def memcpy_gb_per_s(rounds: int = 15) -> float:
    """Copy of 100 MiB into memory that was written before."""
    import numpy

    source = numpy.arange(100 * 1024 * 1024 // 8)
    target = source.copy()
    samples = []
    for _ in range(rounds):
        start = clock()
        numpy.copyto(target, source)
        samples.append(clock() - start)
    assert target[-1] == source[-1], "the copy differs"
    return source.nbytes / 1e9 / statistics.median(samples)


def fork_us(count: int = 50) -> float:
    """fork, immediate exit of the child, and waiting for it."""
    samples = []
    for _ in range(count):
        start = clock()
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        samples.append(clock() - start)
    return 1e6 * statistics.median(samples)


def call_ns(count: int = 200_000) -> float:
    """One call of an empty Python function, the loop around it taken off."""

    def nothing():
        pass

    def timed(body) -> float:
        samples = []
        for _ in range(5):
            start = clock()
            body()
            samples.append(clock() - start)
        return statistics.median(samples)

    def with_call():
        for _ in range(count):
            nothing()

    def without_call():
        for _ in range(count):
            pass

    return 1e9 * (timed(with_call) - timed(without_call)) / count


if __name__ == "__main__":
    # fork is measured first: later on this process would have more pages to copy.
    fork = fork_us()
    values = [ping_pong_us(False), ping_pong_us(True), memcpy_gb_per_s(), fork, call_ns()]
    print(json.dumps(dict(zip(UNITS, values))))
