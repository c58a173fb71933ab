"""Ctrl-C in the driver: at once, and the engine can be used afterwards."""

import os
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
