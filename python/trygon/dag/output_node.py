"""Several ends of one graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trygon.dag.dag_node import DAGNode

if TYPE_CHECKING:
    from trygon.dag.dag_node import Results


class MultiOutputNode(DAGNode):
    """The results of several nodes, as a list in their order."""

    def __init__(self, args: Any, other_args_to_resolve: dict[str, Any] | None = None) -> None:
        if isinstance(args, tuple):
            args = list(args)
        if not isinstance(args, list):
            raise ValueError(f"MultiOutputNode takes a list of nodes, but {type(args).__name__} was given.")
        super().__init__((args,), other_args_to_resolve or {})

    @property
    def outputs(self) -> list[Any]:
        """The nodes."""
        return list(self._bound_args[0])

    def get_args(self) -> tuple[Any, ...]:
        """The nodes."""
        return tuple(self._bound_args[0])

    def _run(self, results: Results, given: tuple[tuple[Any, ...], dict[str, Any]]) -> Any:
        return [results[each] if isinstance(each, DAGNode) else each for each in self._bound_args[0]]

    def _title(self) -> str:
        return "output"
