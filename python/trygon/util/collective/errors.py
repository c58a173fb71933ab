"""What can go wrong between the members of a group."""

from __future__ import annotations


class CollectiveError(RuntimeError):
    """A call between members failed, on all of them: they called different things, one ended, or one gave up.

    The group cannot be used any more: every member destroys it, and makes it again if it is still needed.
    """


class CollectiveTimeoutError(CollectiveError):
    """A member did not take part within the group's time-out."""


class InvalidRankError(ValueError, AssertionError):
    """A rank or a number of members that cannot be."""
