"""Functions: parameters and results. `# is T` says what the checkers must reveal; `# error` marks a line they must
refuse.
"""

from typing import TypeVar, reveal_type

import trygon
from trygon import ObjectRef

T = TypeVar("T")


@trygon.remote
def scale(x: int, by: float = 1.0) -> float:
    return x * by


@trygon.remote
def number() -> int:
    return 1


@trygon.remote
def join(*parts: str, sep: str = "") -> str:
    return sep.join(parts)


@trygon.remote
def named_only(*, a: int, b: list[int]) -> dict[str, int]:
    return {"a": a, "b": len(b)}


@trygon.remote
def lists(values: list[int]) -> list[str]:
    return [str(value) for value in values]


@trygon.remote
def optional(x: int | None = None) -> int:
    return x or 0


@trygon.remote
def nothing(x: int) -> None:
    return None


@trygon.remote
def ten(a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int, i: int, j: str) -> int:
    return a


@trygon.remote
def identity(x: T) -> T:
    return x


# A limit of mypy: it does not follow functions that are generic themselves.
reveal_type(identity.remote(3))  # is[pyright] ObjectRef[int]  # error[mypy]

reveal_type(scale.remote(1))  # is ObjectRef[float]
reveal_type(scale.remote(1, 2.0))  # is ObjectRef[float]
reveal_type(scale.remote(1, by=2.0))  # is ObjectRef[float]
reveal_type(scale.remote(x=1))  # is ObjectRef[float]
reveal_type(scale.remote(number.remote()))  # is ObjectRef[float]
reveal_type(scale.remote(number.remote(), by=2.0))  # is ObjectRef[float]
reveal_type(scale.remote(number.remote(), scale.remote(1)))  # is ObjectRef[float]
reveal_type(scale.remote(1, scale.remote(1)))  # is ObjectRef[float]
reveal_type(join.remote("a", "b", sep=","))  # is ObjectRef[str]
reveal_type(join.remote(join.remote(), "b"))  # is ObjectRef[str]
reveal_type(named_only.remote(a=1, b=[2]))  # is ObjectRef[dict[str, int]]
reveal_type(lists.remote([1]))  # is ObjectRef[list[str]]
reveal_type(lists.remote(trygon.put([1])))  # is ObjectRef[list[str]]
reveal_type(optional.remote(number.remote()))  # is ObjectRef[int]
reveal_type(optional.remote())  # is ObjectRef[int]
reveal_type(nothing.remote(1))  # is ObjectRef[None]
reveal_type(ten.remote(1, 2, 3, 4, 5, 6, 7, 8, number.remote(), "j"))  # is ObjectRef[int]
reveal_type(ten.remote(number.remote(), 2, 3, 4, 5, 6, 7, 8, 9, j="j"))  # is ObjectRef[int]

scale.remote("one")  # error
scale.remote()  # error
scale.remote(1, 2.0, 3)  # error
scale.remote(1, factor=2)  # error
scale.remote(join.remote())  # error
named_only.remote(1, [2])  # error
named_only.remote(a="x", b=[2])  # error
lists.remote(trygon.put(["a"]))  # error
ten.remote(1, 2, 3)  # error
ten.remote(1, 2, 3, 4, 5, 6, 7, 8, 9, number.remote())  # error
scale(1)  # error

reveal_type(scale.options(num_cpus=2).remote(1))  # is ObjectRef[float]
scale.options(num_cpus=2).remote("x")  # error
reveal_type(scale.options(num_returns=2).remote(1))  # is list[ObjectRef[Any]]
reveal_type(scale.options(num_returns=0).remote(1))  # is None


@trygon.remote(num_cpus=2, max_retries=1)
def with_options(x: int) -> str:
    return str(x)


@trygon.remote(num_returns=2)
def two(x: int) -> tuple[int, str]:
    return x, str(x)


@trygon.remote(num_returns=0)
def none(x: int) -> None:
    return None


reveal_type(with_options.remote(1))  # is ObjectRef[str]
with_options.remote("x")  # error
first, second = two.remote(1)
reveal_type(first)  # is ObjectRef[Any]
two.remote("x")  # error
reveal_type(none.remote(1))  # is None
reveal_type(trygon.remote(len).remote([1]))  # is ObjectRef[int]


def plain(x: int) -> str:
    return str(x)


reveal_type(trygon.remote(plain).remote(1))  # is ObjectRef[str]
reveal_type(trygon.remote(num_cpus=1)(plain).remote(1))  # is ObjectRef[str]


def takes(ref: ObjectRef[float]) -> None:
    reveal_type(trygon.get(ref))  # is float


takes(scale.remote(1))
takes(join.remote())  # error
