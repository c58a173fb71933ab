"""Checks a call's arguments against what it calls, before anything is sent.

Without `inspect`, whose import costs more than an actor.
"""

from __future__ import annotations

from types import FunctionType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_VARARGS, _VARKEYWORDS = 0x04, 0x08
# Stands for "as many as you like".
UNLIMITED = (1 << 31) - 1

# What is known of a signature, in a form that travels with an actor's handle: positional parameters, how many of
# them have defaults, how many are positional-only, keyword-only parameters, the required ones among them, whether it
# takes *args and **kwargs.
Signature = tuple[tuple[str, ...], int, int, tuple[str, ...], tuple[str, ...], bool, bool]


def signature_of(function: Any, skipped: int = 0) -> Signature | None:
    """The signature of a plain function without its first `skipped` parameters; None when it cannot be told."""
    if not isinstance(function, FunctionType):
        return None
    code = function.__code__
    keyword_end = code.co_argcount + code.co_kwonlyargcount
    keyword_only = code.co_varnames[code.co_argcount : keyword_end]
    defaults = function.__kwdefaults__ or {}
    positional = code.co_varnames[skipped : code.co_argcount]
    return (
        positional,
        min(len(function.__defaults__ or ()), len(positional)),
        max(code.co_posonlyargcount - skipped, 0),
        keyword_only,
        tuple(name for name in keyword_only if name not in defaults),
        bool(code.co_flags & _VARARGS) or skipped > code.co_argcount,
        bool(code.co_flags & _VARKEYWORDS),
    )


def limits(signature: Signature) -> tuple[int, int]:
    """Least and most positional arguments with which a call without keywords is right, whatever they are."""
    positional, defaults, _, _, required, varargs, _ = signature
    if required:
        return UNLIMITED, 0
    return len(positional) - defaults, UNLIMITED if varargs else len(positional)


def checker(name: str, signature: Signature) -> Callable[[tuple[Any, ...], dict[str, Any] | None], None]:
    """What is called with the arguments that `limits` did not let pass: raises TypeError as Python itself would."""

    def check(args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> None:
        problem = _problem(signature, args, kwargs or {})
        if problem:
            raise TypeError(f"{name}() {problem}")

    return check


def _problem(signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    positional, defaults, positional_only, keyword_only, required, varargs, varkeywords = signature
    if len(args) > len(positional) and not varargs:
        takes = f"from {len(positional) - defaults} to {len(positional)}" if defaults else str(len(positional))
        return f"takes {takes} positional arguments, but {len(args)} were given"
    by_keyword = positional[positional_only:]
    for name in kwargs:
        if name in by_keyword:
            if positional.index(name) < len(args):
                return f"got several values for the argument {name!r}"
        elif name not in keyword_only and not varkeywords:
            return f"got an unexpected keyword argument {name!r}"
    needed = positional[len(args) : len(positional) - defaults]
    missing = [name for name in needed if name not in kwargs or name not in by_keyword]
    missing += [name for name in required if name not in kwargs]
    if not missing:
        return ""
    return f"lacks {'arguments' if len(missing) > 1 else 'the argument'} {', '.join(map(repr, missing))}"
