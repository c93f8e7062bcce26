"""Which worker is given a request, as functions over plain data; nothing is known of processes in here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal, TypeAlias

from ..errors import InvalidOption

Choice: TypeAlias = Literal["least_busy", "round_robin"]
"""Who is next among those with room: whoever has the fewest requests, or whoever was given none for the longest time."""
Sticky: TypeAlias = Literal["hint", "strict"]
"""What a key means: its own worker if that is free, else another one; or its own worker, which is waited for."""
Key: TypeAlias = int | str | bytes
"""What requests have in common that are to go to the same worker."""


@dataclass(eq=False, slots=True)
class Ticket:
    """One request for a worker: waiting while it has no `load`, then one of those that this worker has."""

    key: Key | None = None
    strict: bool = False
    load: Load | None = None


@dataclass(eq=False, slots=True)
class Load:
    """One worker, as far as it matters to a choice.

    number: its place, from 0; capacity: requests it takes at once; is_open: whether it takes any now; tickets: those it was
    given; left_over: requests that it still works at though whoever asked has gone, left_keys: the strict keys among theirs;
    strikes: how often in a row a worker
    in this place died before it had answered anything; last: when it was given something, in an order of numbers.
    """

    number: int
    capacity: int
    is_open: bool = False
    left_over: int = 0
    strikes: int = 0
    last: int = 0
    tickets: set[Ticket] = field(default_factory=set[Ticket])
    left_keys: set[Key] = field(default_factory=set[Key])

    @property
    def in_flight(self) -> int:
        """How much it has to do."""
        return len(self.tickets) + self.left_over

    @property
    def room(self) -> int:
        """How many more it takes; on probation, after a crash, it has one at a time."""
        if not self.is_open:
            return 0
        return (1 if self.strikes else self.capacity) - self.in_flight


def chosen(free: Sequence[Load], how: Choice, home: int | None = None) -> Load:
    """The one among these, which have room, that is given the next request; `home` is the place that its key prefers.

    Whoever has crashed comes after the others: it has nothing to do for it does nothing, and would otherwise draw all
    requests, to fail them all. For the same reason a key that is a mere hint does not lead there.
    """
    for load in free:
        if load.number == home and not load.strikes:
            return load
    if how == "round_robin":
        return min(free, key=lambda load: (load.strikes, load.last))
    return min(free, key=lambda load: (load.strikes, load.in_flight, load.last))


def home_of(key: Key, size: int) -> int:
    """The place of a key among so many. With one place more, some keys move to that one, and no other key moves.

    The same in every run. Jump consistent hashing: https://arxiv.org/abs/1406.2294
    """
    text = key if isinstance(key, bytes) else str(key).encode("utf-8", "surrogatepass")
    state = int.from_bytes(blake2b(text, digest_size=8).digest(), "big")
    place, after = -1, 0
    while after < size:
        place = after
        state = (state * 2862933555777941757 + 1) % 2**64
        after = int((place + 1) * (2**31 / ((state >> 33) + 1)))
    return place


def checked_key(key: object) -> Key | None:
    """`key=` as None, an int, a text or bytes."""
    if key is None or (isinstance(key, int | str | bytes) and not isinstance(key, bool)):
        return key
    raise InvalidOption("key", key, "None, an int, a text or bytes")
