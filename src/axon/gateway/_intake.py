"""What a gateway takes: whether anything new at all, and how much is under way."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager, suppress

from ._errors import Draining, TooManyRuns
from ._tokens import Principal


class Intake:
    """Open, until it is closed for good; then what is under way ends in its own time.

    max_runs: how many may be under way at once.
    """

    def __init__(self, max_runs: int) -> None:
        self._max_runs = max_runs
        self.is_open: bool = True
        """Whether anything new is taken."""
        self.under_way: int = 0
        """Runs that were taken and are not over."""
        self._empty = asyncio.Event()
        self._empty.set()
        self._closed = asyncio.Event()

    def check(self) -> None:
        """Raise `Draining` if nothing new is taken any more."""
        if not self.is_open:
            raise Draining

    def close(self) -> None:
        """Take nothing new from now on."""
        self.is_open = False
        self._closed.set()

    async def closed(self) -> None:
        """Wait until nothing new is taken any more."""
        await self._closed.wait()

    @contextmanager
    def running(self, who: Principal) -> Generator[None]:
        """One more run is under way. Raises `Draining`, `TooManyRuns`, `LimitExceeded`."""
        self.check()
        if self.under_way >= self._max_runs:
            raise TooManyRuns(self._max_runs)
        with who.running():
            self.under_way += 1
            self._empty.clear()
            try:
                yield
            finally:
                self.under_way -= 1
                if self.under_way == 0:
                    self._empty.set()

    async def drained(self, within: float | None = None) -> bool:
        """Wait until no run is under way, for so many seconds at most; returns whether that is so."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._empty.wait()
        return self.under_way == 0
