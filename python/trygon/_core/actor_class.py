"""`@remote` on a class: making actors, finding them by name, ending them."""

from __future__ import annotations

from types import FunctionType

from trygon import _native
from trygon._core.actor_handle import ActorHandle, ActorMeta, meta_of, options_of, rebuild_handle
from trygon._core.concurrency import concurrency_of, is_async
from trygon._core.generators import engine_returns, makes_items
from trygon._core.inline import current as inline_engine
from trygon._core.options import actor_resources, check_actor_options, environment_of
from trygon._core.options import placement as placement_of
from trygon._core.signature import checker, signature_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_NOT_METHODS = frozenset(
    ("__init__", "__new__", "__del__", "__init_subclass__", "__class_getitem__", "__getattribute__", "__getattr__")
)


class ActorClassInheritanceException(TypeError):
    """An actor class cannot be a base class."""


class ActorClass:
    """A class that runs as actors: `C.remote(...)` makes one in a process of its own and returns a handle."""

    def __init__(self, cls: type, options: dict[str, Any]) -> None:
        check_actor_options(options, in_options_call=False)
        self._class = cls
        self._options = options
        self.__name__ = cls.__name__
        self.__qualname__ = cls.__qualname__
        self.__module__ = cls.__module__
        self.__doc__ = cls.__doc__
        self.__wrapped__ = cls
        self.__ray_actor_class__ = cls

    def remote(self, *args: Any, **kwargs: Any) -> ActorHandle:
        """Makes an actor; its constructor runs with these arguments, elsewhere, and its errors come with the first
        call.
        """
        return create(self._class, args, kwargs, self._options)

    def options(self, **options: Any) -> ActorClassWithOptions:
        """The same class with other options, for the actors made through what this returns."""
        check_actor_options({**self._options, **options}, in_options_call=False)
        check_actor_options(options, in_options_call="concurrency_groups" in options)
        return ActorClassWithOptions(self._class, {**self._options, **options})

    def bind(self, *args: Any, **kwargs: Any) -> Any:
        """An actor as a step of a graph (see `trygon.dag`); it is made when the graph is executed."""
        from trygon.dag.class_node import ClassNode

        return ClassNode(self, self._class, args, kwargs, self._options)

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(
            f"The actor class {self.__name__} cannot be instantiated directly: use {self.__name__}.remote(...) to"
            " make an actor,"
            f" or {self.__name__}.__wrapped__(...) for a plain object."
        )

    def __mro_entries__(self, bases: tuple[Any, ...]) -> NoReturn:
        raise ActorClassInheritanceException(
            f"The actor class {self.__name__} cannot be a base class: inherit from the plain class, and decorate the"
            " subclass with @remote."
        )

    def __repr__(self) -> str:
        return f"ActorClass({self.__module__}.{self.__qualname__})"

    def __reduce__(self) -> Any:
        return ActorClass, (self._class, self._options)


class ActorClassWithOptions:
    """What `C.options(...)` returns."""

    __slots__ = ("_class", "_options")

    def __init__(self, cls: type, options: dict[str, Any]) -> None:
        self._class = cls
        self._options = options

    def remote(self, *args: Any, **kwargs: Any) -> ActorHandle:
        """Makes an actor with these options."""
        return create(self._class, args, kwargs, self._options)

    def bind(self, *args: Any, **kwargs: Any) -> Any:
        """An actor as a step of a graph (see `trygon.dag`); it is made when the graph is executed."""
        from trygon.dag.class_node import ClassNode

        return ClassNode(self, self._class, args, kwargs, self._options)


def create(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any], options: dict[str, Any]) -> ActorHandle:
    """Registers an actor and returns its handle."""
    from trygon._core.serialization import export

    _check_constructor(cls, args, kwargs)
    placement, lifetime = actor_resources(options)
    where = placement_of(options, placement, cls.__name__)
    max_task_retries = options.get("max_task_retries") or 0
    methods = methods_of(cls)
    stream_limit = options.get("_actor_generator_backpressure_num_objects")
    for method_options in methods.values():
        if stream_limit is not None and method_options.get("is_generator"):
            method_options.setdefault("_generator_backpressure_num_objects", stream_limit)
    concurrency = concurrency_of(cls.__name__, methods, options)
    saved = _checkpoint(cls, options, concurrency)
    meta = ActorMeta.encode(cls.__module__, cls.__name__, max_task_retries, methods, concurrency, saved)
    here = inline_engine()
    if here is not None:
        return _create_inline(here, cls, args, kwargs, options, meta)
    actor_id, handle_ref, existing_meta, _ = _native.create_actor(
        lambda: export(cls, "class", cls.__qualname__),
        class_name=cls.__name__,
        args=args,
        kwargs=kwargs,
        name=options.get("name"),
        namespace=options.get("namespace"),
        placement_resources=placement,
        lifetime_resources=lifetime,
        max_restarts=options.get("max_restarts") or 0,
        handle_meta=meta,
        options=meta,
        get_if_exists=bool(options.get("get_if_exists")),
        detached=is_detached(options),
        environment=environment_of(options),
        placement=where,
    )
    return ActorHandle(actor_id, handle_ref, meta_of(existing_meta or meta))


def _checkpoint(cls: type, options: dict[str, Any], concurrency: dict[str, Any] | None) -> bytes | None:
    if not options.get("checkpoint"):
        return None
    from trygon._core.checkpoint.settings import of_options

    return of_options(cls.__name__, options, concurrency)


def _create_inline(engine: Any, cls: type, args: Any, kwargs: Any, options: dict[str, Any], meta: bytes) -> ActorHandle:
    from trygon._core.inline.actors import create as create_here

    if options.get("checkpoint"):
        raise NotImplementedError("The option checkpoint is not possible in the inline mode: no process dies there.")
    actor_id, hold, existing_meta = create_here(engine, cls, args, kwargs, options, meta)
    return ActorHandle(actor_id, hold, meta_of(existing_meta or meta))


def is_detached(options: dict[str, Any]) -> bool:
    """Whether the actor outlives its handles: as its options say, else as the job's configuration says."""
    import os

    return (options.get("lifetime") or os.environ.get("TRYGON_DEFAULT_ACTOR_LIFETIME")) == "detached"


def _check_constructor(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    # A class with its own way of making instances decides itself.
    if cls.__new__ is not object.__new__ or type(cls) is not type:
        return
    signature = signature_of(cls.__init__, 1)
    if signature is not None:
        checker(cls.__name__, signature)(args, kwargs)
    elif cls.__init__ is object.__init__ and (args or kwargs):
        raise TypeError(f"{cls.__name__}() takes no arguments")


def methods_of(cls: type) -> dict[str, dict[str, Any]]:
    """What can be called on an actor: the functions found on the class and its bases, with their options."""
    found: dict[str, dict[str, Any]] = {}
    for base in reversed(cls.__mro__):
        if base is object:
            continue
        for name, value in vars(base).items():
            function = value.__func__ if isinstance(value, (staticmethod, classmethod)) else value
            if name in _NOT_METHODS:
                continue
            if isinstance(function, FunctionType):
                found[name] = _options(cls, name, function)
                found[name]["signature"] = signature_of(function, 0 if isinstance(value, staticmethod) else 1)
            elif callable(value) and not isinstance(value, type) and not name.startswith("__"):
                found[name] = {}
            else:
                # A subclass may hide an inherited method behind something else.
                found.pop(name, None)
    return found


def _options(cls: type, name: str, function: FunctionType) -> dict[str, Any]:
    options = options_of(function)
    if is_async(function):
        options["is_async"] = True
    if makes_items(function):
        options["is_generator"] = True
    elif options.get("num_returns") in ("streaming", "dynamic"):
        engine_returns(f"{cls.__name__}.{name}", options, is_generator=False)
    return options


def get_actor(name: str, namespace: str | None = None) -> ActorHandle:
    """A handle on the living actor of this name, in this program's namespace or the one given. ValueError if there is
    none.
    """
    if not isinstance(name, str) or not name:
        raise ValueError(f"get_actor() takes the name of an actor, a non-empty str, but {name!r} was given.")
    if namespace is not None and (not isinstance(namespace, str) or not namespace):
        raise ValueError(f"The namespace must be a non-empty str, but {namespace!r} was given.")
    found = _native.get_named_actor(name, namespace or "")
    if found is None:
        where = f"namespace '{namespace}'" if namespace else "this program's namespace"
        raise ValueError(
            f"There is no living actor named '{name}' in {where}. Was it made with .options(name='{name}'), is a"
            " handle on it still kept,"
            " and is the namespace the same?"
        )
    actor_id, _, meta = found
    return rebuild_handle(actor_id, None, meta)


def kill(actor: ActorHandle, *, no_restart: bool = True) -> None:
    """Ends an actor at once; calls that wait fail with ActorDiedError. With `no_restart=False` it may start again."""
    if not isinstance(actor, ActorHandle):
        raise ValueError(
            f"kill() takes an actor's handle, but {type(actor).__name__} was given; a task is not ended this way."
        )
    _native.kill_actor(actor._trygon_id, no_restart)


def exit_actor() -> NoReturn:
    """Ends the actor that calls it, on purpose: it is not restarted, and later calls fail with ActorDiedError."""
    if _native.context().get("actor_id") is None:
        raise TypeError("exit_actor() can be called only in a method of an actor.")
    raise SystemExit(0)
