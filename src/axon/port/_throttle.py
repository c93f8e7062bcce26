"""So many lines in a second, and a count of the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Throttle:
    """Lets `most` lines of a second pass; tell: told when it is over how many more there were."""

    def __init__(self, loop: asyncio.AbstractEventLoop, most: int, tell: Callable[[int], None]) -> None:
        self._loop, self._most, self._tell = loop, most, tell
        self._second, self._passed, self._dropped = -1.0, 0, 0
        self._timer: asyncio.TimerHandle | None = None

    def room(self, lines: int = 1) -> int:
        """How many of so many lines may pass now: the first ones."""
        now = self._loop.time()
        if now - self._second >= 1.0:
            self._second, self._passed = now, 0
        passed = min(lines, self._most - self._passed)
        self._passed += passed
        self._dropped += lines - passed
        if self._dropped and self._timer is None:
            self._timer = self._loop.call_later(self._second + 1.0 - now, self._is_over)
        return passed

    def _is_over(self) -> None:
        self._timer = None
        dropped, self._dropped = self._dropped, 0
        self._tell(dropped)

    def close(self) -> None:
        """No more come: tell what there is to tell now."""
        if self._timer is not None:
            self._timer.cancel()
            self._is_over()
