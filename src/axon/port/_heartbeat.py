"""Signs of life, from a thread of their own: they come while the event loop is busy, and stop when the process is stuck."""

from __future__ import annotations

import os
import struct
import threading
import time
from contextlib import suppress
from typing import NamedTuple

_SIGN = struct.Struct("!dQd")
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class Sign(NamedTuple):
    """One sign of life. loop: seconds since the event loop went round; memory: bytes that are resident; cpu: seconds of
    processor time so far.
    """

    loop: float
    memory: int
    cpu: float


def last_sign(data: bytes) -> Sign | None:
    """The last whole one of these."""
    end = len(data) - len(data) % _SIGN.size
    return Sign(*_SIGN.unpack_from(data, end - _SIGN.size)) if end else None


class Heartbeat:
    """Writes a sign to a pipe every so many seconds; the loop sets `went_round` as often."""

    def __init__(self, fd: int, seconds: float) -> None:
        self.went_round: float = time.monotonic()
        self._fd, self._seconds = fd, seconds
        self._end = threading.Event()
        os.set_blocking(fd, False)
        self._thread = threading.Thread(target=self._beat, name="axon heartbeat", daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        while True:
            with suppress(BlockingIOError):  # nobody reads at the moment: the signs before this one wait there
                try:
                    os.write(self._fd, _SIGN.pack(time.monotonic() - self.went_round, _resident(), time.process_time()))
                except OSError:
                    return  # nobody will
            if self._end.wait(self._seconds):
                return

    def end(self) -> None:
        """No more signs."""
        self._end.set()
        self._thread.join()


def _resident() -> int:
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123  # of a thread; a Path costs more
            return int(file.read().split()[1]) * _PAGE
    except OSError:
        return 0
