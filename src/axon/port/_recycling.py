"""When a worker has done enough, and which ones are replaced now, as functions over plain data; no clock in here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

from ..errors import InvalidOption
from ..process import checked_seconds

W = TypeVar("W")

Why: TypeAlias = Literal["age", "requests", "memory", "asked"]
"""Which limit a worker has reached; `asked` is none, somebody wants fresh ones."""

EVERY = 1.0
"""Seconds between two looks at the memory of workers: they tell it as often."""


@dataclass(frozen=True, kw_only=True)
class Recycle:
    """When the workers of a pool are replaced by fresh ones; None, the default of each limit, is never.

        PortPool(isolated(Parser()), size=4, recycle=Recycle(max_age=3600, max_requests=10_000, max_memory=2**30))

    max_age: seconds a worker runs. max_requests: requests it is given. max_memory: bytes that are resident, of isolated
    servers, which tell it once a second. jitter: each worker has limits of its own, shorter by a random part of up to this
    one, default 0.1, so that those that were started together are not replaced together. at_once: most workers that are
    replaced at the same time, default 1: so many processes more than its size a pool may have.

    Raises `InvalidOption`.
    """

    max_age: float | None = None
    max_requests: int | None = None
    max_memory: int | None = None
    jitter: float = 0.1
    at_once: int = 1

    def __post_init__(self) -> None:
        if self.max_age is not None and not checked_seconds(self.max_age, "max_age") > 0:
            raise InvalidOption("max_age", self.max_age, "None or a number of seconds > 0")
        for option in ("max_requests", "max_memory"):
            if getattr(self, option) is not None:
                checked_count(getattr(self, option), option, also="None or ")
        jitter = self.jitter
        if isinstance(jitter, bool) or not isinstance(jitter, int | float) or not 0 <= jitter <= 1:
            raise InvalidOption("jitter", jitter, "a number from 0 to 1")
        checked_count(self.at_once, "at_once")

    def why(self, share: float, *, age: float, served: int, memory: int) -> Why | None:
        """The limit that a worker has reached, if any. share: how much of each limit is its own, see `share_of`."""
        if self.max_age is not None and age >= self.max_age * share:
            return "age"
        if self.max_requests is not None and served >= max(1, round(self.max_requests * share)):
            return "requests"
        if self.max_memory is not None and memory >= self.max_memory * share:
            return "memory"
        return None

    def share_of(self, chance: float) -> float:
        """The part of each limit that a worker is to have. chance: a random number from 0 to 1."""
        return 1 - self.jitter * chance

    def next_look(self, ages: Iterable[tuple[float, float]]) -> float | None:
        """Seconds until one of these, each with its age and its share, may reach a limit by itself; None if none will."""
        times = [] if self.max_memory is None else [EVERY]
        if self.max_age is not None:
            times += [left for age, share in ages if (left := self.max_age * share - age) > 0]
        return min(times, default=None)

    def chosen(self, due: Iterable[tuple[float, W]], under_way: int) -> list[W]:
        """Which of those that are due, each with its age, are replaced now, the oldest first, while so many others are."""
        oldest = sorted(due, key=lambda one: -one[0])
        return [worker for _, worker in oldest[: max(0, self.at_once - under_way)]]


def checked_count(value: object, option: str, least: int = 1, also: str = "") -> int:
    """`value` as a number >= `least`; `InvalidOption` otherwise."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidOption(option, value, f"{also}a number >= {least}")
    return value
