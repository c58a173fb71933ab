"""`explain()`: what something is, how it is, and why; what the command `trygon explain` prints."""

from __future__ import annotations

from trygon import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trygon._native import ObjectRef


class Explanation(str):
    """A text for people; `things` has the same as data, a dictionary for each thing that was found."""

    things: list[dict[str, Any]]
    __slots__ = ("things",)

    def __repr__(self) -> str:
        # At a prompt it is to be read.
        return str(self)


def explain(what: str | ObjectRef | Any) -> Explanation:
    """What something is, how it is, and why it is not there, or does not run.

    `what` is a reference, an actor's handle, a placement group, or an id of `trygon.TaskID` and the like; or a text:
    an id in hexadecimal or its beginning (of a task or an object 8 digits at least), the name of an actor or a group,
    an error's code. Asks every process that may know, on all nodes, and takes up to 3 s when one of them is stopped.

    Raises ValueError, with the reason, for what nobody knows and for a beginning of several ids, TypeError for a value
    that has no id.
    """
    import json

    text, found = _native.explain(_id_of(what))
    explanation = Explanation(text)
    explanation.things = json.loads(found)
    return explanation


def _id_of(what: Any) -> str:
    if isinstance(what, str):
        return what
    # A handle takes any public name for a method of its actor: its own are private.
    if hasattr(what, "_actor_id"):
        what = what._actor_id
    elif hasattr(what, "bundle_specs"):
        what = what.id
    if isinstance(what, bytes):
        return what.hex()
    digits = getattr(what, "hex", None)
    if not callable(digits) or isinstance(what, float):
        kind = type(what).__name__
        raise TypeError(f"explain() takes a reference, a handle, a placement group, an id or a text, got {kind}.")
    return str(digits())
