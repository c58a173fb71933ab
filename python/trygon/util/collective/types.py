"""The words of collective calls: reductions, backends, and the options that a backend's methods are given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

unset_timeout_ms = timedelta(milliseconds=-1)


class ReduceOp(Enum):
    """How values of several members become one."""

    SUM = 0
    PRODUCT = 1
    MIN = 2
    MAX = 3


class Backend(str):
    """A backend's name, in capitals. `Backend(name)` accepts the names that Trygon knows, whatever their case."""

    TRYGON = "TRYGON"
    TCP = "TCP"
    GLOO = "GLOO"
    NCCL = "NCCL"
    MPI = "MPI"
    UNRECOGNIZED = "unrecognized"

    def __new__(cls, name: str) -> Backend:
        if not isinstance(name, str):
            raise ValueError(f"A backend is named by a str, but {type(name).__name__} was given.")
        upper = name.upper()
        known = {"TRYGON", "TCP", "GLOO", "TORCH_GLOO", "NCCL", "MPI"}
        if upper not in known:
            raise ValueError(f"Unrecognized backend: {name!r}. Known are {', '.join(sorted(known)).lower()}.")
        return str.__new__(cls, "GLOO" if upper == "TORCH_GLOO" else upper)


@dataclass
class AllReduceOptions:
    """Of `allreduce`."""

    reduceOp: ReduceOp = ReduceOp.SUM
    timeout_ms: timedelta = unset_timeout_ms


@dataclass
class BarrierOptions:
    """Of `barrier`."""

    timeout_ms: timedelta = unset_timeout_ms


@dataclass
class ReduceOptions:
    """Of `reduce`: the member `root_rank` gets the result."""

    reduceOp: ReduceOp = ReduceOp.SUM
    root_rank: int = 0
    root_tensor: int = 0
    timeout_ms: timedelta = unset_timeout_ms


@dataclass
class AllGatherOptions:
    """Of `allgather`."""

    timeout_ms: timedelta = unset_timeout_ms


@dataclass
class BroadcastOptions:
    """Of `broadcast`: the member `root_rank` has the value."""

    root_rank: int = 0
    root_tensor: int = 0
    timeout_ms: timedelta = unset_timeout_ms


@dataclass
class ReduceScatterOptions:
    """Of `reducescatter`."""

    reduceOp: ReduceOp = ReduceOp.SUM
    timeout_ms: timedelta = unset_timeout_ms


@dataclass
class SendOptions:
    """Of `send`."""

    dst_rank: int = 0
    dst_gpu_index: int = 0
    n_elements: int = 0
    timeout_ms: timedelta = unset_timeout_ms


@dataclass
class RecvOptions:
    """Of `recv`."""

    src_rank: int = 0
    src_gpu_index: int = 0
    n_elements: int = 0
    unset_timeout_ms: timedelta = unset_timeout_ms
