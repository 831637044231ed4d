"""Modules that are found when they are imported, but run only when somebody asks them for a name.

For what a library imports because it may need it: the first use pays for it, and a process that never uses it never pays.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from threading import RLock
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.abc import Loader


@contextmanager
def deferring(*names: str) -> Iterator[None]:
    """Importing one of these modules in this context defers it. A module that is loaded already stays as it is."""
    finder = _Finder(frozenset(names))
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Finder:
    """Finds what the path finder finds, with another loader."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in self._names else None
        if spec is not None and spec.loader is not None:
            spec.loader = _Deferred(spec.loader)  # type: ignore[assignment]  # importlib.abc would load a dozen modules
        return spec


class _Deferred:
    """Gives a module a `__getattr__` (PEP 562) that runs it once, whichever thread asks first."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._lock = RLock()
        self._begun = False

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        def ask(name: str) -> object:
            if name.startswith("__") and name != "__all__":  # the interpreter looks at modules, too
                raise AttributeError(name)
            if _is_submodule(module, name):  # `from package import module` takes the module only
                return importlib.import_module(f"{module.__name__}.{name}")
            self._run(module)
            if name not in module.__dict__:
                raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
            return module.__dict__[name]

        module.__getattr__ = ask  # type: ignore[method-assign]

    def _run(self, module: ModuleType) -> None:
        with self._lock:
            if not self._begun:
                self._begun = True
                try:
                    self._loader.exec_module(module)
                except BaseException:
                    self._begun = False
                    raise


def _is_submodule(module: ModuleType, name: str) -> bool:
    path = module.__dict__.get("__path__")
    return path is not None and PathFinder.find_spec(f"{module.__name__}.{name}", path) is not None
