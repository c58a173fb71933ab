"""Dask's collections computed by the engine: `enable_dask_on_trygon()`, or `x.compute(scheduler=trygon_dask_get)`."""

from __future__ import annotations

try:
    import dask as _dask  # type: ignore[import-not-found, unused-ignore]  # noqa: F401
    from dask import _task_spec as _  # noqa: F401
except ImportError as error:
    raise ImportError("dask 2024.12 or later is not installed; run: pip install 'dask>=2024.12'") from error

from trygon.util.dask.callbacks import (
    ProgressBarCallback,
    TrygonDaskCallback,
    local_ray_callbacks,
    unpack_ray_callbacks,
)
from trygon.util.dask.scheduler import (
    dataframe_optimize,
    disable_dask_on_trygon,
    enable_dask_on_trygon,
    trygon_dask_get,
    trygon_dask_get_sync,
    trygon_dask_persist,
)

# Ray's names of the same things.
RayDaskCallback = TrygonDaskCallback
enable_dask_on_ray = enable_dask_on_trygon
disable_dask_on_ray = disable_dask_on_trygon
ray_dask_get = trygon_dask_get
ray_dask_get_sync = trygon_dask_get_sync
ray_dask_persist = trygon_dask_persist

__all__ = [
    "ProgressBarCallback",
    "RayDaskCallback",
    "TrygonDaskCallback",
    "dataframe_optimize",
    "disable_dask_on_ray",
    "disable_dask_on_trygon",
    "enable_dask_on_ray",
    "enable_dask_on_trygon",
    "local_ray_callbacks",
    "ray_dask_get",
    "ray_dask_get_sync",
    "ray_dask_persist",
    "trygon_dask_get",
    "trygon_dask_get_sync",
    "trygon_dask_persist",
    "unpack_ray_callbacks",
]
