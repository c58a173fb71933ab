"""The import hook: names below `ray` become Trygon's own modules.

A package of Trygon appears as an `Alias`, so that importing `ray.util.x` never writes into `trygon.util`; a plain
module appears as itself. So every class and function is the same object under both names.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType

from trygon.compat import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_ROOT = "ray"


class Alias(ModuleType):
    """A package under its Ray name: asks Trygon's package for everything."""

    def __init__(self, name: str, target: ModuleType) -> None:
        super().__init__(name, target.__doc__)
        own = vars(self)
        own["_trygon_target"] = target
        own["__path__"] = []
        own["__file__"] = getattr(target, "__file__", None)
        own.update(table.own_attributes(name))

    def __getattr__(self, name: str) -> Any:
        own = vars(self)
        try:
            value = getattr(own["_trygon_target"], name)
        except AttributeError:
            value = _submodule_or_refusal(own["__name__"], name)
        full = f"{own['__name__']}.{name}"
        if isinstance(value, ModuleType) and table.target_of(full) is not None:
            value = import_module(full)
        if not name.startswith("__"):
            # The next access finds it without asking again.
            own[name] = value
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        # The import system binds a submodule to its parent; `ray.util.placement_group` stays the function of this name.
        if isinstance(value, ModuleType) and sys.modules.get(f"{self.__name__}.{name}") is value:
            target = vars(self)["_trygon_target"]
            shown = vars(self).get(name, vars(target).get(name))
            if shown is not None and not isinstance(shown, ModuleType):
                return
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*dir(vars(self)["_trygon_target"]), *vars(self)})

    def __repr__(self) -> str:
        return f"<module {self.__name__!r}: {vars(self)['_trygon_target'].__name__} of Trygon>"

    def __reduce__(self) -> Any:
        # Functions carry the modules they use; the receiving process installs the alias if it has not yet.
        return imported, (self.__name__,)


def imported(name: str) -> ModuleType:
    """The module under its Ray name, in a process that may not have the alias yet."""
    if not is_installed():
        from trygon.compat.ray import install as install_all

        install_all()
    return import_module(name)


def _submodule_or_refusal(package: str, name: str) -> Any:
    full = f"{package}.{name}"
    if table.target_of(full) is not None and not name.startswith("_"):
        return import_module(full)
    raise AttributeError(table.refusal(full) or f"module {package!r} has no attribute {name!r}")


class Finder:
    """Answers for `ray` and everything below it, before any other finder."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module that Trygon has; ImportError with the reason for what it has not."""
        if name != _ROOT and not name.startswith(_ROOT + "."):
            return None
        found = table.target_of(name)
        if found is None:
            reason = table.refusal(name)
            if reason is not None:
                # Not under its own name: `from ray import tune` swallows an error that has it, and then says only
                # "cannot import name".
                raise ModuleNotFoundError(reason, name=_ROOT)
            raise ModuleNotFoundError(
                f"No module named {name!r}: Trygon has nothing under this name of Ray's.", name=name
            )
        module = import_module(found)
        # Packages from elsewhere are safe as they are: their submodules are at the same places.
        is_package = found.startswith("trygon") and (hasattr(module, "__path__") or table.has_children(name))
        return ModuleSpec(name, _Loader(module, is_package), is_package=is_package)


class _Loader(Loader):
    """Hands out a module that exists already."""

    def __init__(self, module: ModuleType, is_package: bool) -> None:
        self._module = module
        self._is_package = is_package
        self._spec = module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The alias of a package, or the module itself."""
        return Alias(spec.name, self._module) if self._is_package else self._module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing runs; the import system wrote its spec into the module, and gets the module's own back."""
        if module is self._module:
            module.__spec__ = self._spec


_finder = Finder()


def install() -> None:
    """Puts the finder first and replaces a placeholder that is there already."""
    if _finder in sys.meta_path:
        return
    sys.meta_path.insert(0, _finder)
    if _ROOT in sys.modules:
        # The placeholder is being imported just now: the import system returns what it finds under the name afterwards.
        del sys.modules[_ROOT]
        import_module(_ROOT)


def is_installed() -> bool:
    """Whether the finder answers in this process."""
    return _finder in sys.meta_path


def is_alias(module: object) -> bool:
    """Whether `module` is Trygon under a Ray name."""
    return isinstance(module, Alias)
