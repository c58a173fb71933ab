"""joblib on the engine: `register_trygon()`, then `with joblib.parallel_backend("trygon"): ...`."""

from __future__ import annotations

__all__ = ["register_ray", "register_trygon"]


def register_trygon() -> None:
    """Makes `"trygon"` a backend of joblib. ImportError when joblib is not installed."""
    _register("trygon")


def register_ray() -> None:
    """Makes `"ray"` a backend of joblib, for programs written for Ray; it is the same as `"trygon"`."""
    _register("ray")


def _register(name: str) -> None:
    try:
        from joblib.parallel import register_parallel_backend  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        raise ImportError("joblib is not installed; run: pip install joblib") from error
    from trygon.util.joblib.backend import TrygonBackend

    register_parallel_backend(name, TrygonBackend)
