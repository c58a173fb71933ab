"""The base of all nodes: what a node holds, and running the graph that ends in it.

A graph is made of nodes that never change; a node's plan (all nodes before it, in order) is found once and kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Results = dict["DAGNode", Any]


class DAGNode:
    """One step of a graph: a call that was bound instead of made. Arguments may hold other nodes, also in lists,
    tuples, dicts and sets; these become what the nodes' calls return.
    """

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any], options: dict[str, Any] | None = None) -> None:
        self._bound_args = tuple(args)
        self._bound_kwargs = dict(kwargs)
        self._bound_options = dict(options or {})
        self._stable_uuid: str | None = None
        self._plan: list[DAGNode] | None = None
        self._last_refs: dict[str, Any] = {}
        # Whether something must be replaced in the arguments when they are used.
        self._is_plain = not any(True for _ in _nodes_in([self._bound_args, self._bound_kwargs]))

    # --- What is known of it.

    def get_args(self) -> tuple[Any, ...]:
        """The bound positional arguments."""
        return self._bound_args

    def get_kwargs(self) -> dict[str, Any]:
        """The bound keyword arguments."""
        return dict(self._bound_kwargs)

    def get_options(self) -> dict[str, Any]:
        """The options of the call."""
        return dict(self._bound_options)

    def get_other_args_to_resolve(self) -> dict[str, Any]:
        """What the call needs besides its arguments."""
        return {}

    def get_stable_uuid(self) -> str:
        """An id that the node keeps, also when it is sent elsewhere."""
        if self._stable_uuid is None:
            from uuid import uuid4

            self._stable_uuid = uuid4().hex
        return self._stable_uuid

    # --- The graph.

    def _others(self) -> Iterator[DAGNode]:
        """Nodes that must come first, apart from those in the arguments."""
        return iter(())

    def _previous(self) -> list[DAGNode]:
        return list(dict.fromkeys([*self._others(), *_nodes_in([self._bound_args, self._bound_kwargs])]))

    def _order(self) -> list[DAGNode]:
        """Every node of the graph that ends here, each after the ones it needs."""
        if self._plan is None:
            self._plan = _in_order(self)
        return self._plan

    def _arguments(self, results: Results) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of the call, with results in the place of nodes."""
        if self._is_plain:
            return self._bound_args, self._bound_kwargs
        args = tuple([_replaced(value, results) for value in self._bound_args])
        return args, {name: _replaced(value, results) for name, value in self._bound_kwargs.items()}

    def _run(self, results: Results, given: tuple[tuple[Any, ...], dict[str, Any]]) -> Any:
        """Makes the call; `given` is what `execute` was called with."""
        raise NotImplementedError

    def execute(self, *args: Any, _ray_cache_refs: bool = False, **kwargs: Any) -> Any:
        """Makes every call of the graph that ends in this node, each once; arguments go to its `InputNode`.

        Returns what this node's call returns at once: a reference, a handle of an actor, or a list of references.
        """
        results: Results = {}
        given = (args, kwargs)
        for node in self._order():
            results[node] = node._run(results, given)
        if _ray_cache_refs:
            self._last_refs = {node.get_stable_uuid(): value for node, value in results.items()}
        return results[self]

    def get_object_refs_from_last_execute(self) -> dict[str, Any]:
        """What each node returned in the last `execute(..., _ray_cache_refs=True)`, by the nodes' ids."""
        return dict(self._last_refs)

    def clear_cache(self) -> None:
        """Forgets these references."""
        self._last_refs = {}

    def traverse_and_apply(self, fn: Callable[[DAGNode], Any]) -> Any:
        """Calls `fn` with every node of the graph, in order; returns what it returned for this one."""
        found = None
        for node in self._order():
            found = fn(node)
        return found

    def experimental_compile(
        self,
        _submit_timeout: float | None = None,
        _buffer_size_bytes: int | None = None,
        enable_asyncio: bool = False,
        _max_inflight_executions: int | None = None,
        _max_buffered_results: int | None = None,
        _overlap_gpu_communication: bool | None = None,
        _default_communicator: Any = "auto",
    ) -> Any:
        """Checks the graph once and makes its actors once, for many executions. Returns a `CompiledDAG`.

        At most `_max_inflight_executions` (10) executions may be unread at a time. With `enable_asyncio` the graph is
        executed with `execute_async`. The other options are about Ray's channels and change nothing here.
        """
        from trygon.dag.compiled_dag_node import compile_graph

        return compile_graph(
            self,
            enable_asyncio=enable_asyncio,
            max_inflight_executions=_max_inflight_executions,
            submit_timeout=_submit_timeout,
            buffer_size_bytes=_buffer_size_bytes,
            max_buffered_results=_max_buffered_results,
        )

    def with_tensor_transport(self, transport: Any = "auto", device: Any = "default") -> NoReturn:
        """Part of Ray for tensors on GPUs. Refused."""
        raise NotImplementedError(
            "with_tensor_transport moves tensors between GPUs directly, which this version of Trygon does not have:"
            " leave it out, and results travel through the object store."
        )

    def __getattr__(self, name: str) -> Any:
        if name == "remote":
            raise AttributeError(
                f".remote() cannot be used on a {type(self).__name__}: it is a step of a graph. Use .execute() to run"
                " the graph."
            )
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __getstate__(self) -> dict[str, Any]:
        self.get_stable_uuid()
        return {**self.__dict__, "_plan": None, "_last_refs": {}}

    def _title(self) -> str:
        return type(self).__name__

    def __str__(self) -> str:
        return describe(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._title()})"


def _nodes_in(values: Any) -> Iterator[DAGNode]:
    """The nodes in a value, however deep in containers."""
    stack = [values]
    while stack:
        value = stack.pop()
        if isinstance(value, DAGNode):
            yield value
        elif isinstance(value, dict):
            stack.extend(reversed([*value.keys(), *value.values()]))
        elif isinstance(value, (list, tuple, set, frozenset)):
            stack.extend(reversed(list(value)))
        elif _is_record(value):
            stack.extend(reversed(list(vars(value).values())))


def _is_record(value: Any) -> bool:
    """Instances of dataclasses; anything else is sent as it is."""
    return hasattr(type(value), "__dataclass_fields__") and hasattr(value, "__dict__")


def _replaced(value: Any, results: Results) -> Any:
    """The value with results in the place of nodes; containers without nodes are kept as they are."""
    if isinstance(value, DAGNode):
        return results[value]
    if not isinstance(value, (dict, list, tuple, set, frozenset)) and not _is_record(value):
        return value
    if next(_nodes_in(value), None) is None:
        return value
    if isinstance(value, dict):
        made = {_replaced(key, results): _replaced(member, results) for key, member in value.items()}
        return made if type(value) is dict else _as_kind(value, made)
    if isinstance(value, (list, tuple, set, frozenset)):
        members = [_replaced(member, results) for member in value]
        if hasattr(value, "_fields"):
            return type(value)(*members)
        return type(value)(members)
    return _as_record(value, results)


def _as_kind(value: dict[Any, Any], made: dict[Any, Any]) -> Any:
    from copy import copy

    copied = copy(value)
    copied.clear()
    copied.update(made)
    return copied


def _as_record(value: Any, results: Results) -> Any:
    from copy import copy

    copied = copy(value)
    for name, member in vars(value).items():
        # Frozen dataclasses refuse ordinary assignment.
        object.__setattr__(copied, name, _replaced(member, results))
    return copied


def _in_order(last: DAGNode) -> list[DAGNode]:
    order: list[DAGNode] = []
    done: set[DAGNode] = set()
    stack: list[tuple[DAGNode, Iterator[DAGNode]]] = [(last, iter(last._previous()))]
    begun = {last}
    while stack:
        node, previous = stack[-1]
        following = next((each for each in previous if each not in begun), None)
        if following is None:
            stack.pop()
            if node not in done:
                done.add(node)
                order.append(node)
        else:
            begun.add(following)
            stack.append((following, iter(following._previous())))
    return order


def describe(node: DAGNode) -> str:
    """The graph that ends in the node, one line for each step."""
    order = node._order()
    numbers = {each: number for number, each in enumerate(order)}
    lines = []
    for each in order:
        needs = ", ".join(str(numbers[previous]) for previous in each._previous())
        lines.append(f"{numbers[each]}: {each._title()}" + (f" <- {needs}" if needs else ""))
    return "\n".join(lines)
