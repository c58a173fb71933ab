"""Errors of user code: classes, fields, chains, what cannot be pickled."""

import ray
from observe import case, describe, run


class Custom(Exception):
    def __init__(self, code, *, hint):
        super().__init__(code)
        self.code, self.hint = code, hint


class Unpicklable(Exception):
    def __init__(self, text):
        super().__init__(text)
        self.lock = __import__("threading").Lock()


def caught(function):
    try:
        function()
    except BaseException as error:
        return error


def failing(make):
    @ray.remote
    def f():
        raise make()

    return caught(lambda: ray.get(f.remote()))


@case
def built_in_classes():
    makers = [
        lambda: ValueError("v"),
        lambda: KeyError("k"),
        lambda: OSError(2, "no", "file"),
        lambda: StopIteration(3),
        lambda: ZeroDivisionError(),
        lambda: UnicodeDecodeError("utf-8", b"x", 0, 1, "bad"),
        lambda: NotImplementedError("n"),
        lambda: AssertionError("a"),
        lambda: TimeoutError("t"),
    ]
    return [(describe(error), repr(error.cause)) for error in map(failing, makers)]


@case
def custom_class():
    error = failing(lambda: Custom(5, hint="h"))
    print(repr(error)[:500], type(error).__mro__)
    return isinstance(error, ray.exceptions.RayTaskError), "Custom" in str(error)


@case
def unpicklable_class():
    error = failing(lambda: Unpicklable("text"))
    return isinstance(error, ray.exceptions.RayTaskError), "text" in str(error), "Unpicklable" in str(error)


@case
def fields():
    @ray.remote
    def outer():
        raise ValueError("inside")

    error = caught(lambda: ray.get(outer.remote()))
    return (
        type(error.cause).__name__,
        "inside" in str(error),
        "outer" in str(error),
        "ValueError" in str(error),
        type(error).__name__,
    )


@case
def chains():
    @ray.remote
    def f():
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ValueError("second") from error

    error = caught(lambda: ray.get(f.remote()))
    return describe(error), "first" in str(error), "second" in str(error)


@case
def through_several_tasks():
    @ray.remote
    def inner():
        raise KeyError("deep")

    @ray.remote
    def middle():
        return ray.get(inner.remote())

    @ray.remote
    def outer():
        return ray.get(middle.remote())

    error = caught(lambda: ray.get(outer.remote()))
    return isinstance(error, KeyError), isinstance(error, ray.exceptions.RayTaskError), "deep" in str(error)


@case
def caught_in_a_task():
    @ray.remote
    def inner():
        raise KeyError("k")

    @ray.remote
    def outer():
        try:
            ray.get(inner.remote())
        except KeyError as error:
            return "caught", isinstance(error, ray.exceptions.RayTaskError)

    return ray.get(outer.remote())


@case
def as_values():
    @ray.remote
    def give():
        return ValueError("a value")

    return ray.get(give.remote()), repr(ray.get(ray.put(KeyError("x"))))


@case
def same_error_twice():
    @ray.remote
    def f():
        raise ValueError("again")

    ref = f.remote()
    return describe(caught(lambda: ray.get(ref))), describe(caught(lambda: ray.get(ref)))


@case
def raising_a_base_exception():
    @ray.remote(max_retries=0)
    def f():
        raise KeyboardInterrupt

    return isinstance(caught(lambda: ray.get(f.remote())), Exception)


@case
def groups():
    error = failing(lambda: ExceptionGroup("several", [ValueError(1), KeyError(2)]))
    return isinstance(error, ray.exceptions.RayTaskError), "several" in str(error)


@case
def results_that_cannot_be_pickled():
    @ray.remote
    def f():
        return __import__("threading").Lock()

    error = caught(lambda: ray.get(f.remote()))
    return isinstance(error, ray.exceptions.RayTaskError), isinstance(error, TypeError)


@case
def arguments_that_cannot_be_pickled():
    @ray.remote
    def f(value):
        return value

    return describe(caught(lambda: f.remote(__import__("threading").Lock())))


@case
def functions_that_cannot_be_pickled():
    lock = __import__("threading").Lock()

    @ray.remote
    def f():
        return lock

    return describe(caught(lambda: f.remote()))


run(num_cpus=4)
