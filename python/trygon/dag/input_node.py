"""What a graph is executed with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trygon.dag.dag_node import DAGNode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from trygon.dag.dag_node import Results

# Names that tools look for on any object; they mean nothing about the input.
_PROBED = ("_repr_", "_ipython_", "__")


class DAGInputData:
    """Several arguments of `execute` as one value: `data[0]` is the first one, `data["x"]` the one named x."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._args = list(args)
        self._kwargs = kwargs

    def __getitem__(self, key: int | str) -> Any:
        if isinstance(key, bool) or not isinstance(key, (int, str)):
            raise ValueError(f"The input of a graph is looked up by a position or a name, but {key!r} was given.")
        try:
            return self._args[key] if isinstance(key, int) else self._kwargs[key]
        except LookupError:
            what = f"positional argument {key}" if isinstance(key, int) else f"argument named {key!r}"
            kind = IndexError if isinstance(key, int) else KeyError
            raise kind(
                f"The graph needs a {what}, but execute() got {len(self._args)} positional arguments and these names:"
                f" {', '.join(map(repr, self._kwargs)) or 'none'}."
            ) from None


class InputNode(DAGNode):
    """Stands for the argument of `execute`; `inp[0]`, `inp["x"]` and `inp.x` for a part of it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args or kwargs:
            raise ValueError("InputNode takes no arguments: the values come with execute().")
        super().__init__((), {})
        self._context: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def set_context(self, key: str, val: Any) -> None:
        """Keeps something beside the node."""
        self._context[key] = val

    def get_result_type(self) -> str:
        """The type of what it becomes."""
        return "DAGInputData"

    def _run(self, results: Results, given: tuple[tuple[Any, ...], dict[str, Any]]) -> Any:
        args, kwargs = given
        return args[0] if len(args) == 1 and not kwargs else DAGInputData(*args, **kwargs)

    def __getattr__(self, name: str) -> InputAttributeNode:
        if name.startswith(_PROBED) or "_bound_args" not in self.__dict__:
            raise AttributeError(name)
        return InputAttributeNode(self, name, is_attribute=True)

    def __getitem__(self, key: int | str) -> InputAttributeNode:
        if isinstance(key, bool) or not isinstance(key, (int, str)):
            raise ValueError(f"The input of a graph is looked up by a position or a name, but {key!r} was given.")
        return InputAttributeNode(self, key, is_attribute=False)

    def _title(self) -> str:
        return "input"


class InputAttributeNode(DAGNode):
    """A part of the input."""

    def __init__(self, input_node: InputNode, key: int | str, *, is_attribute: bool) -> None:
        super().__init__((), {})
        self._input_node = input_node
        self._key = key
        self._is_attribute = is_attribute

    @property
    def key(self) -> int | str:
        """The position or name."""
        return self._key

    def get_result_type(self) -> str:
        """The type of what it becomes, as far as that is known."""
        return "Any"

    def get_other_args_to_resolve(self) -> dict[str, Any]:
        """The input itself."""
        return {"dag_input_node": self._input_node, "key": self._key}

    def _others(self) -> Iterator[DAGNode]:
        return iter((self._input_node,))

    def _run(self, results: Results, given: tuple[tuple[Any, ...], dict[str, Any]]) -> Any:
        value = results[self._input_node]
        if isinstance(value, DAGInputData) or not self._is_attribute:
            return value[self._key]
        return getattr(value, str(self._key))

    def _title(self) -> str:
        return f"input.{self._key}" if self._is_attribute else f"input[{self._key!r}]"
