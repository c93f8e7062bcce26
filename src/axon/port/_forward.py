"""The child's log records, on their way to its runtime."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from ._log_line import LINES, LogLine, line_of


class Forward(logging.Handler):
    """Sends them, from whatever thread they come. send: given how many were dropped before, and a line, or none to say
    only that; returns whether there was room for it.
    """

    def __init__(self, send: Callable[[int, LogLine | None], bool]) -> None:
        super().__init__()
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[LogLine] = deque()  # until the loop comes round to them
        self._dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Have the loop send it; under the lock of this handler, as `logging` does it."""
        if len(self._waiting) >= LINES:
            self._dropped += 1
            return
        try:
            self._waiting.append(line_of(record, self.format(record)))
        except Exception:
            self.handleError(record)  # what cannot be put into words is no fault of who has said it
            return
        if len(self._waiting) == 1:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._go_on)

    def _go_on(self) -> None:
        self.acquire()
        try:
            lines, self._waiting = self._waiting, deque()
            dropped, self._dropped = self._dropped, 0
        finally:
            self.release()
        for line in lines:
            dropped = 0 if self._send(dropped, line) else dropped + 1
        if dropped and not self._send(dropped, None):
            self._dropped += dropped  # the next line says it
