"""Actors and their calls as steps of a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trygon._core.options import METHOD_OPTIONS, check_options
from trygon.dag.dag_node import DAGNode
from trygon.dag.input_node import InputAttributeNode, InputNode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trygon.dag.dag_node import Results

_BUILT_IN = ("__ray_ready__", "__ray_call__", "__ray_terminate__")


class ClassNode(DAGNode):
    """What `C.bind(...)` returns: an actor that each `execute` makes once, and that ends when its calls are done.

    Calls bound on it run in the order in which they were bound.
    """

    def __init__(
        self, target: Any, cls: type, args: tuple[Any, ...], kwargs: dict[str, Any], options: dict[str, Any]
    ) -> None:
        super().__init__(args, kwargs, options)
        self._target, self._class = target, cls
        self._last_call: ClassMethodNode | None = None
        for node in self._order():
            if isinstance(node, (InputNode, InputAttributeNode)):
                raise ValueError(
                    f"The input of a graph cannot be an argument of the constructor of {cls.__name__}: give it to a"
                    " method, or make the actor with .remote(...) first."
                )

    def _run(self, results: Results, given: tuple[tuple[Any, ...], dict[str, Any]]) -> Any:
        args, kwargs = self._arguments(results)
        return self._target.remote(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        cls = self.__dict__.get("_class")
        if cls is None or name == "remote" or (name.startswith("__") and name not in _BUILT_IN):
            return super().__getattr__(name)
        if not callable(getattr(cls, name, None)) and name not in _BUILT_IN:
            raise AttributeError(f"The class {cls.__name__} has no method {name!r}, so it cannot be bound.")
        return _UnboundMethod(self, name, {})

    def _title(self) -> str:
        return f"{self._class.__name__} (actor)"


class _UnboundMethod:
    """`C.bind(...).method`, before its own `bind`."""

    def __init__(self, parent: ClassNode, name: str, options: dict[str, Any]) -> None:
        self._parent, self._name, self._options = parent, name, options

    def options(self, **options: Any) -> _UnboundMethod:
        """The same method with other options."""
        check_options(options, METHOD_OPTIONS, "An actor's method")
        return _UnboundMethod(self._parent, self._name, {**self._options, **options})

    def bind(self, *args: Any, **kwargs: Any) -> ClassMethodNode:
        """A call of the method as a step of a graph."""
        previous = self._parent._last_call
        node = ClassMethodNode(self._parent, self._name, args, kwargs, self._options, previous)
        self._parent._last_call = node
        return node

    def remote(self, *args: Any, **kwargs: Any) -> Any:
        """Not before the graph runs."""
        raise AttributeError(
            f".remote() cannot be used on .{self._name} of an actor that a graph makes: use .bind(...), and .execute()"
            " on the graph."
        )


class ClassMethodNode(DAGNode):
    """A call of a method. `parent` is the node of the actor, or the handle of one that is there already."""

    def __init__(
        self,
        parent: Any,
        name: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        options: dict[str, Any],
        previous: ClassMethodNode | None = None,
    ) -> None:
        super().__init__(args, kwargs, options)
        self._parent, self._name = parent, name
        self._previous_call = previous
        self._method: Any = None

    @property
    def is_class_method_call(self) -> bool:
        """True: it is a call."""
        return True

    @property
    def is_class_method_output(self) -> bool:
        """False: it is not one of several results of a call."""
        return False

    @property
    def num_returns(self) -> int:
        """How many results the call has."""
        return int(self._bound_options.get("num_returns") or 1)

    @property
    def output_idx(self) -> int | None:
        """Which result of a call it is, if it is one."""
        return None

    def get_method_name(self) -> str:
        """The method's name."""
        return self._name

    def get_other_args_to_resolve(self) -> dict[str, Any]:
        """The actor, and the call before this one."""
        return {"parent_class_node": self._parent, "prev_class_method_call": self._previous_call}

    def _others(self) -> Iterator[DAGNode]:
        if isinstance(self._parent, DAGNode):
            yield self._parent
        if self._previous_call is not None:
            yield self._previous_call

    def _bound_method(self, handle: Any) -> Any:
        method = getattr(handle, self._name)
        return method.options(**self._bound_options) if self._bound_options else method

    def _run(self, results: Results, given: tuple[tuple[Any, ...], dict[str, Any]]) -> Any:
        args, kwargs = self._arguments(results)
        if isinstance(self._parent, DAGNode):
            return self._bound_method(results[self._parent]).remote(*args, **kwargs)
        if self._method is None:
            self._method = self._bound_method(self._parent)
        return self._method.remote(*args, **kwargs)

    def _title(self) -> str:
        if isinstance(self._parent, ClassNode):
            return f"{self._parent._class.__name__}.{self._name}()"
        meta = getattr(self._parent, "_trygon_meta", None)
        return f"{getattr(meta, 'class_name', 'actor')}.{self._name}()"


class ClassMethodOutputNode(ClassMethodNode):
    """One of several results of a call."""

    def __init__(self, call: ClassMethodNode, index: int) -> None:
        super().__init__(call._parent, call._name, (call,), {}, {})
        self._index = index

    @property
    def is_class_method_call(self) -> bool:
        """False: it is a result."""
        return False

    @property
    def is_class_method_output(self) -> bool:
        """True."""
        return True

    @property
    def output_idx(self) -> int | None:
        """Which result it is."""
        return self._index

    @property
    def class_method_call(self) -> ClassMethodNode:
        """The call whose result it is."""
        return self._bound_args[0]  # type: ignore[no-any-return]

    def _others(self) -> Iterator[DAGNode]:
        return iter(())

    def _run(self, results: Results, given: tuple[tuple[Any, ...], dict[str, Any]]) -> Any:
        return results[self._bound_args[0]][self._index]

    def _title(self) -> str:
        return f"result {self._index}"


def bind_method(handle: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], options: dict[str, Any]) -> Any:
    """A call on an actor that is there: one node, or, for a method with several results, one for each."""
    num_returns = options.get("num_returns")
    node = ClassMethodNode(handle, name, args, kwargs, options)
    if isinstance(num_returns, int) and num_returns > 1:
        return tuple(ClassMethodOutputNode(node, index) for index in range(num_returns))
    return node
