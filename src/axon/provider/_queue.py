"""Who is next: those who wait for an account, in an order that is fair among agents."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from dataclasses import dataclass

from ._breaker import Pass
from ._window import Entry


@dataclass(slots=True, eq=False)
class Ticket:
    """The leave to send one request, and what it is counted as; see `Account`."""

    leave: Pass
    who: str
    request: Entry
    tokens: Entry
    estimate: int
    is_open: bool = True


@dataclass(slots=True, eq=False)
class Waiter:
    """One request that waits: `tokens` are what it is expected to use, `cost` the share of a minute that takes."""

    who: str
    estimate: int
    tokens: int
    cost: float
    due: float | None
    ticket: asyncio.Future[Ticket]
    is_queued: bool = True


class FairQueue:
    """Gives each agent its turn: next is the first request of the agent that has had least while others waited.

    Start-time fair queueing: an agent that comes begins level with those that are there, so that nobody saves up.
    https://doi.org/10.1109/90.649569
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Waiter]] = {}
        self._had: dict[str, float] = {}
        self._level = 0.0
        self._order: list[tuple[float, int, str]] = []  # with entries of agents that have left, or stand elsewhere
        self._place: dict[str, int] = {}
        self._numbers = itertools.count()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def push(self, waiter: Waiter) -> None:
        """Stand in line."""
        self._size += 1
        mine = self._waiting.get(waiter.who)
        if mine is not None:
            mine.append(waiter)
            return
        self._waiting[waiter.who] = deque([waiter])
        self._had[waiter.who] = max(self._level, self._had.get(waiter.who, 0.0))
        self._line_up(waiter.who)

    def head(self) -> Waiter | None:
        """Who is next."""
        while self._order:
            _, number, who = self._order[0]
            if self._place.get(who) == number:
                return self._waiting[who][0]
            heapq.heappop(self._order)
        return None

    def pop(self) -> Waiter:
        """Take out who is next: it is served."""
        waiter = self.head()
        assert waiter is not None, "there is a next one"
        self._level = self._had[waiter.who]
        self._had[waiter.who] += waiter.cost
        heapq.heappop(self._order)
        self.remove(waiter)
        if waiter.who in self._waiting:
            self._line_up(waiter.who)
        return waiter

    def remove(self, waiter: Waiter) -> None:
        """Take one out that does not wait any more."""
        mine = self._waiting[waiter.who]
        mine.remove(waiter)
        waiter.is_queued = False
        self._size -= 1
        if mine:
            return
        del self._waiting[waiter.who], self._place[waiter.who]
        if not self._waiting:  # nobody is kept waiting by what others had
            self._had.clear()
            self._order.clear()
            self._level = 0.0

    def _line_up(self, who: str) -> None:
        number = self._place[who] = next(self._numbers)
        heapq.heappush(self._order, (self._had[who], number, who))
