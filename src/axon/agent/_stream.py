"""The reader's end of a turn: items, and the id from which to go on after a broken connection."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Generic, TypeVar

from ..server import Stream

R = TypeVar("R")


class RunStream(AsyncIterator[R], Generic[R]):
    """What `run_stream` and `run_stream_events` return: iterate over it once.

    It begins at the first item. Closing or dropping it ends the reading and not the run: `cancel` ends that. To go on
    later ask for the same message again, `run_stream(prompt, message_id=s.message_id, after=s.last_event_id)`; no
    event is seen twice. A reader that is slower than the run by more than `stream_buffer` events gets `EventsLost`.
    """

    def __init__(self, items: Stream[tuple[str, R]], message_id: str, after: str | None) -> None:
        self._items = items
        self.message_id: str = message_id
        """The id of the message whose turn this is."""
        self.last_event_id: str | None = after
        """The id of the last item that was read: give it as `after` to go on behind it."""

    def __aiter__(self) -> RunStream[R]:
        return self

    async def __anext__(self) -> R:
        self.last_event_id, item = await anext(self._items)
        return item

    async def aclose(self) -> None:
        """Stop reading."""
        await self._items.aclose()

    async def __aenter__(self) -> RunStream[R]:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
