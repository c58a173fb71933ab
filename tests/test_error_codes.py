"""Codes of errors and the pages that `trygon explain` prints about them."""

import pickle
import subprocess
import traceback

import pytest
import trygon
from trygon import exceptions
from trygon._core import init as init_module
from trygon._core.error_codes import CODES


def explain(*words):
    return subprocess.run([init_module._binary(), "explain", *words], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", CODES)
def test_every_class_has_a_page(name):
    kind = getattr(exceptions, name)
    assert kind.code == CODES[name]
    shown = explain(kind.code)
    assert shown.returncode == 0 and shown.stdout.startswith(f"# {kind.code}: {name}\n"), shown


def test_a_class_below_has_the_code_of_its_base():
    class Own(exceptions.ObjectLostError):
        pass

    assert Own.code == exceptions.ObjectLostError.code
    assert exceptions.RayError.code is None


def test_an_unknown_code_is_refused_and_needs_no_cluster():
    shown = explain("TRY9999")
    assert shown.returncode != 0 and "TRY0001 to TRY" in shown.stderr
    assert '"page"' in explain("--json", "try0006").stdout


def test_a_traceback_names_the_code(engine):
    slow = trygon.remote(lambda: trygon.get([])).options(num_cpus=10**6).remote()
    with pytest.raises(exceptions.GetTimeoutError) as raised:
        trygon.get(slow, timeout=0.01)
    shown = "".join(traceback.format_exception(raised.value))
    assert f"trygon explain {exceptions.GetTimeoutError.code}" in shown
    again = pickle.loads(pickle.dumps(raised.value))
    again.add_note("mine")
    assert len(again.__notes__) == 2 and len(raised.value.__notes__) == 1
    assert "explain TRY" not in str(raised.value)


def test_errors_of_user_code_stay_as_they_are(engine):
    @trygon.remote
    def fail():
        raise LookupError("nothing there")

    with pytest.raises(LookupError) as raised:
        trygon.get(fail.remote())
    assert "trygon explain" not in "".join(traceback.format_exception(raised.value))
