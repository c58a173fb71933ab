"""What Ray offers for Java, C++ and thin clients. Trygon runs Python on one machine: each is refused by its name."""

from __future__ import annotations

from enum import Enum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


class Language(Enum):
    """Languages that workers may be written in. Trygon's are written in Python."""

    PYTHON = 0
    JAVA = 1
    CPP = 2


def _refuse(name: str, language: str) -> NoReturn:
    raise NotImplementedError(
        f"{name}() calls code in {language}; Trygon runs Python. Wrap the code in a Python function, with ctypes or a"
        " subprocess."
    )


def java_function(class_name: str, function_name: str) -> NoReturn:
    """Refused: NotImplementedError."""
    _refuse("java_function", "Java")


def java_actor_class(class_name: str) -> NoReturn:
    """Refused: NotImplementedError."""
    _refuse("java_actor_class", "Java")


def cpp_function(function_name: str) -> NoReturn:
    """Refused: NotImplementedError."""
    _refuse("cpp_function", "C++")


def cpp_actor_class(create_function_name: str, class_name: str) -> NoReturn:
    """Refused: NotImplementedError."""
    _refuse("cpp_actor_class", "C++")


def client(address: str | None = None, **_: Any) -> NoReturn:
    """Refused: ConnectionError. It is Ray's old way to join a cluster from afar."""
    raise ConnectionError(
        f"client({address!r}) would join a cluster; this version of Trygon runs on one machine: use init()."
    )
