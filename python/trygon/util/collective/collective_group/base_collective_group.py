"""The class that a backend of one's own inherits from, for `register_collective_backend`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any


class BaseGroup(ABC):
    """One member of a group. Tensors come in lists, one for each device of the process; on the CPU that is one."""

    def __init__(self, world_size: int, rank: int, group_name: str) -> None:
        self._world_size = world_size
        self._rank = rank
        self._group_name = group_name

    @property
    def rank(self) -> int:
        """This member's number."""
        return self._rank

    @property
    def world_size(self) -> int:
        """How many members there are."""
        return self._world_size

    @property
    def group_name(self) -> str:
        """The group's name."""
        return self._group_name

    def destroy_group(self) -> None:  # noqa: B027  a backend with nothing to give back leaves it as it is
        """Leaves the group."""

    @classmethod
    @abstractmethod
    def backend(cls) -> str:
        """The backend's name."""

    @classmethod
    @abstractmethod
    def check_backend_availability(cls) -> bool:
        """Whether it works here."""

    @abstractmethod
    def allreduce(self, tensor: Any, allreduce_options: Any = None) -> Any:
        """See `trygon.util.collective.allreduce`."""

    @abstractmethod
    def barrier(self, barrier_options: Any = None) -> Any:
        """See `trygon.util.collective.barrier`."""

    @abstractmethod
    def reduce(self, tensor: Any, reduce_options: Any = None) -> Any:
        """See `trygon.util.collective.reduce`."""

    @abstractmethod
    def allgather(self, tensor_list: Any, tensor: Any, allgather_options: Any = None) -> Any:
        """See `trygon.util.collective.allgather`."""

    @abstractmethod
    def broadcast(self, tensor: Any, broadcast_options: Any = None) -> Any:
        """See `trygon.util.collective.broadcast`."""

    @abstractmethod
    def reducescatter(self, tensor: Any, tensor_list: Any, reducescatter_options: Any = None) -> Any:
        """See `trygon.util.collective.reducescatter`."""

    @abstractmethod
    def send(self, tensor: Any, send_options: Any) -> Any:
        """See `trygon.util.collective.send`."""

    @abstractmethod
    def recv(self, tensor: Any, recv_options: Any) -> Any:
        """See `trygon.util.collective.recv`."""
