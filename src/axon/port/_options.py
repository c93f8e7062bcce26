"""How the child process of an isolated server is started and ended."""

from __future__ import annotations

import os
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from ..errors import InvalidOption
from ._surroundings import Surroundings


@dataclass(frozen=True, kw_only=True)
class Options(Surroundings):
    """What `isolated` was told."""

    python: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if not Path(self.python).is_absolute():
            raise InvalidOption("python", self.python, "the absolute path of an interpreter")

    @property
    def heartbeat(self) -> float:
        """Seconds between two signs of life."""
        return 1.0 if self.hang is None else min(1.0, self.hang / 5)

    def argv(self) -> list[str]:
        """The command."""
        return [self.python, "-P", "-m", "axon.port"]

    def environment(self) -> dict[str, str]:
        """The environment, with where this program finds its modules."""
        return {"PYTHONPATH": os.pathsep.join(own_paths()), **super().environment()}


def own_paths() -> list[str]:
    """Where this program finds its own modules: not those of the interpreter and of its environment, since the child may
    have others. For the `PYTHONPATH` of a Python program that is to find them, too.
    """
    theirs = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
    found: dict[str, None] = {}
    for entry in sys.path:
        path = str(Path(entry or ".").absolute())
        if not path.startswith(theirs) and not path.endswith(".zip"):
            found[path] = None
    return list(found)
