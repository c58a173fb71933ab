"""The types behind `remote`, `options`, `method` and handles. For type checkers only: there is none at run time.

`Remote[Callable[P, Out]]` is anything with a `remote` that takes `P` and gives `Out`. Its first overload takes the
parameters exactly as they were declared, keywords and defaults included. The others let the first one to ten positional
arguments be references (`ObjectRef[int]` for `int`); what follows them is again as declared.

Known limits: a reference given by keyword is refused (give it by position); mypy does not follow functions that are
generic themselves, nor decorators of classes (`RemoteCounter = trygon.remote(Counter)` is checked everywhere); several
results are `ObjectRef[Any]` each.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, Generic, Literal, ParamSpec, TypeVar, overload

from trygon._native import ObjectRef, ObjectRefGenerator
from trygon.dag.class_node import ClassNode

_Call = TypeVar("_Call", bound=Callable[..., Any], covariant=True)
_P = ParamSpec("_P")
_Out = TypeVar("_Out")
_R = TypeVar("_R")
_S = TypeVar("_S")
_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)
_Class = TypeVar("_Class", bound=type[Any])
_A = TypeVar("_A")
_B = TypeVar("_B")
_C = TypeVar("_C")
_D = TypeVar("_D")
_E = TypeVar("_E")
_F = TypeVar("_F")
_G = TypeVar("_G")
_H = TypeVar("_H")
_I = TypeVar("_I")
_J = TypeVar("_J")

class DynamicObjectRefGenerator(Generic[_T_co]):
    """References to the items of a task with `num_returns="dynamic"`; at run time in `trygon._core.generators`."""

    def __init__(self, refs: list[ObjectRef[_T_co]]) -> None: ...
    def __iter__(self) -> Iterator[ObjectRef[_T_co]]: ...
    def __len__(self) -> int: ...

class Remote(Generic[_Call]):
    """Something with a `remote`."""

    @overload
    def remote(self: Remote[Callable[_P, _Out]], *args: _P.args, **kwargs: _P.kwargs) -> _Out: ...
    @overload
    def remote(
        self: Remote[Callable[Concatenate[_A, _P], _Out]],
        a: _A | ObjectRef[_A],
        /,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _Out: ...
    @overload
    def remote(
        self: Remote[Callable[Concatenate[_A, _B, _P], _Out]],
        a: _A | ObjectRef[_A],
        b: _B | ObjectRef[_B],
        /,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _Out: ...
    @overload
    def remote(
        self: Remote[Callable[Concatenate[_A, _B, _C, _P], _Out]],
        a: _A | ObjectRef[_A],
        b: _B | ObjectRef[_B],
        c: _C | ObjectRef[_C],
        /,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _Out: ...
    @overload
    def remote(
        self: Remote[Callable[Concatenate[_A, _B, _C, _D, _P], _Out]],
        a: _A | ObjectRef[_A],
        b: _B | ObjectRef[_B],
        c: _C | ObjectRef[_C],
        d: _D | ObjectRef[_D],
        /,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _Out: ...
    @overload
    def remote(
        self: Remote[Callable[Concatenate[_A, _B, _C, _D, _E, _P], _Out]],
        a: _A | ObjectRef[_A],
        b: _B | ObjectRef[_B],
        c: _C | ObjectRef[_C],
        d: _D | ObjectRef[_D],
        e: _E | ObjectRef[_E],
        /,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _Out: ...
    @overload
    def remote(
        self: Remote[Callable[Concatenate[_A, _B, _C, _D, _E, _F, _P], _Out]],
        a: _A | ObjectRef[_A],
        b: _B | ObjectRef[_B],
        c: _C | ObjectRef[_C],
        d: _D | ObjectRef[_D],
        e: _E | ObjectRef[_E],
        f: _F | ObjectRef[_F],
        /,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _Out: ...
    @overload
    def remote(
        self: Remote[Callable[Concatenate[_A, _B, _C, _D, _E, _F, _G, _P], _Out]],
        a: _A | ObjectRef[_A],
        b: _B | ObjectRef[_B],
        c: _C | ObjectRef[_C],
        d: _D | ObjectRef[_D],
        e: _E | ObjectRef[_E],
        f: _F | ObjectRef[_F],
        g: _G | ObjectRef[_G],
        /,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _Out: ...
    @overload
    def remote(
        self: Remote[Callable[Concatenate[_A, _B, _C, _D, _E, _F, _G, _H, _P], _Out]],
        a: _A | ObjectRef[_A],
        b: _B | ObjectRef[_B],
        c: _C | ObjectRef[_C],
        d: _D | ObjectRef[_D],
        e: _E | ObjectRef[_E],
        f: _F | ObjectRef[_F],
        g: _G | ObjectRef[_G],
        h: _H | ObjectRef[_H],
        /,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _Out: ...
    @overload
    def remote(
        self: Remote[Callable[Concatenate[_A, _B, _C, _D, _E, _F, _G, _H, _I, _P], _Out]],
        a: _A | ObjectRef[_A],
        b: _B | ObjectRef[_B],
        c: _C | ObjectRef[_C],
        d: _D | ObjectRef[_D],
        e: _E | ObjectRef[_E],
        f: _F | ObjectRef[_F],
        g: _G | ObjectRef[_G],
        h: _H | ObjectRef[_H],
        i: _I | ObjectRef[_I],
        /,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _Out: ...
    @overload
    def remote(
        self: Remote[Callable[Concatenate[_A, _B, _C, _D, _E, _F, _G, _H, _I, _J, _P], _Out]],
        a: _A | ObjectRef[_A],
        b: _B | ObjectRef[_B],
        c: _C | ObjectRef[_C],
        d: _D | ObjectRef[_D],
        e: _E | ObjectRef[_E],
        f: _F | ObjectRef[_F],
        g: _G | ObjectRef[_G],
        h: _H | ObjectRef[_H],
        i: _I | ObjectRef[_I],
        j: _J | ObjectRef[_J],
        /,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _Out: ...
    def bind(self, *args: Any, **kwargs: Any) -> Any: ...

class RemoteFunction(Remote[_Call]):
    """A function that runs as tasks. `_Call` is what `remote` does: the function's parameters, and references to its
    results.
    """

    __name__: str
    __wrapped__: Callable[..., Any]
    @overload
    def options(
        self: RemoteFunction[Callable[_P, Any]], *, num_returns: Literal[0], **options: Any
    ) -> Remote[Callable[_P, None]]: ...
    @overload
    def options(self, *, num_returns: Literal[1] | None = None, **options: Any) -> Remote[_Call]: ...
    @overload
    def options(self, *, num_returns: Literal["streaming"], **options: Any) -> Remote[_Call]: ...
    @overload
    def options(
        self: RemoteFunction[Callable[_P, ObjectRefGenerator[_R]]], *, num_returns: Literal["dynamic"], **options: Any
    ) -> Remote[Callable[_P, ObjectRef[DynamicObjectRefGenerator[_R]]]]: ...
    @overload
    def options(
        self: RemoteFunction[Callable[_P, Any]], *, num_returns: int, **options: Any
    ) -> Remote[Callable[_P, list[ObjectRef[Any]]]]: ...

class ActorHandle(Generic[_T_co]):
    """A handle on an actor of class `_T_co`. Python cannot say which methods that has with a `remote` each, so any
    name is taken for a
    method here; `trygon.util.typed(handle)` gives the checked form for methods declared with `@trygon.method`."""

    def __getattr__(self, name: str) -> ActorMethod[Callable[..., ObjectRef[Any]]]: ...
    def __hash__(self) -> int: ...

class ActorMethod(Remote[_Call]):
    """A method of an actor, seen through its handle."""

    @overload
    def options(
        self: ActorMethod[Callable[_P, Any]], *, num_returns: Literal[0], **options: Any
    ) -> Remote[Callable[_P, None]]: ...
    @overload
    def options(self, *, num_returns: Literal[1] | None = None, **options: Any) -> Remote[_Call]: ...
    @overload
    def options(self, *, num_returns: Literal["streaming"], **options: Any) -> Remote[_Call]: ...
    @overload
    def options(
        self: ActorMethod[Callable[_P, ObjectRefGenerator[_R]]], *, num_returns: Literal["dynamic"], **options: Any
    ) -> Remote[Callable[_P, ObjectRef[DynamicObjectRefGenerator[_R]]]]: ...
    @overload
    def options(
        self: ActorMethod[Callable[_P, Any]], *, num_returns: int, **options: Any
    ) -> Remote[Callable[_P, list[ObjectRef[Any]]]]: ...

class ActorClass(Generic[_Call]):
    """A class that runs as actors. `_Call` is the class itself, which stands for its constructor's parameters."""

    __name__: str
    __wrapped__: _Call
    def options(self, **options: Any) -> ActorClass[_Call]: ...
    def bind(self, *args: Any, **kwargs: Any) -> ClassNode: ...
    @overload
    def remote(self: ActorClass[Callable[_P, _T]], *args: _P.args, **kwargs: _P.kwargs) -> ActorHandle[_T]: ...
    @overload
    def remote(
        self: ActorClass[Callable[Concatenate[_A, _P], _T]],
        a: _A | ObjectRef[_A],
        /,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> ActorHandle[_T]: ...
    @overload
    def remote(
        self: ActorClass[Callable[Concatenate[_A, _B, _P], _T]],
        a: _A | ObjectRef[_A],
        b: _B | ObjectRef[_B],
        /,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> ActorHandle[_T]: ...
    @overload
    def remote(
        self: ActorClass[Callable[Concatenate[_A, _B, _C, _P], _T]],
        a: _A | ObjectRef[_A],
        b: _B | ObjectRef[_B],
        c: _C | ObjectRef[_C],
        /,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> ActorHandle[_T]: ...
    @overload
    def remote(
        self: ActorClass[Callable[Concatenate[_A, _B, _C, _D, _P], _T]],
        a: _A | ObjectRef[_A],
        b: _B | ObjectRef[_B],
        c: _C | ObjectRef[_C],
        d: _D | ObjectRef[_D],
        /,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> ActorHandle[_T]: ...
    @overload
    def remote(
        self: ActorClass[Callable[Concatenate[_A, _B, _C, _D, _E, _P], _T]],
        a: _A | ObjectRef[_A],
        b: _B | ObjectRef[_B],
        c: _C | ObjectRef[_C],
        d: _D | ObjectRef[_D],
        e: _E | ObjectRef[_E],
        /,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> ActorHandle[_T]: ...
    @overload
    def remote(
        self: ActorClass[Callable[Concatenate[_A, _B, _C, _D, _E, _F, _P], _T]],
        a: _A | ObjectRef[_A],
        b: _B | ObjectRef[_B],
        c: _C | ObjectRef[_C],
        d: _D | ObjectRef[_D],
        e: _E | ObjectRef[_E],
        f: _F | ObjectRef[_F],
        /,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> ActorHandle[_T]: ...
    @overload
    def remote(
        self: ActorClass[Callable[Concatenate[_A, _B, _C, _D, _E, _F, _G, _P], _T]],
        a: _A | ObjectRef[_A],
        b: _B | ObjectRef[_B],
        c: _C | ObjectRef[_C],
        d: _D | ObjectRef[_D],
        e: _E | ObjectRef[_E],
        f: _F | ObjectRef[_F],
        g: _G | ObjectRef[_G],
        /,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> ActorHandle[_T]: ...
    @overload
    def remote(
        self: ActorClass[Callable[Concatenate[_A, _B, _C, _D, _E, _F, _G, _H, _P], _T]],
        a: _A | ObjectRef[_A],
        b: _B | ObjectRef[_B],
        c: _C | ObjectRef[_C],
        d: _D | ObjectRef[_D],
        e: _E | ObjectRef[_E],
        f: _F | ObjectRef[_F],
        g: _G | ObjectRef[_G],
        h: _H | ObjectRef[_H],
        /,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> ActorHandle[_T]: ...
    @overload
    def remote(
        self: ActorClass[Callable[Concatenate[_A, _B, _C, _D, _E, _F, _G, _H, _I, _P], _T]],
        a: _A | ObjectRef[_A],
        b: _B | ObjectRef[_B],
        c: _C | ObjectRef[_C],
        d: _D | ObjectRef[_D],
        e: _E | ObjectRef[_E],
        f: _F | ObjectRef[_F],
        g: _G | ObjectRef[_G],
        h: _H | ObjectRef[_H],
        i: _I | ObjectRef[_I],
        /,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> ActorHandle[_T]: ...
    @overload
    def remote(
        self: ActorClass[Callable[Concatenate[_A, _B, _C, _D, _E, _F, _G, _H, _I, _J, _P], _T]],
        a: _A | ObjectRef[_A],
        b: _B | ObjectRef[_B],
        c: _C | ObjectRef[_C],
        d: _D | ObjectRef[_D],
        e: _E | ObjectRef[_E],
        f: _F | ObjectRef[_F],
        g: _G | ObjectRef[_G],
        h: _H | ObjectRef[_H],
        i: _I | ObjectRef[_I],
        j: _J | ObjectRef[_J],
        /,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> ActorHandle[_T]: ...

class BoundMethod(ActorMethod[_Call], Generic[_Call, _R]):
    """A method declared with `@trygon.method`: called directly inside the class, with `.remote` through
    `typed(handle)`.
    """

    def __call__(self: BoundMethod[Callable[_P, Any], _R], *args: _P.args, **kwargs: _P.kwargs) -> _R: ...

class Method(Generic[_Call, _R]):
    """What `@trygon.method` makes of a method."""

    def __get__(self, instance: object, owner: Any = None) -> BoundMethod[_Call, _R]: ...

class MethodDecorator:
    """`@method(...)` where the method has one result."""

    @overload
    def __call__(
        self, function: Callable[Concatenate[_S, _P], Coroutine[Any, Any, _R]], /
    ) -> Method[Callable[_P, ObjectRef[_R]], Coroutine[Any, Any, _R]]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[Concatenate[_S, _P], Iterator[_R]], /
    ) -> Method[Callable[_P, ObjectRefGenerator[_R]], Iterator[_R]]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[Concatenate[_S, _P], AsyncIterator[_R]], /
    ) -> Method[Callable[_P, ObjectRefGenerator[_R]], AsyncIterator[_R]]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[_S, _P], _R], /) -> Method[Callable[_P, ObjectRef[_R]], _R]: ...

class SeveralMethodDecorator:
    """`@method(num_returns=n)`."""

    def __call__(
        self, function: Callable[Concatenate[_S, _P], _R], /
    ) -> Method[Callable[_P, list[ObjectRef[Any]]], _R]: ...

class NoneMethodDecorator:
    """`@method(num_returns=0)`."""

    def __call__(self, function: Callable[Concatenate[_S, _P], _R], /) -> Method[Callable[_P, None], _R]: ...

class Decorator:
    """`@remote(...)` for a function with one result, or for a class."""

    @overload
    def __call__(self, target: _Class, /) -> ActorClass[_Class]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, target: Callable[_P, Iterator[_R]], /
    ) -> RemoteFunction[Callable[_P, ObjectRefGenerator[_R]]]: ...
    @overload
    def __call__(self, target: Callable[_P, _R], /) -> RemoteFunction[Callable[_P, ObjectRef[_R]]]: ...

class SeveralDecorator:
    """`@remote(num_returns=n)`."""

    def __call__(self, function: Callable[_P, Any], /) -> RemoteFunction[Callable[_P, list[ObjectRef[Any]]]]: ...

class StreamingDecorator:
    """`@remote(num_returns="streaming")`."""

    def __call__(
        self, function: Callable[_P, Iterator[_R]], /
    ) -> RemoteFunction[Callable[_P, ObjectRefGenerator[_R]]]: ...

class DynamicDecorator:
    """`@remote(num_returns="dynamic")`."""

    def __call__(
        self, function: Callable[_P, Iterator[_R]], /
    ) -> RemoteFunction[Callable[_P, ObjectRef[DynamicObjectRefGenerator[_R]]]]: ...

class NoneDecorator:
    """`@remote(num_returns=0)`."""

    def __call__(self, function: Callable[_P, Any], /) -> RemoteFunction[Callable[_P, None]]: ...
