"""How the child process of an isolated server is started and ended."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidOption
from ..process import Stop
from ._surroundings import Surroundings

if TYPE_CHECKING:
    from ..env import PythonEnv, PythonEnvManager

BOOTSTRAP = Path(__file__).with_name("_bootstrap.py")


@dataclass(frozen=True, kw_only=True)
class Options(Surroundings):
    """What `isolated` was told."""

    python: str
    env: PythonEnvManager | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not Path(self.python).is_absolute():
            raise InvalidOption("python", self.python, "the absolute path of an interpreter")

    @property
    def heartbeat(self) -> float:
        """Seconds between two signs of life."""
        return 1.0 if self.hang is None else min(1.0, self.hang / 5)

    async def housed(self) -> Options:
        """The same, with the interpreter of its environment, which is found, or built now. Raises `Stop` with the reason
        if it cannot be had, a `PythonEnvError`.
        """
        if self.env is None:
            return self
        from ..env import PythonEnvError

        try:
            return replace(self, python=str((await self.env.ensure_env()).python), env=None)
        except PythonEnvError as error:
            raise Stop(error) from error

    def argv(self) -> list[str]:
        """The command."""
        return [self.python, str(BOOTSTRAP)]

    def environment(self) -> dict[str, str]:
        """The environment, with where this program finds its modules."""
        return {"PYTHONPATH": os.pathsep.join(own_paths()), **super().environment()}


def lodging(env: PythonEnvManager | PythonEnv | None, python: str | Path | None) -> tuple[PythonEnvManager | None, str]:
    """The manager of the environment, and until it has said otherwise the interpreter. Raises `InvalidOption`."""
    if env is None:
        return None, str(sys.executable if python is None else python)
    if python is not None:
        raise InvalidOption("python", str(python), "left out where env is given, which has an interpreter of its own")
    from ..env import PythonEnv, PythonEnvManager

    if isinstance(env, PythonEnvManager):
        return env.with_axon(), sys.executable
    if not isinstance(env, PythonEnv):
        shown = dict.fromkeys(env, "…") if isinstance(env, Mapping) else env
        raise InvalidOption("env", shown, "an axon.env.PythonEnvManager (environment variables go by environ)")
    lacking = env.missing_for_axon()
    if lacking:
        what = f"an environment that has what Axon needs, as that of manager.with_axon() has: {', '.join(lacking)}"
        raise InvalidOption("env", str(env.path), what)
    return None, str(env.python)


def own_paths() -> list[str]:
    """Where this program finds its own modules: not those of the interpreter and of its environment, since the child may
    have others. For the `PYTHONPATH` of a Python program that is to find them, too.
    """
    theirs = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    found: dict[str, None] = {}
    for entry in sys.path:
        path = Path(entry or ".").absolute()
        packages = path.name in ("site-packages", "dist-packages")  # of users and of the system, too
        if not packages and not theirs & {path, *path.parents} and path.suffix != ".zip":
            found[str(path)] = None
    return list(found)
