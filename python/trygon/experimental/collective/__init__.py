"""Collective calls as steps of graphs, and groups of actors that are made and ended from outside."""

from __future__ import annotations

from trygon.experimental.collective.groups import (
    create_collective_group,
    destroy_all_collective_groups,
    destroy_collective_group,
    get_collective_groups,
)
from trygon.experimental.collective.operations import allgather, allreduce, reducescatter

__all__ = [
    "allgather",
    "allreduce",
    "create_collective_group",
    "destroy_all_collective_groups",
    "destroy_collective_group",
    "get_collective_groups",
    "reducescatter",
]
