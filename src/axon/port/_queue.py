"""Who waits for a worker, and who is given which one: all of a pool's bookkeeping that needs neither clock nor process."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Generic, TypeVar

from ._choice import Choice, Load, Ticket, chosen, home_of

T = TypeVar("T")


class Line(Generic[T]):
    """Items in the order they came; some wait for one place alone. To find and to drop one costs the same however many wait."""

    def __init__(self) -> None:
        self._next = 0
        self._lines: dict[int | None, dict[T, int]] = {}  # by the place waited for, None any: items, and when they came
        self._where: dict[T, int | None] = {}

    def __len__(self) -> int:
        return len(self._where)

    def __contains__(self, item: T) -> bool:
        return item in self._where

    def __iter__(self) -> Iterator[T]:
        found = [(when, item) for line in self._lines.values() for item, when in line.items()]
        return (item for _, item in sorted(found, key=lambda one: one[0]))

    def add(self, item: T, place: int | None = None, *, first: bool = False) -> None:
        """Put it at the end, or before all others."""
        self._next += 1
        line = self._lines.setdefault(place, {})
        self._where[item] = place
        if not first:
            line[item] = self._next
            return
        others = dict(line)
        line.clear()
        line |= {item: -self._next, **others}

    def take(self, places: Iterable[int], held: Callable[[T], bool]) -> T | None:
        """Take the item out that came first, of those that wait for any place or one of these; `held` ones stay."""
        heads: list[tuple[int, T]] = []
        for place in (None, *places):
            head = next(((when, item) for item, when in self._lines.get(place, {}).items() if not held(item)), None)
            if head is not None:
                heads.append(head)
        if not heads:
            return None
        item = min(heads, key=lambda head: head[0])[1]
        self.drop(item)
        return item

    def drop(self, item: T) -> bool:
        """Take an item out; whether it was in."""
        if item not in self._where:
            return False
        place = self._where.pop(item)
        del self._lines[place][item]
        if not self._lines[place]:
            del self._lines[place]
        return True

    def move(self, place_of: Callable[[T], int | None]) -> None:
        """Let each item wait for the place that it should now, in the same order."""
        times = {item: when for line in self._lines.values() for item, when in line.items()}
        self._lines.clear()
        for item in sorted(times, key=lambda item: times[item]):
            self._where[item] = place_of(item)
            self._lines.setdefault(self._where[item], {})[item] = times[item]


class Desk:
    """The workers of a pool by their places, and those who wait for one.

    Nobody who waits could be served by a worker that has room: that is what `hand_out` sees to after each change.
    """

    def __init__(self, how: Choice) -> None:
        self.how: Choice = how
        self.loads: dict[int, Load] = {}
        self.leaving: list[Load] = []
        """Workers that take nothing more, and end when they are through with what they have."""
        self.line: Line[Ticket] = Line()
        self._moved: set[Ticket] = set()  # strict ones at a worker that is not that of their key any more
        self._given = 0

    def place(self, ticket: Ticket) -> int | None:
        """The place that a ticket's key prefers, or needs."""
        return None if ticket.key is None else home_of(ticket.key, len(self.loads))

    def wait(self, ticket: Ticket, *, first: bool = False) -> None:
        """Put it into the line."""
        self.line.add(ticket, self._needs(ticket), first=first)

    def resized(self) -> None:
        """There are other places than before: some keys have moved."""
        self.line.move(self._needs)
        tickets = (ticket for load in self.loads.values() for ticket in load.tickets if ticket.strict)
        self._moved = {ticket for ticket in tickets if not self._is_at_home(ticket)}

    def hand_out(self) -> list[Ticket]:
        """Give those who wait the workers that have room, the first who can use one first; returns who has got one."""
        given: list[Ticket] = []
        held = self._held()
        while len(self.line):
            free = [load for load in self.loads.values() if load.room > 0]
            if not free:
                break
            ticket = self.line.take((load.number for load in free), lambda one: one.strict and one.key in held)
            if ticket is None:
                break
            place = self.place(ticket)
            load = self.loads[place] if ticket.strict and place is not None else chosen(free, self.how, place)
            self._given += 1
            load.last, ticket.load = self._given, load
            load.tickets.add(ticket)
            given.append(ticket)
        return given

    def give_back(self, ticket: Ticket) -> bool:
        """It is over, or nobody wants it any more; whether a worker has had it."""
        load, ticket.load = ticket.load, None
        self._moved.discard(ticket)
        if load is None:
            self.line.drop(ticket)
            return False
        load.tickets.discard(ticket)
        return True

    def _needs(self, ticket: Ticket) -> int | None:
        return self.place(ticket) if ticket.strict else None

    def _is_at_home(self, ticket: Ticket) -> bool:
        return ticket.load is not None and ticket.load.number == self.place(ticket)

    def _held(self) -> Collection[object]:
        """The keys at workers that are not theirs any more, or leave: one that is strict is never at two workers."""
        held: set[object] = set()
        for load in self.leaving:
            held |= load.left_keys | {ticket.key for ticket in load.tickets if ticket.strict}
        for ticket in self._moved:
            at = ticket.load
            if at is not None and self.loads.get(at.number) is at:  # otherwise it is dead, or leaves
                held.add(ticket.key)
        for load in self.loads.values():
            held |= {key for key in load.left_keys if home_of(key, len(self.loads)) != load.number}
        return held
