"""Generators as type checkers see them."""

from collections.abc import AsyncIterator, Generator, Iterator
from typing import reveal_type

import trygon
from trygon import ObjectRef, ObjectRefGenerator


@trygon.remote
def numbers(n: int) -> Iterator[int]:
    yield from range(n)


@trygon.remote
def texts(n: int) -> Generator[str, None, None]:
    yield str(n)


@trygon.remote(num_cpus=2)
def with_options(n: int) -> Iterator[bytes]:
    yield bytes(n)


@trygon.remote(num_returns="streaming")
def named(n: int) -> Iterator[float]:
    yield float(n)


reveal_type(numbers.remote(1))  # is ObjectRefGenerator[int]
reveal_type(texts.remote(1))  # is ObjectRefGenerator[str]
reveal_type(with_options.remote(1))  # is ObjectRefGenerator[bytes]
reveal_type(named.remote(1))  # is ObjectRefGenerator[float]
reveal_type(numbers.remote(trygon.put(1)))  # is ObjectRefGenerator[int]
numbers.remote("x")  # error
reveal_type(next(numbers.remote(1)))  # is ObjectRef[int]
reveal_type([trygon.get(ref) for ref in texts.remote(1)])  # is list[str]
reveal_type(numbers.remote(1).completed())  # is ObjectRef[None]
reveal_type(numbers.options(num_cpus=2).remote(1))  # is ObjectRefGenerator[int]
reveal_type(numbers.options(num_returns="streaming").remote(1))  # is ObjectRefGenerator[int]
reveal_type(numbers.options(num_returns=3).remote(1))  # is list[ObjectRef[Any]]
reveal_type([trygon.get(ref) for ref in trygon.get(numbers.options(num_returns="dynamic").remote(1))])  # is list[int]
reveal_type(trygon.get(numbers.remote(1)))  # is ObjectRefGenerator[int]
reveal_type(trygon.wait([numbers.remote(1)])[0])  # is list[ObjectRefGenerator[int]]


class Source:
    @trygon.method
    def items(self, n: int) -> Iterator[int]:
        yield n

    @trygon.method(max_task_retries=1)
    async def slowly(self, n: int) -> AsyncIterator[str]:
        yield str(n)


source = trygon.util.typed(trygon.remote(Source).remote())
reveal_type(source.items.remote(1))  # is ObjectRefGenerator[int]
reveal_type(source.slowly.remote(1))  # is ObjectRefGenerator[str]
source.items.remote("x")  # error


async def consume() -> None:
    async for ref in numbers.remote(3):
        reveal_type(ref)  # is ObjectRef[int]
        reveal_type(await ref)  # is int


def takes(generator: ObjectRefGenerator[int], ref: ObjectRef[int]) -> None:
    waitables: list[ObjectRef[int] | ObjectRefGenerator[int]] = [generator, ref]
    reveal_type(trygon.wait(waitables)[1])  # is list[ObjectRef[int] | ObjectRefGenerator[int]]
