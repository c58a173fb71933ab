"""Handles on actors and their methods. A handle counts: when the last copy in any process is gone, the actor ends
after its queue.
"""

from __future__ import annotations

from _pickle import dumps, loads
from copyreg import pickle as register_reducer
from weakref import WeakKeyDictionary

from trygon import _native
from trygon._core.concurrency import check_group
from trygon._core.generators import engine_returns
from trygon._core.options import METHOD_OPTIONS, check_items_per_yield, check_options
from trygon._core.retries import retry_rule, sendable
from trygon._core.signature import Signature, checker, limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

BUILT_IN_METHODS = ("__ray_ready__", "__ray_call__", "__ray_terminate__")
_OPTIONS_ATTRIBUTE = "__trygon_method_options__"
_MOST_CACHED_METAS = 1000


class ActorMeta:
    """What a handle knows of its actor's class: travels with every handle, so it is kept small."""

    __slots__ = ("checkpoint", "class_name", "concurrency", "data", "max_task_retries", "methods", "module")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.module, self.class_name, self.max_task_retries, self.methods, self.concurrency, *more = loads(data)
        self.checkpoint: bytes | None = more[0] if more else None

    @staticmethod
    def encode(
        module: str,
        class_name: str,
        max_task_retries: int,
        methods: dict[str, dict[str, Any]],
        concurrency: dict[str, Any] | None,
        checkpoint: bytes | None = None,
    ) -> bytes:
        """The byte form: plain strings and numbers only."""
        more = () if checkpoint is None else (checkpoint,)
        return dumps((module, class_name, max_task_retries, methods, concurrency, *more), 5)


_metas: dict[bytes, ActorMeta] = {}


def meta_of(data: bytes) -> ActorMeta:
    """The decoded form; handles of one class share it."""
    meta = _metas.get(data)
    if meta is None:
        if len(_metas) >= _MOST_CACHED_METAS:
            _metas.clear()
        meta = _metas[data] = ActorMeta(data)
    return meta


class ActorHandle:
    """A handle on an actor: `handle.method.remote(...)` calls it. Can be stored, sent and passed on like any value."""

    def __init__(self, actor_id: bytes, handle_ref: Any, meta: ActorMeta) -> None:
        self._trygon_id = actor_id
        self._trygon_ref = handle_ref
        self._trygon_meta = meta

    def __getattr__(self, name: str) -> ActorMethod:
        # Runs once for each method: the result becomes an attribute of the handle.
        meta: ActorMeta | None = self.__dict__.get("_trygon_meta")
        if meta is None:
            raise AttributeError(name)
        options = meta.methods.get(name)
        if options is None:
            if name not in BUILT_IN_METHODS:
                raise AttributeError(_no_method(meta, name))
            options = {}
        method = ActorMethod(self._trygon_id, self._trygon_ref, meta, name, options)
        self.__dict__[name] = method
        return method

    @classmethod
    def __class_getitem__(cls, _: Any) -> Any:
        return cls

    def __dir__(self) -> list[str]:
        return sorted([*object.__dir__(self), *self._trygon_meta.methods])

    @property
    def _actor_id(self) -> Any:
        from trygon._core.ids import ActorID

        return ActorID(self._trygon_id)

    @property
    def _ray_actor_id(self) -> Any:
        return self._actor_id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ActorHandle) and other._trygon_id == self._trygon_id

    def __hash__(self) -> int:
        return hash(self._trygon_id)

    def __repr__(self) -> str:
        return f"Actor({self._trygon_meta.class_name}, {self._trygon_id.hex()})"

    def __reduce__(self) -> Any:
        return rebuild_handle, (self._trygon_id, self._trygon_ref, self._trygon_meta.data)


def rebuild_handle(actor_id: bytes, handle_ref: Any, meta: bytes) -> ActorHandle:
    """A handle that was pickled, or is known by its parts."""
    return ActorHandle(actor_id, handle_ref, meta_of(meta))


def _check(class_name: str, method: str, signature: Signature | None) -> tuple[int, int, Callable[..., None]] | None:
    return None if signature is None else (*limits(signature), checker(f"{class_name}.{method}", signature))


def _no_method(meta: ActorMeta, name: str) -> str:
    from difflib import get_close_matches

    public = sorted(method for method in meta.methods if not method.startswith("_"))
    close = get_close_matches(name, public, 1)
    hint = f" Did you mean {close[0]}?" if close else ""
    known = ", ".join(public) or "none"
    return (
        f"Actor {meta.class_name} has no method {name}.{hint} Its methods are: {known}."
        " (Attributes cannot be read from outside.)"
    )


class ActorMethod:
    """A method of an actor: `remote` submits a call. `remote` itself can be sent to other processes as a callback."""

    __slots__ = ("_actor_id", "_cache", "_handle_ref", "_meta", "_name", "_options", "remote")

    def __init__(self, actor_id: bytes, handle_ref: Any, meta: ActorMeta, name: str, options: dict[str, Any]) -> None:
        self._actor_id, self._handle_ref, self._meta, self._name, self._options = (
            actor_id,
            handle_ref,
            meta,
            name,
            options,
        )
        self._cache: dict[Any, ActorMethod] = {}
        self.remote: Callable[..., Any]
        is_generator = bool(options.get("is_generator"))
        num_returns, stream_limit = engine_returns(
            f"{meta.class_name}.{name}", options, is_generator, bool(meta.methods.get(name))
        )
        retries = options.get("max_task_retries")
        concurrency = meta.concurrency or {}
        retry_errors, retry_classes = retry_rule(options) if options.get("retry_exceptions") else (False, None)
        handle = _native.ActorMethodHandle(
            actor_id,
            handle_ref,
            method=name,
            class_name=meta.class_name,
            num_returns=num_returns,
            stream_limit=stream_limit,
            max_task_retries=meta.max_task_retries if retries is None else retries,
            retry_exceptions=retry_errors,
            retry_exception_types=retry_classes,
            check=_check(meta.class_name, name, options.get("signature")),
            group=options.get("concurrency_group") or "",
            concurrent=concurrency.get("concurrent", False),
            out_of_order=concurrency.get("out_of_order", False),
            max_pending_calls=concurrency.get("max_pending_calls", -1),
        )
        self.remote = handle.submit
        _parts[handle] = (actor_id, handle_ref, meta.data, name, options)

    def options(self, **options: Any) -> ActorMethod:
        """The same method with other options, for the calls made through what this returns."""
        key = tuple(sorted((name, tuple(v) if isinstance(v, list) else v) for name, v in options.items()))
        made = self._cache.get(key)
        if made is None:
            check_options(options, METHOD_OPTIONS, "An actor's method")
            check_items_per_yield(options)
            if options.get("concurrency_group") is not None:
                groups = dict((self._meta.concurrency or {}).get("limits", ()))
                check_group(self._meta.class_name, self._name, options["concurrency_group"], groups)
            merged = {**self._options, **sendable(options)}
            made = ActorMethod(self._actor_id, self._handle_ref, self._meta, self._name, merged)
            self._cache[key] = made
        return made

    def bind(self, *args: Any, **kwargs: Any) -> Any:
        """A call as a step of a graph (see `trygon.dag`): one node, or a tuple with one for each of several results."""
        from trygon.dag.class_node import bind_method

        handle = ActorHandle(self._actor_id, self._handle_ref, self._meta)
        options = {name: value for name, value in self._options.items() if name in METHOD_OPTIONS}
        return bind_method(handle, self._name, args, kwargs, options)

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(f"A method of an actor cannot be called directly: use .{self._name}.remote(...) instead.")

    def __repr__(self) -> str:
        return f"ActorMethod({self._meta.class_name}.{self._name}, {self._actor_id.hex()})"

    def __reduce__(self) -> Any:
        return _rebuild_method, (self._actor_id, self._handle_ref, self._meta.data, self._name, self._options)


def _rebuild_method(actor_id: bytes, handle_ref: Any, meta: bytes, name: str, options: dict[str, Any]) -> ActorMethod:
    return ActorMethod(actor_id, handle_ref, meta_of(meta), name, options)


# Pickling `handle.method.remote` pickles the native object it is bound to, which does not tell its parts: they are
# remembered here.
_parts: WeakKeyDictionary[Any, tuple[Any, ...]] = WeakKeyDictionary()


def _rebuild_native(*parts: Any) -> Any:
    bound: Any = _rebuild_method(*parts).remote
    return bound.__self__


register_reducer(_native.ActorMethodHandle, lambda handle: (_rebuild_native, _parts[handle]))


def method(*args: Any, **options: Any) -> Any:
    """Gives a method of an actor options of its own: `@method(num_returns=2)`. Known: `num_returns`,
    `max_task_retries`, `retry_exceptions`, `concurrency_group`.

    Bare `@method` gives none; it lets type checkers see the method through a handle (see `trygon.util.typed`).
    """
    if args:
        if len(args) == 1 and callable(args[0]) and not options:
            return args[0]
        raise TypeError("@method takes keyword options only, such as @method(num_returns=2).")
    check_options(options, METHOD_OPTIONS, "An actor's method")

    def annotate(function: Any) -> Any:
        setattr(function, _OPTIONS_ATTRIBUTE, options)
        return function

    return annotate


def options_of(function: Any) -> dict[str, Any]:
    """What `method` attached."""
    return sendable(getattr(function, _OPTIONS_ATTRIBUTE, {}))
