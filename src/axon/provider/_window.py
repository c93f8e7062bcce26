"""How much was used in the last minute, and when there is room for more."""

from __future__ import annotations

import math
from collections import deque

MINUTE = 60.0


class Entry:
    """What one request took; it may turn out to be more or less."""

    __slots__ = ("at", "weight")

    def __init__(self, at: float, weight: int) -> None:
        self.at: float = at
        self.weight: int = weight


class Window:
    """A sliding window: within any minute no more than `limit` are let in, None for no limit.

    That keeps within a provider's limit whether it counts with a token bucket, by the clock's minutes or like this.
    """

    def __init__(self, limit: int | None) -> None:
        self.limit: int | None = limit
        self._entries: deque[Entry] = deque()
        self._used = 0

    def used(self, now: float) -> int:
        """What was used in the last minute."""
        while self._entries and self._entries[0].at + MINUTE <= now:
            self._used -= self._entries.popleft().weight
        return self._used

    def next_at(self, now: float, weight: int) -> float:
        """When there is room for so much: `now` or later, `inf` if there never is."""
        if self.limit is None:
            return now
        if weight > self.limit:
            return math.inf
        over = self.used(now) + weight - self.limit
        if over <= 0:
            return now
        for entry in self._entries:
            over -= entry.weight
            if over <= 0:
                return entry.at + MINUTE
        return math.inf  # not reached: without entries there is room

    def add(self, now: float, weight: int) -> Entry:
        """Use it."""
        self.used(now)
        entry = Entry(now, weight)
        self._entries.append(entry)
        self._used += weight
        return entry

    def settle(self, entry: Entry, weight: int, now: float) -> None:
        """It was so much in truth; also if that is more than there was room for."""
        self.used(now)
        if entry.at + MINUTE > now:
            self._used += weight - entry.weight
        entry.weight = weight
