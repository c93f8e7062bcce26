"""How a child process is started and ended."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidOption
from ..process import Stop, checked_seconds
from ._limits import Limits

if TYPE_CHECKING:
    from ..env import PythonEnv, PythonEnvManager

BOOTSTRAP = Path(__file__).with_name("_bootstrap.py")

INHERITED = (
    *("HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER"),
    *("TRACEPARENT", "TRACESTATE"),
)
"""The environment variables that a child gets if its runtime has them, besides those that begin with `LC_`."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What `isolated` was told."""

    python: str
    env: PythonEnvManager | None = None
    limits: Limits
    environ: Mapping[str, str] = field(repr=False)
    inherit: Sequence[str]
    cwd: str | None
    start_within: float
    hang: float | None
    grace: float

    def __post_init__(self) -> None:
        if not isinstance(self.limits, Limits):
            raise InvalidOption("limits", self.limits, "an axon.port.Limits")
        if not Path(self.python).is_absolute():
            raise InvalidOption("python", self.python, "the absolute path of an interpreter")
        for name, value in self.environ.items():
            if (
                not isinstance(name, str)
                or not isinstance(value, str)
                or not name
                or "=" in name
                or "\0" in name + value
            ):
                shown = dict.fromkeys(self.environ, "…")
                raise InvalidOption("environ", shown, "names and values of environment variables")
        if isinstance(self.inherit, str) or not all(isinstance(name, str) and name for name in self.inherit):
            raise InvalidOption("inherit", self.inherit, "names of environment variables")
        for option in ("start_within", "hang", "grace"):
            seconds = getattr(self, option)
            if seconds is not None or option != "hang":
                checked_seconds(seconds, option)
            if option != "grace" and seconds is not None and not seconds > 0:
                raise InvalidOption(option, seconds, "a number of seconds > 0")

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
        """The environment, as it is now: what everybody gets, then what is inherited by name, then what is given."""
        here = os.environ
        names = [*INHERITED, *(name for name in here if name.startswith("LC_")), *self.inherit]
        return {
            **{name: here[name] for name in names if name in here},
            "PYTHONPATH": os.pathsep.join(own_paths()),
            **self.environ,
        }


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
    have others.
    """
    theirs = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    found: dict[str, None] = {}
    for entry in sys.path:
        path = Path(entry or ".").absolute()
        packages = path.name in ("site-packages", "dist-packages")  # of users and of the system, too
        if not packages and not theirs & {path, *path.parents} and path.suffix != ".zip":
            found[str(path)] = None
    return list(found)
