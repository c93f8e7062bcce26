"""What a child prints: read so that it never has to wait for long, and passed on line by line, up to a bound."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from typing import Literal

from ..process import Process
from ._events import PortOutput, PortOutputDropped
from ._shown import as_line
from ._throttle import Throttle

LAST_LINES = 40
"""Lines of standard error that are kept for the exit reason."""
LONGEST_LINE = 2000
"""Bytes of a line that are passed on as one; what follows is another one."""
LINES = 200
"""Lines of one stream in a second that are passed on; the others are counted."""
PACE = 4 * 2**20
"""Bytes of one stream in a second that are read; whoever prints more waits."""


class Output:
    """One of the two streams."""

    def __init__(self, fd: int, stream: Literal["stdout", "stderr"], of: Process) -> None:
        self.said: deque[str] = deque(maxlen=LAST_LINES)
        self.pid = 0
        self._fd = fd
        self._stream: Literal["stdout", "stderr"] = stream
        self._of = of
        self._loop = of.runtime.loop
        self._rest = b""
        self._second, self._read_in_it = 0.0, 0
        self._throttle = Throttle(self._loop, LINES, self._tell_dropped)
        self._paused: asyncio.TimerHandle | None = None
        os.set_blocking(fd, False)
        self._loop.add_reader(fd, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._fd, 65536)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        now = self._loop.time()
        if now - self._second >= 1.0:
            self._second, self._read_in_it = now, 0
        self._read_in_it += len(data)
        self._take(data)
        if self._read_in_it > PACE:
            self._loop.remove_reader(self._fd)
            self._paused = self._loop.call_later(self._second + 1.0 - now, self._go_on)

    def _go_on(self) -> None:
        self._paused = None
        self._loop.add_reader(self._fd, self._read)

    def _take(self, data: bytes) -> None:
        *ended, rest = (self._rest + data).split(b"\n")
        *begun, self._rest = _cut(rest)
        lines = [piece for line in ended for piece in _cut(line)] + begun
        if self._stream == "stderr":
            self.said.extend(_text(line) for line in lines[-LAST_LINES:] if line.strip())
        if self._of.runtime.bus.wants(PortOutput):
            for line in lines[: self._throttle.room(len(lines))]:
                self._tell(line)

    def _tell(self, line: bytes) -> None:
        text = _text(line)
        if text:
            event = PortOutput(path=self._of.path, pid=self.pid, stream=self._stream, text=text)
            self._of.runtime.bus.emit(event)

    def _tell_dropped(self, dropped: int) -> None:
        if self._of.runtime.bus.wants(PortOutputDropped):
            event = PortOutputDropped(path=self._of.path, pid=self.pid, stream=self._stream, lines=dropped)
            self._of.runtime.bus.emit(event)

    def drain(self) -> None:
        """Read what its writers, who have ended, have left in the pipe, then no more."""
        for _ in range(64):
            if self._fd < 0:
                return
            try:
                data = os.read(self._fd, 65536)
            except OSError:
                break
            if not data:
                break
            self._take(data)
        self.close()

    def close(self) -> None:
        """Read no more."""
        if self._fd < 0:
            return
        if self._paused is not None:
            self._paused.cancel()
        self._loop.remove_reader(self._fd)
        os.close(self._fd)
        self._fd = -1
        if self._rest.strip():
            self._take(b"\n")
        self._throttle.close()


def _cut(line: bytes) -> list[bytes]:
    """The line in pieces of the length that is passed on; one at least."""
    return [line[at : at + LONGEST_LINE] for at in range(0, len(line), LONGEST_LINE)] or [line]


def _text(line: bytes) -> str:
    """What may be shown: what a terminal would obey is written out."""
    return as_line(line.decode(errors="replace").rstrip())
