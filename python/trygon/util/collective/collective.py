"""The calls that programs make, and the groups of this process."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any, NoReturn

from trygon.util.collective.errors import InvalidRankError
from trygon.util.collective.types import (
    AllGatherOptions,
    AllReduceOptions,
    Backend,
    BarrierOptions,
    BroadcastOptions,
    RecvOptions,
    ReduceOp,
    ReduceOptions,
    ReduceScatterOptions,
    SendOptions,
)

if TYPE_CHECKING:
    pass

DEFAULT_TIMEOUT_MS = 30_000
# `poll` takes no more.
_LONGEST_TIMEOUT_MS = 2_000_000_000.0
_OWN_BACKENDS = ("TRYGON", "TCP", "GLOO", "MPI")
_registered: dict[str, Any] = {}
_groups: dict[Any, Any] = {}
# Guards `_groups`: threads of one actor may meet at a group's first use.
_lock = threading.RLock()


def _key(group_name: str) -> Any:
    """A process is one member of a group; in the inline mode, where actors share the process, an actor is."""
    inline = sys.modules.get("trygon._core.inline")
    if inline is None or inline.current() is None:
        return group_name
    from trygon import _native

    return group_name, _native.context()["actor_id"]


def nccl_available() -> bool:
    """False: there is no backend for CUDA devices."""
    return "NCCL" in _registered


def gloo_available() -> bool:
    """True: the name stands for Trygon's backend for the CPU."""
    return True


def is_backend_available(backend: str) -> bool:
    """Whether a group can be made with this backend."""
    name = backend.upper() if isinstance(backend, str) else ""
    name = "GLOO" if name == "TORCH_GLOO" else name
    custom = _registered.get(name)
    return bool(custom.check_backend_availability()) if custom is not None else name in _OWN_BACKENDS


def register_collective_backend(name: str, group_cls: type) -> None:
    """Makes `backend=name` mean `group_cls(world_size, rank, group_name)`, a `BaseGroup`, in this process."""
    from trygon.util.collective.collective_group.base_collective_group import BaseGroup

    if not isinstance(name, str) or not name:
        raise ValueError(f"A backend is named by a str that is not empty, but {name!r} was given.")
    if not (isinstance(group_cls, type) and issubclass(group_cls, BaseGroup)):
        raise TypeError(f"A backend is a subclass of BaseGroup, but {group_cls!r} was given.")
    if name.upper() in _registered or name.upper() in ("TRYGON", "TCP"):
        raise ValueError(f"The backend {name.upper()} is registered already.")
    _registered[name.upper()] = group_cls


def init_collective_group(
    world_size: int,
    rank: int,
    backend: str = Backend.TRYGON,
    group_name: str = "default",
    gloo_timeout: int = DEFAULT_TIMEOUT_MS,
) -> None:
    """Makes this process the member `rank` of a group of `world_size`. The members meet at their first call.

    `gloo_timeout`, milliseconds: how long a call waits for the others before it fails on all of them.
    """
    backend = _check_backend(backend)
    _check_name(group_name)
    _check_world(world_size, rank)
    timeout_s = _check_timeout(gloo_timeout)
    with _lock:
        if _key(group_name) in _groups:
            raise RuntimeError(
                f"This process is in the collective group {group_name!r} already; destroy_collective_group leaves it."
            )
        _groups[_key(group_name)] = _make(backend, world_size, rank, group_name, timeout_s)


def _make(backend: str, world_size: int, rank: int, group_name: str, timeout_s: float) -> Any:
    custom = _registered.get(backend)
    if custom is not None:
        return custom(world_size, rank, group_name)
    from trygon.util.collective.group import Group

    return Group(world_size, rank, group_name, timeout_s, is_tcp=backend == "TCP")


def create_collective_group(
    actors: list[Any],
    world_size: int,
    ranks: list[int],
    backend: str = Backend.TRYGON,
    group_name: str = "default",
    gloo_timeout: int = DEFAULT_TIMEOUT_MS,
) -> None:
    """Declares that `actors[i]` is the member `ranks[i]` of a group. Each joins at its first call of the group.

    Called outside of the group, by the driver for instance.
    """
    if isinstance(world_size, bool) or not isinstance(world_size, int) or world_size <= 0:
        raise RuntimeError(f"world_size must be an int greater than zero, but {world_size!r} was given.")
    if len(actors) != len(ranks):
        raise RuntimeError(f"Each actor needs one rank, but {len(actors)} actors and {len(ranks)} ranks were given.")
    if sorted(ranks) != list(range(len(ranks))):
        raise RuntimeError(f"ranks must be 0 to {len(ranks) - 1}, each once, but {list(ranks)} was given.")
    if world_size != len(ranks):
        raise RuntimeError(f"world_size is {world_size}, but {len(ranks)} ranks were given: all members are declared.")
    backend = _check_backend(backend)
    _check_name(group_name)
    timeout_s = _check_timeout(gloo_timeout)
    identities = [_actor_id(actor) for actor in actors]
    if len(set(identities)) != len(identities):
        raise RuntimeError("An actor can be only one member of a group, but one is given twice.")
    from trygon.util.collective.rendezvous import Store

    declared = {
        "ranks": dict(zip(identities, ranks, strict=True)),
        "world_size": world_size,
        "backend": backend,
        "timeout_s": timeout_s,
    }
    if not Store().put_new(f"declared/{group_name}", declared):
        raise RuntimeError(
            f"The collective group {group_name!r} is declared already; destroy_collective_group takes that back."
        )


def is_declared(group_name: str) -> bool:
    """Whether `create_collective_group` was called for a group of this name, in any process."""
    from trygon.util.collective.rendezvous import Store

    return Store().get(f"declared/{group_name}") is not None


def _actor_id(actor: Any) -> str:
    identity = getattr(actor, "_actor_id", None)
    if identity is None:
        raise RuntimeError(f"actors must be handles of actors, but {type(actor).__name__} was given.")
    return str(identity.hex())


def _join_declared(group_name: str) -> Any:
    """The group that someone declared this actor to be in; None if there is none."""
    from trygon import _native
    from trygon.util.collective.rendezvous import Store

    actor_id = _native.context()["actor_id"]
    declared = Store().get(f"declared/{group_name}") if actor_id else None
    rank = declared["ranks"].get(actor_id) if declared else None
    if declared is None or rank is None:
        return None
    group = _make(declared["backend"], declared["world_size"], rank, group_name, declared["timeout_s"])
    _groups[_key(group_name)] = group
    return group


def get_group_handle(group_name: str = "default") -> Any:
    """The group itself: what the other calls use. RuntimeError if this process is not in it."""
    group = _groups.get(_key(group_name))
    if group is not None:
        return group
    _check_name(group_name)
    with _lock:
        group = _groups.get(_key(group_name)) or _join_declared(group_name)
    if group is None:
        raise RuntimeError(
            f"The collective group {group_name!r} is not initialized in this process: call init_collective_group here,"
            " or create_collective_group with this actor."
        )
    return group


def is_group_initialized(group_name: str = "default") -> bool:
    """Whether this process is in the group."""
    return _key(group_name) in _groups


def destroy_collective_group(group_name: str = "default") -> None:
    """Leaves the group, and takes its declaration back. Nothing happens if there is neither."""
    _check_name(group_name)
    with _lock:
        group = _groups.pop(_key(group_name), None)
    if group is not None:
        group.destroy_group()
    from trygon import _native

    if _native.is_initialized():
        from trygon.util.collective.rendezvous import Store

        Store().delete(f"declared/{group_name}")


def leave_all() -> None:
    """Leaves every group; called when the engine ends."""
    with _lock:
        groups = list(_groups.values())
        _groups.clear()
    for group in groups:
        group.destroy_group()


def get_rank(group_name: str = "default") -> int:
    """This process's rank in the group; -1 if it is not in it."""
    group = _groups.get(_key(group_name))
    return -1 if group is None else int(group.rank)


def get_collective_group_size(group_name: str = "default") -> int:
    """The number of members; -1 if this process is not in the group."""
    group = _groups.get(_key(group_name))
    return -1 if group is None else int(group.world_size)


def allreduce(tensor: Any, group_name: str = "default", op: ReduceOp = ReduceOp.SUM) -> None:
    """Every member's tensor becomes the reduction of all of them, element by element."""
    group = get_group_handle(group_name)
    group.allreduce(_one(tensor, group), AllReduceOptions(_check_op(op)))


def barrier(group_name: str = "default") -> None:
    """Returns when all members have called it."""
    get_group_handle(group_name).barrier(BarrierOptions())


def reduce(tensor: Any, dst_rank: int = 0, group_name: str = "default", op: ReduceOp = ReduceOp.SUM) -> None:
    """The tensor of the member `dst_rank` becomes the reduction of all; the others' stay as they are."""
    group = get_group_handle(group_name)
    group.reduce(_one(tensor, group), ReduceOptions(_check_op(op), dst_rank))


def broadcast(tensor: Any, src_rank: int = 0, group_name: str = "default") -> None:
    """Every member's tensor becomes that of the member `src_rank`."""
    group = get_group_handle(group_name)
    group.broadcast(_one(tensor, group), BroadcastOptions(src_rank))


def allgather(tensor_list: list[Any], tensor: Any, group_name: str = "default") -> None:
    """`tensor_list[rank]` becomes the tensor of the member `rank`."""
    group = get_group_handle(group_name)
    if _is_custom(group):
        tensor_list, tensor = [tensor_list], [tensor]
    group.allgather(tensor_list, tensor, AllGatherOptions())


def reducescatter(
    tensor: Any, tensor_list: list[Any], group_name: str = "default", op: ReduceOp = ReduceOp.SUM
) -> None:
    """The tensor becomes the reduction of all members' `tensor_list[rank]`, with this member's rank."""
    group = get_group_handle(group_name)
    if _is_custom(group):
        tensor_list, tensor = [tensor_list], [tensor]
    group.reducescatter(tensor, tensor_list, ReduceScatterOptions(_check_op(op)))


def send(tensor: Any, dst_rank: int, group_name: str = "default") -> None:
    """Sends the tensor to the member `dst_rank`, which calls `recv`. Small tensors may be under way on return."""
    group = get_group_handle(group_name)
    group.send(_one(tensor, group), SendOptions(dst_rank))


def recv(tensor: Any, src_rank: int, group_name: str = "default") -> None:
    """Fills the tensor with what the member `src_rank` sends."""
    group = get_group_handle(group_name)
    group.recv(_one(tensor, group), RecvOptions(src_rank))


def synchronize(gpu_id: int) -> NoReturn:
    """Waits for a CUDA device in Ray. On the CPU a call is over when it returns: RuntimeError."""
    raise RuntimeError(
        "synchronize waits for CUDA devices, and Trygon's collective calls work on the CPU, where a call is over when"
        " it returns: leave it out."
    )


def _is_custom(group: Any) -> bool:
    return not getattr(group, "is_trygons_own", False)


def _one(tensor: Any, group: Any) -> Any:
    """A registered backend gets a list of one tensor for each device, as Ray's do."""
    if isinstance(tensor, list):
        raise RuntimeError(
            "Unrecognized tensor type list: collective calls take numpy.ndarray or torch.Tensor (on the CPU)."
        )
    return [tensor] if _is_custom(group) else tensor


def _refused(name: str) -> Any:
    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError(
            f"{name}_multigpu takes tensors of several CUDA devices, which Trygon's collective calls do not support:"
            f" use {name} with tensors on the CPU, in one process for each device."
        )

    refuse.__name__ = refuse.__qualname__ = f"{name}_multigpu"
    refuse.__doc__ = f"Part of Ray for CUDA devices. Refused: use `{name}`."
    return refuse


allreduce_multigpu = _refused("allreduce")
reduce_multigpu = _refused("reduce")
broadcast_multigpu = _refused("broadcast")
allgather_multigpu = _refused("allgather")
reducescatter_multigpu = _refused("reducescatter")
send_multigpu = _refused("send")
recv_multigpu = _refused("recv")


def _check_op(op: Any) -> ReduceOp:
    if not isinstance(op, ReduceOp):
        raise ValueError(f"op must be ReduceOp.SUM, PRODUCT, MIN or MAX, but {op!r} was given.")
    return op


def _check_name(group_name: Any) -> None:
    if not isinstance(group_name, str) or not group_name:
        raise ValueError(f"group_name must be a str that is not empty, but {group_name!r} was given.")


def _check_world(world_size: Any, rank: Any) -> None:
    if isinstance(world_size, bool) or not isinstance(world_size, int) or world_size <= 0:
        raise InvalidRankError(f"world_size must be an int greater than zero, but {world_size!r} was given.")
    if isinstance(rank, bool) or not isinstance(rank, int) or not 0 <= rank < world_size:
        raise InvalidRankError(
            f"rank must be an int from 0 to world_size - 1 = {world_size - 1}, but {rank!r} was given."
        )


def _check_timeout(gloo_timeout: Any) -> float:
    is_number = isinstance(gloo_timeout, (int, float)) and not isinstance(gloo_timeout, bool)
    if not is_number or not 0 < gloo_timeout < float("inf"):
        raise ValueError(
            f"gloo_timeout must be a number of milliseconds greater than zero, but {gloo_timeout!r} was given."
        )
    return min(float(gloo_timeout), _LONGEST_TIMEOUT_MS) / 1000


def _check_backend(backend: Any) -> str:
    name = backend.upper() if isinstance(backend, str) else repr(backend)
    name = "GLOO" if name == "TORCH_GLOO" else name
    if name in _registered or name in _OWN_BACKENDS:
        return name
    if name == "NCCL":
        raise ValueError(
            "Backend NCCL is not registered: it needs CUDA devices, and Trygon's collective calls work on the CPU. Use"
            " backend='trygon' (or 'gloo'), with tensors on the CPU."
        )
    known = ", ".join(sorted({*_OWN_BACKENDS, *_registered})).lower()
    raise ValueError(f"Backend {name} is not registered. Known are: {known}.")
