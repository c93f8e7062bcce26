"""How a child process is started and ended."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InvalidOption
from ..process import checked_seconds
from ._limits import Limits

INHERITED = (
    *("HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER"),
    *("TRACEPARENT", "TRACESTATE"),
)
"""The environment variables that a child gets if its runtime has them, besides those that begin with `LC_`."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What `isolated` was told."""

    python: str
    limits: Limits
    env: Mapping[str, str] = field(repr=False)
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
        for name, value in self.env.items():
            if (
                not isinstance(name, str)
                or not isinstance(value, str)
                or not name
                or "=" in name
                or "\0" in name + value
            ):
                raise InvalidOption("env", dict.fromkeys(self.env, "…"), "names and values of environment variables")
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

    def argv(self) -> list[str]:
        """The command."""
        return [self.python, "-P", "-m", "axon.port"]

    def environment(self) -> dict[str, str]:
        """The environment, as it is now: what everybody gets, then what is inherited by name, then what is given."""
        here = os.environ
        names = [*INHERITED, *(name for name in here if name.startswith("LC_")), *self.inherit]
        return {
            **{name: here[name] for name in names if name in here},
            "PYTHONPATH": os.pathsep.join(own_paths()),
            **self.env,
        }


def own_paths() -> list[str]:
    """Where this program finds its own modules: not those of the interpreter and of its environment, since the child may
    have others.
    """
    theirs = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
    found: dict[str, None] = {}
    for entry in sys.path:
        path = str(Path(entry or ".").absolute())
        if not path.startswith(theirs) and not path.endswith(".zip"):
            found[path] = None
    return list(found)
