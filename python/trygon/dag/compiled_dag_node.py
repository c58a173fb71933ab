"""A graph that was checked, and whose actors were made, once: executing it only submits the calls.

The calls are ordinary calls of actors and tasks, which go from process to process without a scheduler in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trygon._core.actor_class import kill
from trygon._core.actor_handle import ActorHandle
from trygon.dag.class_node import ClassNode
from trygon.dag.context import DAGContext
from trygon.dag.dag_node import DAGNode
from trygon.dag.input_node import InputAttributeNode, InputNode
from trygon.dag.output_node import MultiOutputNode
from trygon.dag.results import CompiledDAGFuture, CompiledDAGRef
from trygon.exceptions import RayCgraphCapacityExceeded, RayChannelError

if TYPE_CHECKING:
    from typing import Self

    from trygon.dag.dag_node import Results


class CompiledDAG:
    """What `experimental_compile` returns."""

    def __init__(self, last: DAGNode, *, enable_asyncio: bool, max_inflight_executions: int) -> None:
        self._last = last
        self._is_async = enable_asyncio
        self._most = max_inflight_executions
        self._unread = 0
        self._executions = 0
        self._is_teardown = False
        order = last._order()
        self._input = _InputShape(last, order)
        self._fixed: Results = {}
        for node in order:
            # Actors, and what their constructors need, are made now and stay.
            if isinstance(node, ClassNode):
                for before in node._order():
                    if before not in self._fixed:
                        self._fixed[before] = before._run(self._fixed, ((), {}))
        self._steps = [
            node for node in order if node not in self._fixed and not isinstance(node, (InputNode, InputAttributeNode))
        ]

    @property
    def is_teardown(self) -> bool:
        """Whether `teardown` was called."""
        return self._is_teardown

    def get_id(self) -> str:
        """The id of the graph."""
        return self._last.get_stable_uuid()

    def execute(self, *args: Any, **kwargs: Any) -> CompiledDAGRef | list[CompiledDAGRef]:
        """Submits the graph's calls. Returns one reference, or a list of them if the graph has several outputs.

        RayCgraphCapacityExceeded: too many executions have not been read yet. RayChannelError: after `teardown`.
        """
        if self._is_async:
            raise ValueError("This graph was compiled with enable_asyncio=True: use await graph.execute_async(...).")
        return self._submit(CompiledDAGRef, args, kwargs)  # type: ignore[no-any-return]

    async def execute_async(self, *args: Any, **kwargs: Any) -> CompiledDAGFuture | list[CompiledDAGFuture]:
        """As `execute`, for a graph compiled with `enable_asyncio=True`: what it returns can be awaited, once."""
        if not self._is_async:
            raise ValueError(
                "execute_async needs a graph that was compiled with enable_asyncio=True; use execute here."
            )
        return self._submit(CompiledDAGFuture, args, kwargs)  # type: ignore[no-any-return]

    def _submit(self, kind: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._is_teardown:
            raise RayChannelError("The compiled graph was torn down: compile the graph again to execute it.")
        results = self._input.results(args, kwargs)
        if self._unread >= self._most:
            raise RayCgraphCapacityExceeded(
                f"The compiled graph has {self._unread} executions that were not read, and {self._most} is the most:"
                " get() their results before more are submitted, or compile with a larger _max_inflight_executions."
            )
        results.update(self._fixed)
        for node in self._steps:
            results[node] = node._run(results, ((), {}))
        value = results[self._last]
        self._unread += 1
        self._executions += 1
        if not isinstance(self._last, MultiOutputNode):
            return kind(self, _Execution(self, 1), value, self._executions - 1, None)
        execution = _Execution(self, len(value))
        return [kind(self, execution, each, self._executions - 1, index) for index, each in enumerate(value)]

    def visualize(
        self, filename: str = "compiled_graph", format: str = "png", view: bool = False, channel_details: bool = False
    ) -> str:
        """The graph as text: `format="ascii"` returns lines for people, "dot" Graphviz's language.

        Any other format also writes the file `filename.format`, with the program `dot` of Graphviz.
        """
        from trygon.dag.drawing import draw

        return draw(self._last, filename, format, view)

    def teardown(self, kill_actors: bool = False) -> None:
        """Ends it: no more executions, and actors that the graph made end when their calls are done.

        With `kill_actors` every actor of the graph is killed.
        """
        if not self._is_teardown and kill_actors:
            self._kill_actors()
        self._is_teardown = True
        self._fixed = {}
        self._steps = []

    def _kill_actors(self) -> None:
        handles = {getattr(node, "_parent", None) for node in self._steps}
        for handle in [*self._fixed.values(), *handles]:
            if isinstance(handle, ActorHandle):
                kill(handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.teardown()

    def __reduce__(self) -> Any:
        raise TypeError(
            "A compiled graph belongs to the process that compiled it: send the graph, and compile it there."
        )


class _Execution:
    """One execution, unread until each of its results was read or dropped."""

    def __init__(self, graph: CompiledDAG, results: int) -> None:
        self._graph, self._left = graph, results

    def one_read(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._graph._unread -= 1


class _InputShape:
    """What `execute` must be called with, and where the parts of it go."""

    def __init__(self, last: DAGNode, order: list[DAGNode]) -> None:
        inputs = [node for node in order if isinstance(node, InputNode)]
        if not inputs:
            raise ValueError(f"A graph needs an InputNode to be compiled, but there is none before {last!r}.")
        if len(inputs) > 1:
            raise ValueError("A graph can have one InputNode only, but several were found.")
        self.node = inputs[0]
        self.parts = [node for node in order if isinstance(node, InputAttributeNode)]
        others = (node for node in order if not isinstance(node, InputAttributeNode))
        self._is_whole_used = self.node is last or any(self.node in node._previous() for node in others)
        positions = [node.key + 1 for node in self.parts if isinstance(node.key, int)]
        self._names = {node.key for node in self.parts if isinstance(node.key, str)}
        self._positions = max(positions, default=1 if self._is_whole_used and not self._names else 0)

    def results(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Results:
        """What the input and its parts are in this execution; ValueError if the arguments do not fit."""
        if len(args) != self._positions:
            raise ValueError(
                f"The compiled graph is executed with {self._positions} positional arguments, but {len(args)} were"
                " given."
            )
        for name in sorted(self._names - kwargs.keys()):
            raise ValueError(f"The compiled graph is executed with an argument named {name!r}, which is missing.")
        for name in kwargs.keys() - self._names:
            raise ValueError(f"The compiled graph has no use for an argument named {name!r}.")
        found: Results = {self.node: self.node._run({}, (args, kwargs))} if self._is_whole_used else {}
        for part in self.parts:
            found[part] = args[part.key] if isinstance(part.key, int) else kwargs[part.key]
        return found


def compile_graph(
    last: DAGNode,
    *,
    enable_asyncio: bool,
    max_inflight_executions: int | None,
    submit_timeout: float | None,
    buffer_size_bytes: int | None,
    max_buffered_results: int | None,
) -> CompiledDAG:
    """Checks the options and the graph."""
    if not isinstance(enable_asyncio, bool):
        raise TypeError(f"enable_asyncio must be True or False, but {enable_asyncio!r} was given.")
    counts = {
        "_max_inflight_executions": max_inflight_executions,
        "_max_buffered_results": max_buffered_results,
        "_buffer_size_bytes": buffer_size_bytes,
    }
    for name, value in counts.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value <= 0):
            raise ValueError(f"{name} must be an int greater than zero, or None, but {value!r} was given.")
    if submit_timeout is not None and (
        isinstance(submit_timeout, bool) or not isinstance(submit_timeout, (int, float))
    ):
        raise ValueError(f"_submit_timeout must be a number of seconds, or None, but {submit_timeout!r} was given.")
    most = (
        DAGContext.get_current().max_inflight_executions if max_inflight_executions is None else max_inflight_executions
    )
    return CompiledDAG(last, enable_asyncio=enable_asyncio, max_inflight_executions=most)
