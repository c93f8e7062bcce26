"""What happens in a turn, for as many readers as there are: none of them can hold the turn back."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from typing import Any, Generic, TypeVar

from ..errors import InvalidOption
from ._errors import EventsLost

E = TypeVar("E")

NEAR = 8
"""Events a reader may be behind before the turn lets the others have a turn of the loop."""


class Feed(Generic[E]):
    """The last events of one turn, each with an id, and where its readers are.

    A reader follows at its own pace. One that falls behind by more events than are kept gets `EventsLost`, and the turn
    never waits: memory is bounded by `keep`, however many readers there are. Ids grow, also over restarts: they are
    `epoch.number`, and after a restart the epoch is larger.
    """

    def __init__(self, epoch: int, keep: int) -> None:
        self.epoch = epoch
        self._kept: deque[E] = deque(maxlen=keep)
        self._count = 0
        self._error: BaseException | None = None
        self._over = False
        self._waiting: set[asyncio.Future[None]] = set()
        self._readers: dict[object, int] = {}

    def publish(self, event: E) -> None:
        """One more event; returns at once."""
        self._count += 1
        self._kept.append(event)
        self._wake()

    def end(self, error: BaseException | None = None) -> None:
        """No more events: readers end after the last one, with this error if there is one."""
        self._over, self._error = True, error
        self._wake()

    @property
    def is_pressed(self) -> bool:
        """Whether a reader is behind, so that a turn of the loop would do it good."""
        return any(self._count - position > NEAR for position in self._readers.values())

    async def follow(self, after: str | None = None, *, again: bool = False) -> AsyncGenerator[tuple[str, E], None]:
        """The events after the one with this id, with theirs; default all that are kept; `again` gives those before it
        once more. Raises `EventsLost`, and what the turn failed with.
        """
        me, position = object(), self._position(after)
        if again:
            position = min(position, self._count - len(self._kept))
        self._readers[me] = position
        try:
            while True:
                if position < self._count:
                    oldest = self._count - len(self._kept)
                    if position < oldest:
                        raise EventsLost(oldest - position, self._id(oldest))
                    event = self._kept[position - oldest]
                    position = self._readers[me] = position + 1
                    yield self._id(position), event
                elif self._over:
                    if self._error is not None:
                        raise self._error
                    return
                else:
                    await self._change()
        finally:
            del self._readers[me]

    async def _change(self) -> None:
        change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(change)
        try:
            await change
        finally:
            self._waiting.discard(change)

    def _wake(self) -> None:
        for change in self._waiting:
            if not change.done():
                change.set_result(None)

    def _id(self, number: int) -> str:
        return f"{self.epoch}.{number}"

    def _position(self, after: str | None) -> int:
        """How many events that reader has: none of those of this epoch, if it comes from an earlier one."""
        if after is None:
            return 0
        epoch, number = parsed_id(after)
        return min(number, self._count) if epoch == self.epoch else 0


def parsed_id(after: Any) -> tuple[int, int]:
    """The two numbers of an event's id. Raises `InvalidOption`."""
    epoch, point, number = after.partition(".") if isinstance(after, str) else ("", "", "")
    if not (point and epoch.isdecimal() and number.isdecimal()):
        raise InvalidOption("after", after, "the last_event_id of a stream, or None")
    return int(epoch), int(number)


def checked_after(after: str | None) -> str | None:
    """`after=` of a stream as the id of an event, or None."""
    if after is not None:
        parsed_id(after)
    return after
