"""Actors. mypy does not apply decorators of classes: there, `trygon.remote(Class)` is the checked form."""

from typing import reveal_type

import trygon
from trygon.actor import ActorHandle
from trygon.util import typed


class Counter:
    def __init__(self, start: int = 0, *, step: int = 1) -> None:
        self.value = start
        self.step = step

    @trygon.method
    def add(self, by: int) -> int:
        self.value += by
        return self.value

    @trygon.method(num_returns=2)
    def pair(self, x: int) -> tuple[int, str]:
        return self.add(x), str(x)

    @trygon.method
    async def later(self, x: int) -> float:
        reveal_type(await self.later(x))  # is float
        return x / 2

    @trygon.method(concurrency_group="io")
    async def grouped(self) -> bytes:
        return b""

    def plain(self, x: int) -> str:
        reveal_type(self.add(x))  # is int
        self.add("x")  # error
        return str(x)


RemoteCounter = trygon.remote(Counter)
reveal_type(RemoteCounter.remote())  # is ActorHandle[Counter]
reveal_type(RemoteCounter.remote(1, step=2))  # is ActorHandle[Counter]
reveal_type(RemoteCounter.remote(trygon.put(1)))  # is ActorHandle[Counter]
reveal_type(RemoteCounter.options(name="x").remote(1))  # is ActorHandle[Counter]
reveal_type(trygon.remote(num_cpus=1)(Counter).remote(1))  # is ActorHandle[Counter]
RemoteCounter.remote("x")  # error
RemoteCounter.remote(1, 2)  # error
RemoteCounter()  # error

counter = RemoteCounter.remote(1)
reveal_type(counter.plain.remote(1))  # is ObjectRef[Any]
reveal_type(counter.plain.options(num_returns=2).remote(1))  # is list[ObjectRef[Any]]
reveal_type(typed(counter).add.remote(1))  # is ObjectRef[int]
reveal_type(typed(counter).add.remote(trygon.put(1)))  # is ObjectRef[int]
reveal_type(typed(counter).later.remote(1))  # is ObjectRef[float]
reveal_type(typed(counter).grouped.remote())  # is ObjectRef[bytes]
reveal_type(typed(counter).pair.remote(1))  # is list[ObjectRef[Any]]
typed(counter).add.remote("x")  # error
typed(counter).subtract.remote(1)  # error


@trygon.remote
def use(handle: ActorHandle[Counter]) -> int:
    return trygon.get(typed(handle).add.remote(1))


reveal_type(use.remote(counter))  # is ObjectRef[int]
use.remote(3)  # error
trygon.kill(counter)
trygon.kill(3)  # error
reveal_type(trygon.get_actor("x").anything.remote())  # is ObjectRef[Any]


@trygon.remote
class Decorated:
    def __init__(self, x: int) -> None:
        self.x = x


reveal_type(Decorated.remote(1))  # is[pyright] ActorHandle[Decorated]  # error[mypy]
Decorated.remote("x")  # error
