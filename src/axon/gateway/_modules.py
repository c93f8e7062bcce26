"""Agents and functions by the names of their modules: from one folder, and only what is on a list."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import module_from_spec
from itertools import accumulate
from pathlib import Path
from threading import Lock
from types import FunctionType, ModuleType
from typing import Any, cast

from pydantic_ai.agent import AbstractAgent

from ..errors import InvalidOption
from ._errors import ModuleNotAllowed, ModuleUnusable

NAME = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_]*(\.(?!__)[A-Za-z_][A-Za-z0-9_]*)*")
"""What the name of a module looks like; `__main__` and the like are none, since to import them is to run a program."""


class Modules:
    """The modules that requests may name: `Modules("app", allowed=["agents.*", "tools.dates"])`.

    app_dir: the folder they are in, default the current one; nothing outside it is imported, also if a package of the
    same name is installed. allowed: patterns for whole names, default `agents.*`, whatever is below the package `agents`.

    Raises `InvalidOption`. Its methods import modules, so call them in a thread while a loop runs.
    """

    def __init__(self, app_dir: str | Path = ".", *, allowed: Sequence[str] = ("agents.*",)) -> None:
        self.app_dir: Path = Path(app_dir).resolve()
        if not self.app_dir.is_dir():
            raise InvalidOption("app_dir", str(app_dir), "a folder")
        if isinstance(allowed, str) or not all(isinstance(pattern, str) for pattern in allowed):
            raise InvalidOption("allowed", allowed, "a list of patterns, such as ['agents.*']")
        self.allowed: tuple[str, ...] = tuple(allowed)
        self._importing = Lock()

    def check(self, name: str) -> None:
        """Raise `ModuleNotAllowed` unless this module is on the list. Imports nothing."""
        if NAME.fullmatch(name) is None or not any(fnmatchcase(name, pattern) for pattern in self.allowed):
            raise ModuleNotAllowed(name, self.allowed)

    def agent(self, name: str) -> AbstractAgent[Any, Any]:
        """The attribute `agent` of a module. Raises `ModuleNotAllowed`, `ModuleUnusable`."""
        found: Any = getattr(self._module(name), "agent", None)
        if not isinstance(cast("object", found), AbstractAgent):
            raise ModuleUnusable(name, "has no attribute `agent` that is a pydantic_ai.Agent")
        agent: AbstractAgent[Any, Any] = found
        return agent

    def function(self, name: str, function: str) -> Callable[..., object]:
        """A public function that a module itself defines. Raises `ModuleNotAllowed`, `ModuleUnusable`."""
        found: object = None if function.startswith("_") else getattr(self._module(name), function, None)
        if not isinstance(found, FunctionType) or found.__module__ != name:  # no class, nor what it has made
            raise ModuleUnusable(name, f"has no function {function!r} of its own")
        return found

    def _module(self, name: str) -> ModuleType:
        self.check(name)
        path: Sequence[str] = [str(self.app_dir)]
        with self._importing:
            *packages, _ = accumulate(name.split("."), "{}.{}".format)
            for package in packages:
                path = list(getattr(self._imported(package, path), "__path__", ()))
            return self._imported(name, path)

    def _imported(self, name: str, path: Sequence[str]) -> ModuleType:
        """The module `name` in one of these folders, as `import` would make it; nothing else is looked for."""
        spec = PathFinder.find_spec(name, path)
        if spec is None or not self._is_inside(spec):
            raise ModuleUnusable(name, f"is not in {self.app_dir}")
        known = sys.modules.get(name)
        if known is not None:
            if known.__spec__ is not None and _places(known.__spec__) & _places(spec):
                return known
            raise ModuleUnusable(name, "has the name of another one, which this program has imported from elsewhere")
        module = module_from_spec(spec)
        if not spec.has_location:
            module.__path__ = list(spec.submodule_search_locations or ())  # for good: by itself it follows sys.path
        sys.modules[name] = module
        try:
            if spec.loader is not None:
                spec.loader.exec_module(module)
        except BaseException as error:
            del sys.modules[name]
            if isinstance(error, KeyboardInterrupt):
                raise
            raise ModuleUnusable(name, f"cannot be imported: {type(error).__name__}: {error}") from error
        home, _, last = name.rpartition(".")
        if home:
            setattr(sys.modules[home], last, module)
        return module

    def _is_inside(self, spec: ModuleSpec) -> bool:
        return all(place.is_relative_to(self.app_dir) for place in _places(spec))


def _places(spec: ModuleSpec) -> set[Path]:
    """The file of a module, or the folders of a package that has none."""
    if spec.has_location and spec.origin is not None:
        return {Path(spec.origin).resolve()}
    return {Path(place).resolve() for place in spec.submodule_search_locations or ()}
