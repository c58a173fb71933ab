"""`remote`: the one decorator, for functions and classes."""

from __future__ import annotations

from trygon._core.actor_class import ActorClass
from trygon._core.remote_function import RemoteFunction, is_function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def remote(*args: Any, **options: Any) -> Any:
    """Makes a function run as tasks, or a class as actors.

    `@remote`, `@remote(num_cpus=2)`, and `remote(f)` all work; so does `remote(num_cpus=2)(f)`.
    """
    if len(args) == 1 and not options and callable(args[0]):
        return _make(args[0], {})
    if args:
        raise TypeError("@remote takes either nothing, as in @remote, or keyword options, as in @remote(num_cpus=2).")
    return lambda target: _make(target, dict(options))


def _make(target: Any, options: dict[str, Any]) -> RemoteFunction | ActorClass:
    if isinstance(target, type):
        return ActorClass(target, options)
    if is_function(target):
        return RemoteFunction(target, options)
    if isinstance(target, (RemoteFunction, ActorClass)):
        raise TypeError(f"{target.__name__} is remote already; use .options(...) to change its options.")
    raise TypeError(f"@remote makes functions and classes remote, but {type(target).__name__} was given.")
