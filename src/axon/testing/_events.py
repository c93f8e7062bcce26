"""Events as a list: for tests that look at what happened, or wait for it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeVar, cast

from ..errors import InvalidOption
from ..telemetry import Event, attach
from ._record import Record

E = TypeVar("E", bound=Event)
K = TypeVar("K", bound=Event)


class CapturedEvents(Record[E]):
    """The events that came, in order. Made by `capture_events`."""

    def __init__(self, kinds: tuple[type[E], ...]) -> None:
        super().__init__()
        self._kinds = kinds

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

        def find() -> K | None:
            return next((event for event in self.of(kind) if match is None or match(event)), None)

        wanted = kind.__name__ if match is None else f"a {kind.__name__} that fits"
        return await cast("Record[K]", self).until_found(find, timeout, wanted)


@contextmanager
def capture_events(*kinds: type[E]) -> Generator[CapturedEvents[E]]:
    """Collect the events of these kinds on the running loop, in order.

        with capture_events(ProcessCrashed, ChildRestarted) as events:
            counter.crash()
            crash = await events.until(ProcessCrashed)

    Raises `InvalidOption` without a kind. Not for programs: `axon.telemetry.attach` keeps nothing.
    """
    events = CapturedEvents(kinds)
    detach = attach(events.add, *kinds)
    try:
        yield events
    finally:
        detach()
