"""What the tests of cancelling share."""

import os
import time
from pathlib import Path

import pytest
import trygon
from trygon.exceptions import TaskCancelledError

SOON_S = 0.5
# Not threading.TIMEOUT_MAX: some systems refuse to sleep that long.
FOR_EVER_S = 10**9


def wait_for(path, limit_s=10):
    """Waits for a file that a task makes when it runs."""
    deadline = time.monotonic() + limit_s
    while not os.path.exists(path):
        assert time.monotonic() < deadline, f"{path} did not come"
        time.sleep(0.002)


def ends_cancelled(ref, limit_s=5):
    """Seconds until the result is that of a cancelled task."""
    began = time.monotonic()
    with pytest.raises(TaskCancelledError):
        trygon.get(ref, timeout=limit_s)
    return time.monotonic() - began


@trygon.remote
def sleep(path, seconds=FOR_EVER_S):
    Path(path).touch()
    time.sleep(seconds)


@trygon.remote
def process_id():
    return os.getpid()
