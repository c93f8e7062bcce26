"""A world without chance: inside a simulated run the clock, `random` and `uuid` follow its seed."""

from __future__ import annotations

import gc
import os
import random
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
        originals = {(module, name): getattr(module, name) for module, name in self._replaced()}
        random.setstate(self._state)
        gc.disable()  # when it runs depends on all that the process did before, and it runs finalizers
        for (module, name), fake in self._replaced().items():
            setattr(module, name, fake)
        try:
            yield
        finally:
            for (module, name), original in originals.items():
                setattr(module, name, original)
            if collects:
                gc.enable()
            self._state = random.getstate()
            random.setstate(outside)

    def _replaced(self) -> dict[tuple[Any, str], Callable[..., Any]]:
        def seconds() -> float:
            return self._now()

        def nanoseconds() -> int:
            return round(self._now() * 1e9)

        return {
            (time, "time"): lambda: EPOCH + self._now(),
            (time, "time_ns"): lambda: round((EPOCH + self._now()) * 1e9),
            (time, "monotonic"): seconds,
            (time, "monotonic_ns"): nanoseconds,
            (time, "perf_counter"): seconds,
            (time, "perf_counter_ns"): nanoseconds,
            (time, "sleep"): _refuse_to_sleep,
            (os, "urandom"): self._bytes.randbytes,  # what uuid.uuid4 is made of
        }


def _refuse_to_sleep(seconds: float) -> None:
    raise UsageError(f"time.sleep({seconds!r}) would block the event loop of a simulation; use asyncio.sleep")
