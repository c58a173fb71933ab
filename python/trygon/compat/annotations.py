"""`ray.util.annotations`: marks that libraries put on their functions. Those for deprecated ones may warn."""

from __future__ import annotations

import functools
import warnings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class RayDeprecationWarning(DeprecationWarning):
    """Something will be removed."""


def _mark(**marks: Any) -> Any:
    def annotate(target: Any) -> Any:
        for name, value in marks.items():
            try:
                setattr(target, name, value)
            except (AttributeError, TypeError):
                pass
        return target

    return annotate


def PublicAPI(*args: Any, stability: str = "stable", api_group: str = "Others") -> Any:
    """Marks a part of a public interface; `stability` is "stable", "beta" or "alpha"."""
    if stability not in ("stable", "beta", "alpha"):
        raise ValueError(f"stability must be 'stable', 'beta' or 'alpha', but {stability!r} was given.")
    annotate = _mark(_annotated_type="PublicAPI", _annotated_api_group=api_group)
    return annotate(args[0]) if args else annotate


def DeveloperAPI(*args: Any, api_group: str = "Others") -> Any:
    """Marks a part for authors of libraries."""
    annotate = _mark(_annotated_type="DeveloperAPI", _annotated_api_group=api_group)
    return annotate(args[0]) if args else annotate


def RayInternal(*args: Any, **_: Any) -> Any:
    """Marks something private."""
    annotate = _mark(_annotated_type="RayInternal")
    return annotate(args[0]) if args else annotate


def Deprecated(*args: Any, message: str = "", warning: bool = False, **_: Any) -> Any:
    """Marks something deprecated; with `warning=True`, calling it warns."""

    def annotate(target: Any) -> Any:
        if not warning or isinstance(target, type):
            return target

        @functools.wraps(target)
        def warned(*call_args: Any, **kwargs: Any) -> Any:
            text = f"{target.__name__} is deprecated. {message}".rstrip()
            warnings.warn(text, RayDeprecationWarning, stacklevel=2)
            return target(*call_args, **kwargs)

        return warned

    return annotate(args[0]) if args else annotate


__all__ = ["Deprecated", "DeveloperAPI", "PublicAPI", "RayDeprecationWarning", "RayInternal"]
