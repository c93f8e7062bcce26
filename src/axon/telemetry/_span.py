"""Work that takes time: one event when it starts, and exactly one when it is over, however it ends."""

from __future__ import annotations

import time
from asyncio.events import _get_running_loop  # the public one raises where there is no loop
from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import MappingProxyType, TracebackType

from ..errors import InvalidOption
from ._bus import bus
from ._events import SpanFailed, SpanStarted, SpanStopped


def span(name: str, /, **metadata: object) -> AbstractContextManager[dict[str, object]]:
    """Measure a piece of work, awaits included.

        with span("payment", order=3) as notes:
            notes["receipt"] = await pay()

    name: what listeners tell it by. metadata: what all its events carry; what the body puts into `notes` comes with
    the last one. Emits `SpanStarted`, then `SpanStopped`, or `SpanFailed` if the body raises or is cancelled, and the
    error goes on. All share the number `span`; durations are seconds of the loop's monotonic clock. No event is built
    while nobody listens, and without a running event loop nobody does.

    Not for the handling of requests: `axon.telemetry.opentelemetry` sees these by itself. Raises `InvalidOption`.
    https://hexdocs.pm/telemetry/telemetry.html#span-3
    """
    if not isinstance(name, str) or not name:
        raise InvalidOption("name", name, "a text that is not empty")
    return _Span(name, metadata)


class _Span(AbstractContextManager[dict[str, object]]):
    __slots__ = ("_began", "_loop", "_metadata", "_name", "_number")

    def __init__(self, name: str, metadata: dict[str, object]) -> None:
        self._name, self._metadata = name, metadata

    def __enter__(self) -> dict[str, object]:
        self._loop = _get_running_loop()
        if self._loop is not None:
            home = bus(self._loop)
            self._number, self._began = home.next_span(), self._loop.time()
            if home.wants(SpanStarted):
                home.emit(
                    SpanStarted(
                        name=self._name,
                        span=self._number,
                        metadata=self._copied(),
                        monotonic_time=self._began,
                        system_time=time.time(),
                    )
                )
        return self._metadata

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is None:
            return
        home, now = bus(self._loop), self._loop.time()
        if error is None:
            if home.wants(SpanStopped):
                home.emit(
                    SpanStopped(
                        name=self._name,
                        span=self._number,
                        metadata=self._copied(),
                        monotonic_time=now,
                        duration=now - self._began,
                    )
                )
        elif home.wants(SpanFailed):
            home.emit(
                SpanFailed(
                    name=self._name,
                    span=self._number,
                    metadata=self._copied(),
                    monotonic_time=now,
                    duration=now - self._began,
                    kind="error" if isinstance(error, Exception) else "exit",
                    error=error,
                )
            )

    def _copied(self) -> Mapping[str, object]:
        return MappingProxyType(dict(self._metadata))
