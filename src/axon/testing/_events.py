"""What happens, as a list: for tests that look at events, or wait for one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

from ..errors import InvalidOption
from ..process import checked_seconds
from ..telemetry import Event, attach

E = TypeVar("E", bound=Event)
K = TypeVar("K", bound=Event)


class CapturedEvents(list[E]):
    """The events that came, in order. Made by `capture_events`."""

    def __init__(self, kinds: tuple[type[E], ...]) -> None:
        super().__init__()
        self._kinds = kinds
        self._changed: list[asyncio.Future[None]] = []

    def of(self, kind: type[K]) -> list[K]:
        """Those of one kind that have come so far."""
        return [event for event in self if isinstance(event, kind)]

    async def until(self, kind: type[K], match: Callable[[K], bool] | None = None, *, timeout: float = 5.0) -> K:
        """The first event of this kind, of those that `match` accepts if it is given: captured before, or to come.

        timeout: seconds to wait, default 5; then `AssertionError`, which shows what came instead. Raises
        `InvalidOption` for a kind that is not captured, since it would never come.
        """
        if kind not in self._kinds:
            known = ", ".join(each.__name__ for each in self._kinds)
            raise InvalidOption("kind", kind, f"one of those that are captured: {known}")
        try:
            async with asyncio.timeout(checked_seconds(timeout, "timeout")):
                while True:
                    for event in self.of(kind):
                        if match is None or match(event):
                            return event
                    await self._more()
        except TimeoutError:
            came = "".join(f"\n  {event!r}" for event in self) or " nothing"
            raise AssertionError(f"no {kind.__name__} that fits came within {timeout:g} s, but:{came}") from None

    async def _more(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._changed.append(waiter)
        try:
            await waiter
        finally:
            self._changed.remove(waiter)

    def hear(self, event: E) -> None:
        """Take one more."""
        self.append(event)
        for waiter in self._changed:
            if not waiter.done():
                waiter.set_result(None)


@contextmanager
def capture_events(*kinds: type[E]) -> Generator[CapturedEvents[E]]:
    """Collect the events of these kinds on the running loop, in order.

        with capture_events(ProcessCrashed, ChildRestarted) as events:
            counter.crash()
            crash = await events.until(ProcessCrashed)

    Raises `InvalidOption` without a kind. Not for programs: `axon.telemetry.attach` keeps nothing.
    """
    events = CapturedEvents(kinds)
    detach = attach(events.hear, *kinds)
    try:
        yield events
    finally:
        detach()
