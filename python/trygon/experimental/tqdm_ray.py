"""Progress bars that work in tasks and actors: `from trygon.experimental.tqdm_ray import tqdm`.

The driver draws the bars of all workers below what is printed. The interface is the part of tqdm's that Ray has.
"""

from __future__ import annotations

from trygon._core.progress_bar import instance, safe_print, tqdm

__all__ = ["instance", "safe_print", "tqdm"]
