"""A world without chance: inside a simulated run the clock, `random` and `uuid` follow its seed."""

from __future__ import annotations

import gc
import os
import random
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from ..errors import UsageError

EPOCH = 1_900_000_000.0
"""What `time.time()` says when a simulation begins: 2030-03-17T17:46:40Z."""


class World:
    """What a simulated program sees of the world; `now` is the simulated clock, in seconds."""

    def __init__(self, source: random.Random, now: Callable[[], float]) -> None:
        self._state = random.Random(source.randrange(2**32)).getstate()
        self._bytes = random.Random(source.randrange(2**32))
        self._now = now

    @contextmanager
    def entered(self) -> Generator[None]:
        """Let everybody see this world until the block ends."""
        outside, collects = random.getstate(), gc.isenabled()
        replaced = self._replaced()
        originals = {(home, name): getattr(home, name) for home, name in replaced}
        random.setstate(self._state)
        gc.disable()  # when it runs depends on all that the process did before, and it runs finalizers
        for (home, name), fake in replaced.items():
            setattr(home, name, fake)
        try:
            yield
        finally:
            for (home, name), original in originals.items():
                setattr(home, name, original)
            if collects:
                gc.enable()
            self._state = random.getstate()
            random.setstate(outside)

    def _replaced(self) -> dict[tuple[Any, str], Callable[..., Any]]:
        def seconds() -> float:
            return self._now()

        def nanoseconds() -> int:
            return round(self._now() * 1e9)

        here, start = threading.get_ident(), threading.Thread.start

        def refuse_to_start(thread: threading.Thread) -> None:
            if threading.get_ident() != here:  # another thread of the program lives in the real world
                return start(thread)
            raise UsageError(
                f"a simulation has no threads, and somebody wants to start {thread.name!r}: no seed says when it answers; "
                "put a fake in its place, or use virtual_clock (a plain `def` tool of an agent has a thread, too)"
            )

        return {
            (time, "time"): lambda: EPOCH + self._now(),
            (time, "time_ns"): lambda: round((EPOCH + self._now()) * 1e9),
            (time, "monotonic"): seconds,
            (time, "monotonic_ns"): nanoseconds,
            (time, "perf_counter"): seconds,
            (time, "perf_counter_ns"): nanoseconds,
            (time, "sleep"): _refuse_to_sleep,
            (threading.Thread, "start"): refuse_to_start,
            (os, "urandom"): self._bytes.randbytes,  # what uuid.uuid4 is made of
        }


def _refuse_to_sleep(seconds: float) -> None:
    raise UsageError(f"time.sleep({seconds!r}) would block the event loop of a simulation; use asyncio.sleep")
