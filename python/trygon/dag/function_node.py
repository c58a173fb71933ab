"""A task as a step of a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trygon.dag.dag_node import DAGNode

if TYPE_CHECKING:
    from trygon.dag.dag_node import Results


class FunctionNode(DAGNode):
    """What `f.bind(...)` returns. `target` is the remote function, with its options."""

    def __init__(
        self, target: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], options: dict[str, Any]
    ) -> None:
        super().__init__(args, kwargs, options)
        self._target = target
        self._name = name

    def _run(self, results: Results, given: tuple[tuple[Any, ...], dict[str, Any]]) -> Any:
        args, kwargs = self._arguments(results)
        return self._target.remote(*args, **kwargs)

    def _title(self) -> str:
        return f"{self._name}()"
