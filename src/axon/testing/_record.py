"""A list that a test can wait for: what happens is added, and `until` returns when something fits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from ..process import checked_seconds

T = TypeVar("T")


class Record(list[T]):
    """What happened, in order."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[asyncio.Future[None]] = []

    def add(self, item: T) -> None:
        """One more thing happened."""
        self.append(item)
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def until_found(self, find: Callable[[], T | None], timeout: float, wanted: str) -> T:
        """What `find()` returns as soon as it is not None, asked again whenever something was added.

        timeout: seconds; then `AssertionError`, which says what was `wanted` and shows what came.
        """
        try:
            async with asyncio.timeout(checked_seconds(timeout, "timeout")):
                while (found := find()) is None:
                    await self._more()
        except TimeoutError:
            came = "".join(f"\n  {item!r}" for item in self) or " nothing"
            raise AssertionError(f"{wanted} did not come within {timeout:g} s, but:{came}") from None
        return found

    async def _more(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        finally:
            self._waiting.remove(waiter)
