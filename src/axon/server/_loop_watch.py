"""Noticing from outside that an event loop stands still, and which handler holds it (rule Z1: nothing preempts)."""

from __future__ import annotations

import asyncio
import sys
import sysconfig
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from types import FrameType

from ..errors import InvalidOption
from ..process import Process, checked_seconds, runtime
from ..telemetry import Bus, LoopResumed, LoopStalled
from ._process import ServerProcess

STACK = 8
"""Lines of the stack that the report shows."""
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


class _Watch:
    """One loop under watch: it sets `beat` from time to time, and the thread looks whether it still does."""

    def __init__(self, loop: asyncio.AbstractEventLoop, bus: Bus, limit: float) -> None:
        self._loop, self._bus, self._limit = loop, bus, limit
        self._loop_thread = threading.get_ident()
        self._beat = time.monotonic()
        self._stalled_since: float | None = None
        self._end = threading.Event()
        self._timer = loop.call_later(limit / 4, self._tick)
        self._thread = threading.Thread(target=self._look, name="axon loop watch", daemon=True)
        self._thread.start()

    def _tick(self) -> None:
        since, self._stalled_since = self._stalled_since, None
        self._beat = time.monotonic()
        if since is not None and self._bus.wants(LoopResumed):
            self._bus.emit(LoopResumed(path="event loop", seconds=self._beat - since))
        self._timer = self._loop.call_later(self._limit / 4, self._tick)

    def _look(self) -> None:
        while not self._end.wait(self._limit / 4):
            beat = self._beat
            if self._stalled_since is None and time.monotonic() - beat > self._limit:
                self._stalled_since = beat
                frame = sys._current_frames().get(self._loop_thread)
                if frame is not None and self._bus.wants(LoopStalled):
                    self._bus.emit(_stall(frame, time.monotonic() - beat))

    def end(self) -> None:
        """Look no more; the thread is gone when this returns."""
        self._timer.cancel()
        self._end.set()
        self._thread.join()


@contextmanager
def watch_loop(limit: float = 1.0) -> Generator[None]:
    """Watch the running event loop from a thread: if it stands still for longer than `limit` seconds, the event
    `LoopStalled` (and a line in the log) names the process, the handler, the file and the line that hold it, while
    they still do; `LoopResumed` tells how long it was.

    limit: seconds, default 1. Listeners of `LoopStalled` run in the watching thread, since the loop's own is held. It
    costs a timer of the loop and a look of the thread every quarter of the limit. Only for a loop on real time.
    """
    if not checked_seconds(limit, "limit") > 0:
        raise InvalidOption("limit", limit, "a number of seconds > 0")
    home = runtime()
    watch = _Watch(home.loop, home.bus, limit)
    try:
        yield
    finally:
        watch.end()


def _stall(innermost: FrameType, seconds: float) -> LoopStalled:
    frames = list(_outwards(innermost))
    own = next((frame for frame in frames if not frame.f_code.co_filename.startswith(_LIBRARIES)), innermost)
    process = next((found for frame in frames if (found := _process_in(frame)) is not None), None)
    handler = process.item[0] if isinstance(process, ServerProcess) and process.item is not None else None
    return LoopStalled(
        path="event loop" if process is None else process.path,
        handler=None if handler is None else handler.name,
        file=own.f_code.co_filename,
        line=own.f_lineno,
        seconds=seconds,
        stack=tuple(f"{f.f_code.co_filename}:{f.f_lineno} {f.f_code.co_qualname}" for f in frames[:STACK]),
    )


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _process_in(frame: FrameType) -> Process | None:
    """The process whose method runs in this frame, if it is one's."""
    code = frame.f_code
    if not code.co_argcount or code.co_varnames[0] != "self":
        return None
    found: object = frame.f_locals.get("self")
    return found if isinstance(found, Process) else None
