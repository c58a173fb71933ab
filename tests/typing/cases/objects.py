"""References and the calls that take them."""

import asyncio
from typing import reveal_type

import trygon
from trygon import ObjectRef


@trygon.remote
def number() -> int:
    return 1


ref = number.remote()
reveal_type(trygon.get(ref))  # is int
reveal_type(trygon.get(ref, timeout=1.0))  # is int
reveal_type(trygon.get([ref, ref]))  # is list[int]
reveal_type(trygon.put([1]))  # is ObjectRef[list[int]]
reveal_type(trygon.wait([ref]))  # is tuple[list[ObjectRef[int]], list[ObjectRef[int]]]
reveal_type(ref.future())  # is Future[int]
reveal_type(ref.hex())  # is str
reveal_type(trygon.nodes())  # is list[dict[str, Any]]
reveal_type(trygon.cluster_resources())  # is dict[str, float]
reveal_type(trygon.get_runtime_context().get_task_id())  # is str | None
reveal_type(trygon.init())  # is Context
reveal_type(trygon.is_initialized())  # is bool

trygon.get((ref,))  # error
trygon.get(1)  # error
trygon.get(ref, 1)  # error
trygon.wait(ref)  # error
trygon.get(number)  # error

wide: ObjectRef[float] = number.remote()
narrow: ObjectRef[str] = number.remote()  # error


async def main() -> None:
    reveal_type(await ref)  # is int
    reveal_type(await asyncio.gather(ref, ref))  # is tuple[int, int] | list[int]
