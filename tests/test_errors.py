"""Errors of user code: class, text, frames, causes."""

import pickle
import sys

import pytest
import trygon
from trygon.exceptions import RayTaskError


class WithArguments(Exception):
    """Cannot be unpickled the usual way."""

    def __init__(self, code, detail):
        super().__init__(f"{code}: {detail}")
        self.code = code


@trygon.remote
def raiser(make):
    raise make()


def caught(ref):
    with pytest.raises(Exception) as info:
        trygon.get(ref, timeout=20)
    return info.value


def test_the_same_class_is_caught(engine):
    error = caught(raiser.remote(lambda: ValueError("boo", 3)))
    assert isinstance(error, ValueError) and isinstance(error, RayTaskError)
    assert error.args == ("boo", 3)
    assert error.function_name.endswith("raiser") and error.pid > 0
    assert isinstance(error.cause, ValueError)


def test_the_users_frames_are_shown_and_the_runtimes_hidden(engine):
    def inner():
        return 1 / 0

    @trygon.remote
    def outer():
        return inner()

    text = str(caught(outer.remote()))
    assert "in inner" in text and "in outer" in text and "ZeroDivisionError: division by zero" in text
    assert __file__ in text
    assert "trygon/_core" not in text


def test_fields_of_built_in_errors(engine):
    error = caught(raiser.remote(lambda: FileNotFoundError(2, "No such file", "/x")))
    assert isinstance(error, OSError)
    assert (error.errno, error.filename) == (2, "/x")
    error = caught(raiser.remote(lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad")))
    assert (error.object, error.reason) == (b"\xff", "bad")
    error = caught(raiser.remote(lambda: KeyError("k")))
    assert error.args == ("k",)


def test_error_that_cannot_be_unpickled(engine):
    error = caught(raiser.remote(lambda: WithArguments(7, "seven")))
    assert isinstance(error, WithArguments) and error.code == 7 and "7: seven" in str(error)


def test_error_that_cannot_be_pickled(engine):
    @trygon.remote
    def unpicklable():
        import threading

        class Local(Exception):
            def __reduce__(self):
                raise TypeError("never")

        error = Local("the text")
        error.lock = threading.Lock()
        raise error

    error = caught(unpicklable.remote())
    assert isinstance(error, RayTaskError) and "the text" in str(error) and "Local" in error.type_name


def test_error_with_broken_text(engine):
    @trygon.remote
    def broken():
        class Broken(Exception):
            def __str__(self):
                raise RuntimeError

        raise Broken

    assert isinstance(caught(broken.remote()), RayTaskError)


def test_chained_causes_are_kept(engine):
    @trygon.remote
    def chained():
        try:
            int("x")
        except ValueError as error:
            raise RuntimeError("outer") from error

    error = caught(chained.remote())
    assert isinstance(error, RuntimeError)
    assert isinstance(error.__cause__, ValueError)
    assert "direct cause" in str(error) and "invalid literal" in str(error)


def test_errors_pass_through_dependent_tasks(engine):
    bad = raiser.remote(lambda: ValueError("first"))
    after = trygon.remote(lambda x: x).remote(bad)
    error = caught(after)
    assert isinstance(error, ValueError) and "first" in str(error)


def test_errors_pass_through_nested_gets(engine):
    @trygon.remote
    def outer():
        return trygon.get(raiser.remote(lambda: ValueError("deep")))

    error = caught(outer.remote())
    assert isinstance(error, ValueError) and type(error.cause) is ValueError
    assert "outer" in str(error) and "raiser" in str(error)


def test_error_as_a_value(engine):
    error = caught(raiser.remote(lambda: ValueError("v")))
    again = trygon.get(trygon.put(error))
    assert type(again) is type(error) and str(again) == str(error)
    assert isinstance(pickle.loads(pickle.dumps(error)), ValueError)


def test_exception_group(engine):
    error = caught(raiser.remote(lambda: ExceptionGroup("both", [ValueError(1), TypeError(2)])))
    assert isinstance(error, RayTaskError)
    assert "ValueError" in str(error) and "TypeError" in str(error)


def test_base_exceptions_and_stop_iteration(engine):
    assert isinstance(caught(raiser.remote(lambda: StopIteration(3))), StopIteration)
    assert isinstance(caught(raiser.remote(KeyboardInterrupt)), RayTaskError)


def test_missing_module_at_unpickling(engine):
    class Strange:
        def __reduce__(self):
            return __import__, ("no_such_module_here",)

    error = caught(trygon.remote(lambda x: x).remote(Strange()))
    assert isinstance(error, ModuleNotFoundError)


def test_wrong_arguments_of_the_function(engine):
    @trygon.remote
    def area(width, height=1, *, unit):
        return width * height, unit

    assert trygon.get(area.remote(2, unit="m"), timeout=20) == (2, "m")
    assert trygon.get(area.remote(height=3, width=2, unit="m"), timeout=20) == (6, "m")
    for args, kwargs, words in [
        ((1, 2, 3), {"unit": "m"}, "takes from 1 to 2 positional arguments"),
        ((), {"unit": "m"}, "'width'"),
        ((1,), {}, "'unit'"),
        ((1,), {"width": 2, "unit": "m"}, "several values"),
        ((1,), {"unit": "m", "depth": 2}, "unexpected keyword argument 'depth'"),
    ]:
        with pytest.raises(TypeError, match=words):
            area.remote(*args, **kwargs)


def test_wrong_arguments_of_a_method_and_a_constructor(engine):
    @trygon.remote
    class Adder:
        def __init__(self, start):
            self.total = start

        def add(self, amount, /):
            return self.total + amount

    with pytest.raises(TypeError, match="'start'"):
        Adder.remote()
    adder = Adder.remote(1)
    with pytest.raises(TypeError, match="amount"):
        adder.add.remote(amount=2)
    assert trygon.get(adder.add.remote(2), timeout=20) == 3


def test_retry_exceptions(engine, tmp_path):
    def flaky(path):
        count = int(path.read_text()) if path.exists() else 0
        path.write_text(str(count + 1))
        if count < 2:
            raise ValueError("again")
        return count

    retried = trygon.remote(retry_exceptions=True, max_retries=3)(flaky)
    assert trygon.get(retried.remote(tmp_path / "a"), timeout=20) == 2
    assert isinstance(caught(trygon.remote(flaky).remote(tmp_path / "b")), ValueError)


def test_uncaught_error_prints_the_users_frames(engine, capsys):
    @trygon.remote
    def visible():
        raise ValueError("seen")

    try:
        trygon.get(visible.remote())
    except ValueError:
        import traceback

        text = "".join(traceback.format_exception(*sys.exc_info()))
    assert "in visible" in text and text.count("ValueError: seen") == 1
