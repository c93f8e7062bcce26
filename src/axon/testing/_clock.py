"""Virtual time: an event loop whose clock jumps to the next timer when everybody waits, so that a day takes no time.

After trio's autojump clock: https://trio.readthedocs.io/en/stable/reference-testing.html#time-and-timeouts
"""

from __future__ import annotations

import asyncio
import selectors


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits for time to pass: it moves the loop's clock instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:  # nothing is due at any time: only the outside world can go on
            return super().select(None)
        ready = super().select(0)
        if not ready and timeout > 0:
            self.now += timeout
        return ready


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time: `loop.time()` starts at 0 and moves only when nothing can run.

    Sockets and subprocesses work, but time does not wait for them, and neither does it for threads: a test that
    needs the outside world to be quick or slow belongs on a real loop.
    """

    def __init__(self) -> None:
        self._clock = _JumpingSelector()
        super().__init__(self._clock)

    def time(self) -> float:
        """Seconds of virtual time since the loop was made."""
        return self._clock.now


def virtual_clock() -> VirtualClockLoop:
    """A loop on virtual time: `asyncio.Runner(loop_factory=virtual_clock)`."""
    return VirtualClockLoop()
