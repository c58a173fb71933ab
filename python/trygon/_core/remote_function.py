"""`@remote` on a function. `f.remote` is the engine's own bound method: nothing of Python lies between a call and the
engine.
"""

from __future__ import annotations

from types import BuiltinFunctionType, FunctionType

from trygon._core.generators import ASYNC_GENERATOR, engine_returns, makes_items, regrouped
from trygon._core.options import check_task_options, environment_of, placement, task_resources
from trygon._core.signature import checker, limits, signature_of
from trygon._native import RemoteFunctionHandle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

DEFAULT_MAX_RETRIES = 3
_MOST_CACHED_OPTIONS = 64
# A code flag. Reading it costs nothing, importing `inspect` costs milliseconds.
_COROUTINE = 0x80


class RemoteFunction:
    """A function that runs as tasks: `f.remote(...)` submits one and returns a reference to its result."""

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        check_task_options(options, in_options_call=False)
        self._function = function
        self._options = options
        self._cache: dict[Any, FunctionWithOptions] = {}
        self.__name__ = getattr(function, "__name__", type(function).__name__)
        self.__qualname__ = getattr(function, "__qualname__", self.__name__)
        self.__module__ = getattr(function, "__module__", "") or ""
        self.__doc__ = function.__doc__
        self.__wrapped__ = function
        self.remote = submitter(function, options)

    def options(self, **options: Any) -> FunctionWithOptions:
        """The same function with other options, for the calls made through what this returns."""
        key = _cache_key(options)
        if key is not None and key in self._cache:
            return self._cache[key]
        check_task_options(options, in_options_call=True)
        made = FunctionWithOptions(self._function, {**self._options, **options})
        if key is not None:
            if len(self._cache) >= _MOST_CACHED_OPTIONS:
                self._cache.clear()
            self._cache[key] = made
        return made

    def bind(self, *args: Any, **kwargs: Any) -> Any:
        """A call as a step of a graph (see `trygon.dag`); it runs when the graph is executed."""
        from trygon.dag.function_node import FunctionNode

        return FunctionNode(self, self.__name__, args, kwargs, self._options)

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(
            f"The remote function {self.__name__} cannot be called directly: use {self.__name__}.remote(...) to run"
            " it as a task,"
            f" or {self.__name__}.__wrapped__(...) to run it here."
        )

    def __repr__(self) -> str:
        return f"RemoteFunction({self.__module__}.{self.__qualname__})"

    def __reduce__(self) -> Any:
        return RemoteFunction, (self._function, self._options)


class FunctionWithOptions:
    """What `f.options(...)` returns: has `remote` and nothing else of interest."""

    __slots__ = ("_function", "_options", "remote")

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        self._function = function
        self._options = options
        self.remote = submitter(function, options)

    def bind(self, *args: Any, **kwargs: Any) -> Any:
        """A call as a step of a graph (see `trygon.dag`); it runs when the graph is executed."""
        from trygon.dag.function_node import FunctionNode

        return FunctionNode(self, getattr(self._function, "__name__", "function"), args, kwargs, self._options)

    def __reduce__(self) -> Any:
        return FunctionWithOptions, (self._function, self._options)


def is_function(value: object) -> bool:
    """Whether `remote` takes it for a function."""
    return isinstance(value, (FunctionType, BuiltinFunctionType))


def submitter(function: Callable[..., Any], options: dict[str, Any]) -> Callable[..., Any]:
    """The native call that submits `function` with these options."""
    name = options.get("name") or getattr(function, "__name__", None) or repr(function)
    refusal = _refusal(function, name)
    if refusal is not None:
        return refusal
    from trygon._core.retries import retry_rule

    num_returns, stream_limit = engine_returns(name, options, makes_items(function), isinstance(function, FunctionType))
    worker_function = regrouped(function, options)
    max_retries = options.get("max_retries")
    max_calls = options.get("max_calls")
    if max_calls is None:
        # Libraries rarely give a device's memory back before their process ends.
        max_calls = 1 if options.get("num_gpus") else 0
    retry_errors, retry_classes = retry_rule(options) if options.get("retry_exceptions") else (False, None)
    resources = task_resources(options)
    handle = RemoteFunctionHandle(
        Exporter(worker_function, options, name, num_returns, stream_limit),
        name=name,
        resources=resources,
        num_returns=num_returns,
        stream_limit=stream_limit,
        max_retries=DEFAULT_MAX_RETRIES if max_retries is None else max_retries,
        retry_exceptions=retry_errors,
        retry_exception_types=retry_classes,
        max_calls=max_calls,
        environment=environment_of(options),
        check=_check(function, name),
        placement=placement(options, resources, name),
    )
    return handle.submit


class Exporter:
    """What gives the engine a function's bytes, at its first call in a session."""

    __slots__ = ("__weakref__", "function", "name", "num_returns", "options", "stream_limit")

    def __init__(
        self, function: Callable[..., Any], options: dict[str, Any], name: str, num_returns: int, stream_limit: int
    ) -> None:
        self.function, self.options, self.name = function, options, name
        self.num_returns, self.stream_limit = num_returns, stream_limit

    def __call__(self) -> bytes:
        from trygon._core.serialization import export

        return export(self.function, "function", self.name)


def _check(function: Callable[..., Any], name: str) -> tuple[int, int, Callable[..., None]] | None:
    signature = signature_of(function)
    return None if signature is None else (*limits(signature), checker(name, signature))


def _refusal(function: Callable[..., Any], name: str) -> Callable[..., Any] | None:
    flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
    if not flags & (_COROUTINE | ASYNC_GENERATOR):
        return None
    error = ValueError(
        f"{name} is an async function, and a task has no event loop; wrap it: a plain function that calls"
        f" asyncio.run({name}(...))."
    )

    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise error

    return refuse


def _cache_key(options: dict[str, Any]) -> Any:
    """Something hashable that stands for the options, types included (`1`, `1.0` and `True` differ); None if there is
    no such thing.
    """
    try:
        key = tuple((name, type(value), _frozen(value)) for name, value in sorted(options.items()))
        hash(key)
    except TypeError:
        return None
    environment = options.get("runtime_env")
    # Their files may have changed since.
    has_files = isinstance(environment, dict) and ("working_dir" in environment or "py_modules" in environment)
    return None if has_files else key


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple((name, _frozen(member)) for name, member in value.items())
    return tuple(map(_frozen, value)) if type(value) is list else value
