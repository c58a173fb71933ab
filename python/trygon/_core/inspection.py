"""Finding out why something cannot be pickled: which member, of what. Diagnosis only; slow and thorough."""

from __future__ import annotations

from typing import Any, NamedTuple

_MOST_MEMBERS = 200


class FailureTuple(NamedTuple):
    """One thing that cannot be serialised, what it is called, and what holds it."""

    obj: Any
    name: str
    parent: Any

    def __hash__(self) -> int:
        # The members themselves may be unhashable; identity is what distinguishes them.
        return hash((id(self.obj), self.name, id(self.parent)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FailureTuple) and hash(self) == hash(other)


class _Inspector:
    def __init__(self, write: Any) -> None:
        self.failures: list[FailureTuple] = []
        self._write = write
        self._seen: set[int] = set()

    def look(self, value: Any, name: str, parent: Any, depth: int, indent: int) -> bool:
        """Whether `value` can be pickled; if not, its guilty members are recorded."""
        error = _why_not(value)
        if error is None:
            return True
        self._write("    " * indent + f"✗ {name} ({_kind(value)}): {error}")
        if id(value) in self._seen:
            return False
        self._seen.add(id(value))
        before = len(self.failures)
        if depth > 0:
            for member_name, member in _members(value, name):
                self.look(member, member_name, value, depth - 1, indent + 1)
        if len(self.failures) == before:
            self.failures.append(FailureTuple(value, name, parent))
        return False


def _why_not(value: Any) -> str | None:
    import cloudpickle  # type: ignore[import-untyped]

    try:
        cloudpickle.dumps(value, protocol=5)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def _kind(value: Any) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _members(value: Any, name: str) -> list[tuple[str, Any]]:
    import inspect
    from itertools import islice

    found: list[tuple[str, Any]] = []
    if inspect.isfunction(value):
        found = _function_members(value, name)
    elif inspect.ismethod(value):
        found = [(f"{name}.__self__", value.__self__), (f"{name}.__func__", value.__func__)]
    elif isinstance(value, dict):
        found = [(f"{name}[{key!r}]", member) for key, member in islice(value.items(), _MOST_MEMBERS)]
    elif isinstance(value, (list, tuple, set, frozenset)):
        found = [(f"{name}[{index}]", member) for index, member in enumerate(islice(value, _MOST_MEMBERS))]
    elif inspect.isclass(value):
        found = [
            (f"{name}.{key}", member)
            for key, member in vars(value).items()
            if not key.startswith("__") or key == "__init__"
        ]
    else:
        state = getattr(value, "__dict__", None)
        if isinstance(state, dict):
            found = [(f"{name}.{key}", member) for key, member in state.items()]
        found += [(f"{name}.{slot}", getattr(value, slot)) for slot in _slots(type(value)) if hasattr(value, slot)]
    return found


def _slots(kind: type) -> list[str]:
    names: list[str] = []
    for base in kind.__mro__:
        slots = vars(base).get("__slots__", ())
        names += [slots] if isinstance(slots, str) else list(slots)
    return [name for name in names if name not in ("__dict__", "__weakref__")]


def _function_members(function: Any, name: str) -> list[tuple[str, Any]]:
    import inspect

    try:
        variables = inspect.getclosurevars(function)
    except (TypeError, ValueError):
        return []
    found = [(f"{key} (closure of {name})", value) for key, value in variables.nonlocals.items()]
    found += [(f"{key} (global used by {name})", value) for key, value in variables.globals.items()]
    found += [(f"default {index} of {name}", value) for index, value in enumerate(function.__defaults__ or ())]
    found += [(f"default {key} of {name}", value) for key, value in (function.__kwdefaults__ or {}).items()]
    return [(label, value) for label, value in found if value is not function]


def guilty_members(value: Any, name: str) -> list[str]:
    """The innermost things that cannot be pickled, as short phrases; empty when the search itself fails."""
    inspector = _Inspector(lambda line: None)
    try:
        inspector.look(value, name, None, 4, 0)
    except Exception:
        return []
    return [f"{failure.name}, a {_kind(failure.obj)}" for failure in inspector.failures[:5]]


def inspect_serializability(
    base_obj: Any, name: str | None = None, depth: int = 3, print_file: Any = None
) -> tuple[bool, set[FailureTuple]]:
    """Says whether `base_obj` can be sent to another process, and prints a tree of what cannot.

    Returns `(True, set())`, or `(False, failures)` with one `FailureTuple(obj, name, parent)` for each innermost
    culprit.
    """
    label = name or getattr(base_obj, "__name__", None) or _kind(base_obj)

    def write(line: str) -> None:
        print(line, file=print_file)

    write(f"Checking {label} ({_kind(base_obj)})")
    inspector = _Inspector(write)
    if inspector.look(base_obj, label, None, depth, 0):
        write(f"{label} can be serialized.")
        return True, set()
    names = ", ".join(failure.name for failure in inspector.failures)
    write(f"{label} cannot be serialized because of: {names}")
    return False, set(inspector.failures)
