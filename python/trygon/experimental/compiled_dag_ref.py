"""What executing a compiled graph returns, where Ray has it."""

from __future__ import annotations

from trygon.dag.results import CompiledDAGFuture, CompiledDAGRef

__all__ = ["CompiledDAGFuture", "CompiledDAGRef"]
