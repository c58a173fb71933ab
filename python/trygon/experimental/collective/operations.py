"""`allreduce.bind([node, ...])`: the results of several actors become one operation of all of them, inside a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from trygon.dag.class_node import ClassMethodNode
from trygon.dag.dag_node import DAGNode
from trygon.util import collective
from trygon.util.collective import ReduceOp

if TYPE_CHECKING:
    from trygon.dag.dag_node import Results


class _Operation:
    def __init__(self, name: str) -> None:
        self._name = name

    def bind(self, input_nodes: list[Any], op: ReduceOp = ReduceOp.SUM, transport: Any = None) -> list[DAGNode]:
        """One node for each of `input_nodes`, which are calls on different actors that return tensors (numpy or torch).

        `transport` may name a backend of `trygon.util.collective`.
        """
        if not isinstance(op, ReduceOp):
            raise ValueError(f"op must be ReduceOp.SUM, PRODUCT, MIN or MAX, but {op!r} was given.")
        if transport is not None and not (isinstance(transport, str) and collective.is_backend_available(transport)):
            raise ValueError(
                f"transport must be None or a backend of trygon.util.collective, but {transport!r} was given."
            )
        call = CollectiveCallNode(self._name, input_nodes, op, transport or "trygon")
        return [CollectiveOutputNode(call, rank) for rank in range(len(input_nodes))]

    def __repr__(self) -> str:
        return f"<collective operation {self._name}>"


class CollectiveCallNode(DAGNode):
    """The operation on all actors."""

    def __init__(self, name: str, nodes: list[Any], op: ReduceOp, backend: str) -> None:
        if not isinstance(nodes, (list, tuple)) or not nodes:
            raise ValueError(f"{name} takes a list of calls on actors, but {nodes!r} was given.")
        handles = []
        for node in nodes:
            if not isinstance(node, ClassMethodNode) or isinstance(node._parent, DAGNode):
                raise ValueError(f"{name} takes calls on actors made with .remote(...), but {node!r} was given.")
            handles.append(node._parent)
        if len(set(handles)) != len(handles):
            raise ValueError(f"{name} takes calls on different actors, but two are on the same.")
        super().__init__(tuple(nodes), {})
        self._name, self._handles, self._op, self._backend = name, handles, op, backend
        self._group = f"graph-{uuid4().hex}"

    def _run(self, results: Results, given: tuple[tuple[Any, ...], dict[str, Any]]) -> Any:
        count = len(self._handles)
        if not collective.is_declared(self._group):
            collective.create_collective_group(self._handles, count, list(range(count)), self._backend, self._group)
        return [
            handle.__ray_call__.remote(_take_part, self._name, self._group, self._op, count, results[node])
            for handle, node in zip(self._handles, self._bound_args, strict=True)
        ]

    def _title(self) -> str:
        return f"{self._name}({self._op.name})"


class CollectiveOutputNode(DAGNode):
    """What one of the actors has after the operation."""

    def __init__(self, call: CollectiveCallNode, rank: int) -> None:
        super().__init__((call,), {})
        self._rank = rank

    @property
    def collective_op(self) -> CollectiveCallNode:
        """The operation."""
        return self._bound_args[0]  # type: ignore[no-any-return]

    def _run(self, results: Results, given: tuple[tuple[Any, ...], dict[str, Any]]) -> Any:
        return results[self._bound_args[0]][self._rank]

    def _title(self) -> str:
        return f"result of rank {self._rank}"


def _take_part(_: Any, name: str, group: str, op: ReduceOp, count: int, tensor: Any) -> Any:
    """On an actor. The tensor is a result of another call, so it is not written."""
    if not hasattr(tensor, "shape"):
        raise TypeError(
            f"{name} needs results that are tensors of numpy or torch, but one is a {type(tensor).__name__}."
        )
    if name == "allreduce":
        copy = _like(tensor, tensor.shape)
        copy[...] = tensor
        collective.allreduce(copy, group, op)
        return copy
    if not tensor.shape:
        raise ValueError(f"{name} needs tensors with at least one dimension.")
    if name == "allgather":
        whole = _like(tensor, (count * tensor.shape[0], *tensor.shape[1:]))
        collective.allgather(_parts(whole, count), tensor, group)
        return whole
    if tensor.shape[0] % count:
        raise ValueError(
            f"reducescatter of {count} actors needs tensors whose first dimension is a multiple of {count}, but it is"
            f" {tensor.shape[0]}."
        )
    part = _like(tensor, (tensor.shape[0] // count, *tensor.shape[1:]))
    collective.reducescatter(part, _parts(tensor, count), group, op)
    return part


def _parts(tensor: Any, count: int) -> list[Any]:
    size = tensor.shape[0] // count
    return [tensor[rank * size : (rank + 1) * size] for rank in range(count)]


def _like(tensor: Any, shape: tuple[int, ...]) -> Any:
    if hasattr(tensor, "new_empty"):
        return tensor.new_empty(shape)
    import numpy

    return numpy.empty(shape, tensor.dtype)


allreduce = _Operation("allreduce")
allgather = _Operation("allgather")
reducescatter = _Operation("reducescatter")
