"""Ray's other name of `trygon.util.pdb`."""

from __future__ import annotations

from trygon.util.pdb import post_mortem, set_trace

__all__ = ["post_mortem", "set_trace"]
