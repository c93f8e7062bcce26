"""What every child process is started in, and the times that it has."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import InvalidOption
from ..process import checked_seconds
from ._limits import Limits

NO_LIMITS = Limits()

INHERITED = (
    *("HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER"),
    *("TRACEPARENT", "TRACESTATE"),
)
"""The environment variables that a child gets if its runtime has them, besides those that begin with `LC_`."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Limits, environment, directory and times of a child process, as they were given. Raises `InvalidOption`."""

    limits: Limits = NO_LIMITS
    environ: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    inherit: Sequence[str] = ()
    cwd: str | None = None
    start_within: float = 30.0
    hang: float | None = 10.0
    grace: float = 3.0

    def __post_init__(self) -> None:
        if not isinstance(self.limits, Limits):
            raise InvalidOption("limits", self.limits, "an axon.port.Limits")
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

    def environment(self) -> dict[str, str]:
        """The environment, as it is now: what everybody gets, then what is inherited by name, then what is given."""
        here = os.environ
        names = [*INHERITED, *(name for name in here if name.startswith("LC_")), *self.inherit]
        return {**{name: here[name] for name in names if name in here}, **self.environ}
