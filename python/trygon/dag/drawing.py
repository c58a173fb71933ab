"""Graphs as pictures: text, Graphviz's language, and files that the program `dot` makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trygon.dag.dag_node import DAGNode, describe

if TYPE_CHECKING:
    from typing import Any


def plot(dag: DAGNode, to_file: str | None = None) -> str:
    """Writes a picture of the graph to a file, whose ending says the format. Returns it in Graphviz's language."""
    text = as_dot(dag)
    if to_file is not None:
        name, _, format = to_file.rpartition(".")
        _write(text, name or to_file, format if name else "png")
    return text


def draw(last: DAGNode, filename: str, format: str, view: bool) -> str:
    """See `CompiledDAG.visualize`."""
    if format == "ascii":
        return describe(last)
    text = as_dot(last)
    if format != "dot":
        path = _write(text, filename, format)
        if view:
            import webbrowser

            webbrowser.open(f"file://{path}")
    return text


def as_dot(last: DAGNode) -> str:
    """The graph in Graphviz's language."""
    order = last._order()
    numbers = {node: number for number, node in enumerate(order)}
    lines = ["digraph {", "  rankdir=LR;"]
    for node in order:
        label = node._title().replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'  n{numbers[node]} [shape=box, label="{label}"];')
        lines += [f"  n{numbers[previous]} -> n{numbers[node]};" for previous in node._previous()]
    return "\n".join([*lines, "}", ""])


def _write(text: str, filename: str, format: str) -> str:
    import os
    import shutil
    import subprocess

    path = os.path.abspath(f"{filename}.{format}")
    if format == "dot":
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path
    program: Any = shutil.which("dot")
    if program is None:
        raise ImportError(
            f"A picture as {format} needs the program dot of Graphviz, which is not installed: install Graphviz, or use"
            ' format="ascii" or format="dot".'
        )
    done = subprocess.run([program, f"-T{format}", "-o", path], input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ValueError(f"dot cannot write {path}: {done.stderr.strip()}")
    return path
