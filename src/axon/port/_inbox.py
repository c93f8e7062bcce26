"""The items of a stream that have arrived and are not read yet."""

from __future__ import annotations

import asyncio
from collections import deque

from ._errors import BadFrame

WINDOW = 16
"""Items of a stream that may be under way."""
BATCH = 8
"""Items after which the child is told that it may send as many more."""


class Inbox:
    """Iterate over it once: each item, and how many more the child may send now, mostly none."""

    def __init__(self) -> None:
        self._items: deque[bytes] = deque()
        self._taken = 0
        self._ended = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    def put(self, item: bytes) -> None:
        """One has come. Raises `BadFrame` if it was not to come yet."""
        if len(self._items) >= WINDOW:
            raise BadFrame(f"more than {WINDOW} items of a stream that were not asked for yet")
        self._items.append(item)
        self._wake()

    def end(self, error: Exception | None) -> None:
        """No more come, because of an error if there is one."""
        self._ended, self._error = True, error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __aiter__(self) -> Inbox:
        return self

    async def __anext__(self) -> tuple[bytes, int]:
        while not self._items:
            if self._error is not None:
                raise self._error
            if self._ended:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        self._taken = (self._taken + 1) % BATCH
        return self._items.popleft(), 0 if self._taken else BATCH
