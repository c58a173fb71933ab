"""One member of one group: checks what it is given, then small tensors through the hub, large ones through a plane.

Once a call has failed the group is broken: each later call says so, until the group is destroyed.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from trygon.util.collective import arrays
from trygon.util.collective import link as frames
from trygon.util.collective.errors import CollectiveError
from trygon.util.collective.rendezvous import Member
from trygon.util.collective.star import SENDING, Star
from trygon.util.collective.types import (
    AllGatherOptions,
    AllReduceOptions,
    BarrierOptions,
    BroadcastOptions,
    RecvOptions,
    ReduceOptions,
    ReduceScatterOptions,
    SendOptions,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from trygon.util.collective.arrays import Flat
    from trygon.util.collective.ring_plane import RingPlane
    from trygon.util.collective.shared_plane import SharedPlane

# Up to here one trip to the hub and back is quicker than anything else.
_SMALL_BYTES = 32 << 10


class Group:
    """The operations of a member. Each returns when this member's part is done; results are written in place."""

    # Tells it from backends that programs register, which take their tensors in lists.
    is_trygons_own = True

    def __init__(self, world_size: int, rank: int, group_name: str, timeout_s: float, *, is_tcp: bool = False) -> None:
        self._world_size, self._rank, self._name = world_size, rank, group_name
        self._timeout_s = timeout_s
        self._member = Member(group_name, world_size, rank, timeout_s, is_tcp)
        self._star = Star(self._member)
        self._chosen_plane: SharedPlane | RingPlane | None = None
        self._pid = os.getpid()
        # Members' threads take turns: two calls of one member at once would mix their frames.
        self._lock = threading.RLock()
        self._broken = ""

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
        return self._name

    @classmethod
    def backend(cls) -> str:
        """The backend's name."""
        return "trygon"

    @classmethod
    def check_backend_availability(cls) -> bool:
        """Always there."""
        return True

    def destroy_group(self) -> None:
        """Leaves the group."""
        with self._lock:
            self._broken = self._broken or f"the collective group {self._name!r} was destroyed"
            self._chosen_plane = None
            self._star.close("")

    def _plane(self) -> SharedPlane | RingPlane:
        if self._chosen_plane is None:
            self._star.gather_members()
            area = self._star.area
            if area is not None:
                from trygon.util.collective.shared_plane import SharedPlane

                self._chosen_plane = SharedPlane(self._star, area, self._rank, self._world_size)
            else:
                from trygon.util.collective.ring_plane import RingPlane

                self._chosen_plane = RingPlane(self._star, self._rank, self._world_size, self._timeout_s)
        return self._chosen_plane

    def _run(self, function: Callable[..., Any], *given: Any) -> None:
        """Calls `function`; whatever it raises, the group is broken afterwards, and the others are told."""
        with self._lock:
            if self._broken:
                raise CollectiveError(
                    f"The collective group {self._name!r} cannot be used any more: {self._broken} Destroy it on every"
                    " member and make it again."
                )
            if self._pid != os.getpid():
                raise CollectiveError("A collective group belongs to the process that made it, not to its children.")
            try:
                function(*given)
            except BaseException as error:
                reason = (
                    str(error)
                    if isinstance(error, CollectiveError)
                    else (f"{self._member.name(self._rank, self._pid)} gave a call up: {type(error).__name__}: {error}")
                )
                self._broken = reason if reason.endswith(".") else reason + "."
                self._chosen_plane = None
                self._star.close(self._broken)
                raise

    # --- What all members call together.

    def allreduce(self, tensor: Any, allreduce_options: AllReduceOptions | None = None) -> None:
        """The tensor becomes the reduction of all members' tensors."""
        op = (allreduce_options or AllReduceOptions()).reduceOp
        flat = arrays.flatten(_single(tensor), written=True)
        reduce = arrays.reducer(flat.kind, op)
        if self._world_size > 1:
            self._run(self._reduce, f"allreduce({op.name}) of {arrays.describe(flat)}", flat, reduce, None)
            flat.finish()

    def reduce(self, tensor: Any, reduce_options: ReduceOptions | None = None) -> None:
        """The tensor of the member `root_rank` becomes the reduction of all; the others' stay as they are."""
        options = reduce_options or ReduceOptions()
        root = self._check_rank(options.root_rank, "dst_rank")
        flat = arrays.flatten(_single(tensor), written=root == self._rank)
        reduce = arrays.reducer(flat.kind, options.reduceOp)
        if self._world_size > 1:
            text = f"reduce({options.reduceOp.name}, to rank {root}) of {arrays.describe(flat)}"
            self._run(self._reduce, text, flat, reduce, root)
            if root == self._rank:
                flat.finish()

    def _reduce(self, text: str, flat: Flat, reduce: arrays.Reducer, root: int | None) -> None:
        description, array = text.encode(), flat.array
        if array.nbytes > _SMALL_BYTES:
            self._plane().allreduce(array, reduce, self._begin(description), root)
            return

        def answer(given: list[memoryview]) -> list[memoryview | bytes]:
            total = array.copy()
            for data in given:
                reduce(total, _like(array, data), total)
            result = _bytes_of(total)
            return [result if root is None or root == rank else b"" for rank in range(self._world_size)]

        result = self._star.call(description, flat.bytes, answer)
        if root is None or root == self._rank:
            array[...] = _like(array, result)

    def broadcast(self, tensor: Any, broadcast_options: BroadcastOptions | None = None) -> None:
        """The tensor becomes that of the member `root_rank`."""
        root = self._check_rank((broadcast_options or BroadcastOptions()).root_rank, "src_rank")
        flat = arrays.flatten(_single(tensor), written=root != self._rank)
        if self._world_size > 1:
            self._run(self._broadcast, f"broadcast(from rank {root}) of {arrays.describe(flat)}".encode(), flat, root)
            if root != self._rank:
                flat.finish()

    def _broadcast(self, description: bytes, flat: Flat, root: int) -> None:
        array = flat.array
        if array.nbytes > _SMALL_BYTES:
            self._plane().broadcast(array, root, self._begin(description))
            return
        mine = flat.bytes if root == self._rank else b""

        def answer(given: list[memoryview]) -> list[memoryview | bytes]:
            value = mine if root == 0 else given[root - 1]
            return [b"" if rank == root else value for rank in range(self._world_size)]

        result = self._star.call(description, mine, answer)
        if root != self._rank:
            array[...] = _like(array, result)

    def allgather(self, tensor_list: Any, tensor: Any, allgather_options: AllGatherOptions | None = None) -> None:
        """`tensor_list[rank]` becomes the tensor of that member."""
        flat = arrays.flatten(_single(tensor), written=False)
        outs = arrays.list_of(_single_list(tensor_list), self._world_size, flat, "allgather", written=True)
        if self._world_size > 1:
            self._run(self._allgather, f"allgather of {arrays.describe(flat)}".encode(), outs, flat)
        else:
            outs[0].array[...] = flat.array
        for out in outs:
            out.finish()

    def _allgather(self, description: bytes, outs: list[Flat], flat: Flat) -> None:
        array = flat.array
        if array.nbytes > _SMALL_BYTES:
            self._plane().allgather([out.array for out in outs], array, self._begin(description))
            return

        def answer(given: list[memoryview]) -> list[memoryview | bytes]:
            everything = b"".join([flat.bytes, *given])
            return [everything] * self._world_size

        result = self._star.call(description, flat.bytes, answer)
        for rank, out in enumerate(outs):
            out.array[...] = _like(array, result[rank * array.nbytes : (rank + 1) * array.nbytes])

    def reducescatter(
        self, tensor: Any, tensor_list: Any, reducescatter_options: ReduceScatterOptions | None = None
    ) -> None:
        """The tensor becomes the reduction of all members' `tensor_list[rank]`, with this member's rank."""
        op = (reducescatter_options or ReduceScatterOptions()).reduceOp
        flat = arrays.flatten(_single(tensor), written=True)
        inputs = arrays.list_of(_single_list(tensor_list), self._world_size, flat, "reducescatter", written=False)
        reduce = arrays.reducer(flat.kind, op)
        if self._world_size > 1:
            text = f"reducescatter({op.name}) of {arrays.describe(flat)}"
            self._run(self._reducescatter, text.encode(), flat, [each.array for each in inputs], reduce)
        else:
            flat.array[...] = inputs[0].array
        flat.finish()

    def _reducescatter(self, description: bytes, flat: Flat, inputs: list[Any], reduce: arrays.Reducer) -> None:
        array, count = flat.array, self._world_size
        if array.nbytes > _SMALL_BYTES:
            self._plane().reducescatter(array, inputs, reduce, self._begin(description))
            return
        import numpy

        mine: Any = numpy.concatenate(inputs)

        def answer(given: list[memoryview]) -> list[memoryview | bytes]:
            total: Any = mine.copy()
            for data in given:
                reduce(total, _like(mine, data), total)
            parts: list[Any] = list(total.reshape(count, -1))
            return [_bytes_of(part) for part in parts]

        result = self._star.call(description, _bytes_of(mine), answer)
        array[...] = _like(array, result)

    def barrier(self, barrier_options: BarrierOptions | None = None) -> None:
        """Returns when all members have called it."""
        if self._world_size > 1:
            self._run(self._begin(b"barrier"))

    def _begin(self, description: bytes) -> Callable[[], object]:
        nothing: list[memoryview | bytes] = [b""] * self._world_size
        return lambda: self._star.call(description, b"", lambda given: nothing)

    # --- What two members do.

    def send(self, tensor: Any, send_options: SendOptions) -> None:
        """Sends the tensor to the member `dst_rank`, which calls `recv`."""
        target = self._check_peer(send_options.dst_rank, "dst_rank", "send")
        flat = arrays.flatten(_single(tensor), written=False)
        self._run(self._send, flat, target)

    def _send(self, flat: Flat, target: int) -> None:
        link = self._star.link(SENDING, target)
        description = f"send of {arrays.describe(flat)}".encode()
        if flat.array.nbytes <= _SMALL_BYTES:
            link.send(frames.SEND, 0, description, flat.bytes)
        else:
            link.send(frames.SEND, 0, description)
            link.send_raw(flat.bytes)

    def recv(self, tensor: Any, recv_options: RecvOptions) -> None:
        """Fills the tensor with what the member `src_rank` sends."""
        source = self._check_peer(recv_options.src_rank, "src_rank", "recv")
        flat = arrays.flatten(_single(tensor), written=True)
        self._run(self._receive, flat, source)
        flat.finish()

    def _receive(self, flat: Flat, source: int) -> None:
        link = self._star.link(SENDING, source)
        frame = link.receive()
        if frame.kind == frames.ERROR:
            raise CollectiveError(bytes(frame.data).decode(errors="replace"))
        if frame.kind != frames.SEND or frame.description != f"send of {arrays.describe(flat)}".encode():
            theirs = frame.description.decode(errors="replace") or "something else"
            raise CollectiveError(
                f"In the collective group {self._name!r} rank {self._rank} called recv from rank {source} for"
                f" {arrays.describe(flat)}, but rank {source} called {theirs}."
            )
        if flat.array.nbytes <= _SMALL_BYTES:
            flat.array[...] = _like(flat.array, frame.data)
        else:
            link.receive_raw(flat.bytes)

    def _check_rank(self, rank: Any, what: str) -> int:
        if isinstance(rank, bool) or not isinstance(rank, int) or not 0 <= rank < self._world_size:
            raise ValueError(
                f"{what} must be a rank of the collective group {self._name!r}, 0 to {self._world_size - 1}, but"
                f" {rank!r} was given."
            )
        return rank

    def _check_peer(self, rank: Any, what: str, call: str) -> int:
        self._check_rank(rank, what)
        if rank == self._rank:
            raise RuntimeError(f"{call} needs another member, but {what}={rank} is this member's own rank.")
        return int(rank)


def _single(tensor: Any) -> Any:
    """Ray's backends take lists of one tensor for each device; a CPU has one."""
    return tensor[0] if isinstance(tensor, list) and len(tensor) == 1 else tensor


def _single_list(tensors: Any) -> Any:
    is_nested = isinstance(tensors, list) and len(tensors) == 1 and isinstance(tensors[0], list)
    return tensors[0] if is_nested else tensors


def _bytes_of(array: Any) -> memoryview | bytes:
    return memoryview(array).cast("B") if array.size else b""


def _like(array: Any, data: memoryview) -> Any:
    import numpy

    return numpy.frombuffer(data, dtype=array.dtype, count=array.size)
