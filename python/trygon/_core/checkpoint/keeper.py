"""States in the object stores of other nodes: a small hidden actor on each node that was chosen keeps them, and ends
when none of the actors lives whose states it keeps.
"""

from __future__ import annotations

import threading
import time

from trygon import _native
from trygon._core.objects import get, put
from trygon.exceptions import GetTimeoutError, RayActorError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SPACE = "checkpoints"
_NAMESPACE = "_trygon"
_COPIES = 2
_ANSWER_LIMIT_S = 60.0
_LOOK_S = 1.0
_IDLE_S = 5.0
# Smaller ones are kept as they are: the store is for what is worth sharing and spilling.
_LEAST_STORED_BYTES = 100_000


class CheckpointLostError(RuntimeError):
    """The saved state of an actor is gone with the nodes that kept it; the actor cannot go on."""


class Keeper:
    """What runs on the nodes that keep states."""

    def __init__(self, actor_id: bytes) -> None:
        self._own, self._lock = actor_id, threading.Lock()
        self._kept: dict[bytes, tuple[int, Any]] = {}
        self._busy_s = time.monotonic()
        threading.Thread(target=self._look_after, name="trygon-keeper", daemon=True).start()

    def keep(self, actor: bytes, number: int, state: bytes) -> bool:
        """Keeps a state unless a newer one is kept. Whether it is the newest."""
        value: Any = state if len(state) < _LEAST_STORED_BYTES else put(state)
        with self._lock:
            self._busy_s = time.monotonic()
            if self._kept.get(actor, (-1,))[0] > number:
                return False
            self._kept[actor] = (number, value)
            return True

    def newest(self, actor: bytes) -> tuple[int, bytes] | None:
        """The newest state; None if none is kept."""
        with self._lock:
            self._busy_s = time.monotonic()
            found = self._kept.get(actor)
        if found is None:
            return None
        number, value = found
        return number, value if isinstance(value, bytes) else get(value)

    def _look_after(self) -> None:
        while True:
            time.sleep(_LOOK_S)
            with self._lock:
                actors = list(self._kept)
            for actor in actors:
                if _native.actor_state(actor) == "DEAD":
                    with self._lock:
                        del self._kept[actor]
                    _native.key_value("delete", _SPACE, actor, None, True)
            with self._lock:
                is_idle = not self._kept and time.monotonic() - self._busy_s > _IDLE_S
            if is_idle:
                _native.kill_actor(self._own, True)
                return


class KeptElsewhere:
    """Where one actor's states are kept: by keepers on other nodes. The head knows on which ones."""

    def __init__(self, actor: bytes) -> None:
        self._actor = actor
        self._keepers: dict[str, Any] = {}

    def save(self, number: int, state: bytes) -> None:
        """Returns when the state is kept. RuntimeError if no node keeps it."""
        problem: Exception | None = None
        for _ in range(5):
            try:
                self._choose()
                kept = [keeper.keep.remote(self._actor, number, state) for keeper in self._keepers.values()]
                if not all(get(kept, timeout=_ANSWER_LIMIT_S)):
                    raise RuntimeError("a later life of this actor has saved its state already: this one is over")
                return
            except (RayActorError, GetTimeoutError) as error:
                # A node is gone, or out of reach: others are chosen.
                problem, self._keepers = error, {}
                time.sleep(0.2)
        raise RuntimeError(f"The state could not be kept on another node: {problem}") from problem

    def newest(self) -> tuple[int, bytes] | None:
        """The newest state; None if none was ever saved. CheckpointLostError if those that were are gone."""
        existed, names, _ = _native.key_value("get", _SPACE, self._actor, None, True)
        if not existed:
            return None
        found = [state for name in names.decode().split() if (state := self._ask(name)) is not None]
        if not found:
            raise CheckpointLostError(
                f"The saved state is lost: the nodes that kept it ({', '.join(names.decode().split())}) are gone. A"
                " folder or URL that outlives nodes would have saved it: checkpoint=Checkpoint(to=...)."
            )
        return max(found)

    def _ask(self, node: str) -> tuple[int, bytes] | None:
        from trygon._core.actor_class import get_actor

        try:
            keeper: Any = get_actor(_name(node), _NAMESPACE)
            state: tuple[int, bytes] | None = get(keeper.newest.remote(self._actor), timeout=_ANSWER_LIMIT_S)
            return state
        except (ValueError, RayActorError, GetTimeoutError):
            return None

    def _choose(self) -> None:
        if self._keepers:
            return
        nodes = _best_nodes(self._actor)
        # Before anything is kept there: whoever looks for the state has to know all the places.
        _native.key_value("put", _SPACE, self._actor, " ".join(nodes).encode(), True)
        self._keepers = {node: _keeper_on(node) for node in nodes}


def _best_nodes(actor: bytes) -> list[str]:
    from hashlib import sha256

    from trygon._core.state import query

    own = _native.context()["node_id"]
    alive = [node["NodeID"] for node in query("nodes") if node["Alive"]]
    others = [node for node in alive if node != own]
    # Other ones for each actor, the same ones for each of its lives, as far as the nodes stay.
    others.sort(key=lambda node: sha256(actor + bytes.fromhex(node)).digest())
    return others[:_COPIES] or [own]


def _name(node: str) -> str:
    return f"_trygon_keeper_{_native.context()['job_id']}_{node}"


def _keeper_on(node: str) -> Any:
    from trygon._core.actor_class import ActorClass
    from trygon._core.scheduling_strategies import NodeAffinitySchedulingStrategy

    where = NodeAffinitySchedulingStrategy(node, soft=False)
    options = {
        "name": _name(node), "namespace": _NAMESPACE, "get_if_exists": True, "lifetime": "detached", "num_cpus": 0,
        "scheduling_strategy": where,
    }  # fmt: skip
    return ActorClass(_SelfAware, options).remote()


class _SelfAware(Keeper):
    def __init__(self) -> None:
        super().__init__(bytes.fromhex(_native.context()["actor_id"]))
