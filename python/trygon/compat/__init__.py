"""Programs written for Ray, unchanged.

`python -m trygon.compat script.py` and `trygon run --ray script.py` run one; `trygon.compat.ray.install()` makes
`import ray` mean Trygon in a program that is running already.
"""

__all__ = ["ray"]
