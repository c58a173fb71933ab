"""Graphs of tasks and actors' calls that are written down first (`bind`) and run later (`execute`), many times."""

from __future__ import annotations

from trygon.dag.class_node import ClassMethodNode, ClassNode
from trygon.dag.compiled_dag_node import CompiledDAG
from trygon.dag.context import DAGContext
from trygon.dag.dag_node import DAGNode
from trygon.dag.drawing import plot
from trygon.dag.function_node import FunctionNode
from trygon.dag.input_node import DAGInputData, InputAttributeNode, InputNode
from trygon.dag.output_node import MultiOutputNode

__all__ = [
    "ClassMethodNode",
    "ClassNode",
    "CompiledDAG",
    "DAGContext",
    "DAGInputData",
    "DAGNode",
    "FunctionNode",
    "InputAttributeNode",
    "InputNode",
    "MultiOutputNode",
    "plot",
]
