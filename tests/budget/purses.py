"""A model of budgets that anybody can check by reading: purses that remember every single response."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

Counts = dict[str, int]
RESOURCES = ("usd", "tokens")


@dataclass(eq=False)
class Purse:
    """A grant. Nothing is ever forgotten or moved: a share that ended keeps what was spent from it."""

    limits: Counts
    parent: Purse | None = None
    spent: list[tuple[float, Counts]] = field(default_factory=list[tuple[float, Counts]])
    shares: list[Purse] = field(default_factory=list["Purse"])
    is_open: bool = True

    def spend(self, now: float, counts: Counts) -> None:
        """What is told after a share has ended is spent where the share came from."""
        purse = self
        while not purse.is_open:
            assert purse.parent is not None
            purse = purse.parent
        purse.spent.append((now, counts))

    def close(self) -> None:
        self.is_open = False
        for share in self.shares:
            share.close()

    @property
    def line(self) -> list[Purse]:
        """From here to the root."""
        return [self] if self.parent is None else [self, *self.parent.line]

    def all_spent(self, since: float = -math.inf) -> list[Counts]:
        """Every response that was paid from here, or from a share of it."""
        own = [counts for when, counts in self.spent if when >= since]
        return own + [counts for share in self.shares for counts in share.all_spent(since)]

    def total(self, resource: str, since: float = -math.inf) -> int:
        return sum(counts[resource] for counts in self.all_spent(since))

    def gone(self, resource: str, since: float = -math.inf) -> int:
        """What is spent or handed on."""
        gone = sum(counts[resource] for when, counts in self.spent if when >= since)
        for share in self.shares:
            if share.is_open:
                before = share.total(resource) - share.total(resource, since)
                gone += max(share.limits.get(resource, 0), share.gone(resource)) - before
            else:
                gone += share.total(resource, since)
        return gone

    def overshoot_is_one_response(self, since: float = -math.inf) -> bool:
        """Of each resource at most one response more was spent than was granted."""
        responses = self.all_spent(since)
        return all(
            self.total(resource, since) <= limit + max((counts[resource] for counts in responses), default=0)
            for resource, limit in self.limits.items()
        )
