"""What may go wrong in a simulation, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from ..errors import InvalidOption
from ..process import checked_seconds


@dataclass(frozen=True, kw_only=True)
class Faults:
    """Faults that a simulation injects where its choices say so; the default injects none.

    kill: the probability, at each step of a process, that it is killed there. victims: which processes, a pattern for
    their paths as in `fnmatch` (`"app/workers/*"`), default all. most_kills: how many at most, default no limit.
    late: seconds that a timer may fire after its time at most. trouble: the probability that `trouble()` says yes,
    by which code of a test (a scripted child, a fake of a service) asks whether it is to fail or dawdle now.
    """

    kill: float = 0.0
    victims: str = "*"
    most_kills: int | None = None
    late: float = 0.0
    trouble: float = 0.0

    def __post_init__(self) -> None:
        for option, value in (("kill", self.kill), ("trouble", self.trouble)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise InvalidOption(option, value, "a probability between 0 and 1")
        checked_seconds(self.late, "late")
        most = self.most_kills
        if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 0):
            raise InvalidOption("most_kills", most, "None or a number >= 0")

    def may_hit(self, path: str) -> bool:
        """Whether a process at this path is among the victims."""
        return fnmatchcase(path, self.victims)
