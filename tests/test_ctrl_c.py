"""Ctrl-C in the driver: at once, and the engine can be used afterwards."""

import os
import random
import signal
import threading
import time

import pytest
import trygon


def interrupt_after(seconds):
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    return timer


@pytest.mark.parametrize("how", ["get", "get-list", "wait", "get-timeout"])
def test_interrupts_at_once_and_goes_on(engine, how):
    slow = trygon.remote(time.sleep).remote(3)
    calls = {
        "get": lambda: trygon.get(slow),
        "get-list": lambda: trygon.get([slow]),
        "wait": lambda: trygon.wait([slow]),
        "get-timeout": lambda: trygon.get(slow, timeout=10),
    }
    timer = interrupt_after(0.2)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        calls[how]()
    assert time.monotonic() - began < 0.5
    timer.join()
    assert trygon.get(trygon.remote(lambda: 1).remote(), timeout=10) == 1


def test_while_submitting(engine):
    add = trygon.remote(lambda x: x)
    timer = interrupt_after(0.2)
    submitted = []
    with pytest.raises(KeyboardInterrupt):
        while True:
            submitted.append(add.remote(1))
            if len(submitted) > 200_000:
                time.sleep(1)
    timer.join()
    assert trygon.get(submitted[-1], timeout=60) == 1


def test_none_is_lost_between_the_last_look_and_the_sleep(engine):
    slow = trygon.remote(time.sleep).remote(100)
    delays = random.Random(1)
    for _ in range(100):
        begun = threading.Event()
        until_s = delays.uniform(0, 150e-6)

        def interrupt(begun=begun, until_s=until_s):
            begun.wait()
            at = time.perf_counter() + until_s
            while time.perf_counter() < at:
                pass
            os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            begun.set()
            trygon.get(slow, timeout=3)
        took_s = time.monotonic() - began
        thread.join()
        assert took_s < 1, f"noticed after {took_s:.2f} s"
