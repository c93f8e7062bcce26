"""Who listens: the events of one event loop go to the functions attached here, in the emitter's turn."""

from __future__ import annotations

import asyncio
import itertools
import logging
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import InvalidOption
from . import _log
from ._events import Event, ListenerFailed
from ._tracer import Tracer

E = TypeVar("E", bound=Event)


class _Attachment:
    """One call of `attach`."""

    __slots__ = ("kinds", "listener")

    def __init__(self, listener: Callable[[Any], None], kinds: tuple[type[Event], ...]) -> None:
        self.listener: Callable[[Any], None] = listener
        self.kinds: tuple[type[Event], ...] = kinds


class Bus:
    """The listeners of one event loop, and the tracer of its requests. Reach it with `attach` and `emit`."""

    __slots__ = ("_loop", "_spans", "_tracer", "is_logged", "listeners", "on_tracer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._tracer: Tracer | None = None
        self.on_tracer: Callable[[], None] | None = None
        """Called when a tracer comes or goes."""
        self.is_logged: Callable[[], bool] = _log.is_heard
        """Whether a line of our highest level would reach anybody."""
        self._loop = loop
        self.listeners: dict[type[Event], list[_Attachment]] = {}
        self._spans = itertools.count(1)

    @property
    def tracer(self) -> Tracer | None:
        """What follows every request, if anything does."""
        return self._tracer

    @tracer.setter
    def tracer(self, tracer: Tracer | None) -> None:
        self._tracer = tracer
        if self.on_tracer is not None:
            self.on_tracer()

    def wants(self, kind: type[Event]) -> bool:
        """Whether anybody listens to this kind: ask before an event is built."""
        if kind in self.listeners:
            return True
        entry = _log.LEVELS.get(kind) or kind.logged  # as `_log.wants`, without its frame
        return entry is not None and _log.LOGGER.isEnabledFor(entry[0]) and _log.is_heard(entry[0])

    def emit(self, event: Event) -> None:
        """Hand the event to its listeners; one that raises is detached and never disturbs the emitter."""
        for attached in tuple(self.listeners.get(type(event), ())):
            try:
                attached.listener(event)
            except BaseException as error:
                self.detach(attached)
                if isinstance(error, KeyboardInterrupt):  # not the listener's doing
                    self._loop.call_soon(_raise, error)
                self.emit(
                    ListenerFailed(path=event.path, listener=repr(attached.listener), kind=type(event), error=error)
                )
        try:
            _log.write(event)
        except Exception:  # a filter or formatter of the program: no reason for a process to end
            if logging.raiseExceptions:
                traceback.print_exc()

    def next_span(self) -> int:
        """A number that no other span of this loop has."""
        return next(self._spans)

    def attach(self, attached: _Attachment) -> None:
        """Hand over events of its kinds from now on."""
        for kind in attached.kinds:
            self.listeners.setdefault(kind, []).append(attached)

    def detach(self, attached: _Attachment) -> None:
        """Hand over no more; a second time changes nothing."""
        for kind in attached.kinds:
            kept = [known for known in self.listeners.get(kind, ()) if known is not attached]
            if kept:
                self.listeners[kind] = kept
            else:
                self.listeners.pop(kind, None)


def _raise(error: BaseException) -> None:
    raise error


_ATTRIBUTE = "_axon_bus"


def bus(loop: asyncio.AbstractEventLoop | None = None) -> Bus:
    """The bus of an event loop (default: the running one), made at first use and kept on the loop itself."""
    loop = asyncio.get_running_loop() if loop is None else loop
    found: Bus | None = getattr(loop, _ATTRIBUTE, None)
    if found is None:
        found = Bus(loop)
        setattr(loop, _ATTRIBUTE, found)
    return found


def attach(listener: Callable[[E], None], *kinds: type[E]) -> Callable[[], None]:
    """Call `listener(event)` for every event of these kinds on the running loop; returns the function that detaches.

    kinds: classes of events, exactly these and none derived from them. The listener runs in the emitter's turn, so it
    must be quick and must not block. One that raises is detached from all its kinds and reported as `ListenerFailed`.
    Attaching the same function twice is two attachments; detaching a second time changes nothing.
    https://hexdocs.pm/telemetry
    """
    for kind in kinds or (None,):
        if not isinstance(kind, type) or not issubclass(kind, Event) or kind is Event:
            raise InvalidOption("kinds", kind, "one or more event classes of axon.telemetry")
    if not callable(listener):
        raise InvalidOption("listener", listener, "a function that takes an event")
    home, attached = bus(), _Attachment(listener, kinds)
    home.attach(attached)
    return lambda: home.detach(attached)


def wants(kind: type[Event]) -> bool:
    """Whether anybody on the running loop listens to this kind: for events that cost something to build."""
    return bus().wants(kind)


def emit(event: Event) -> None:
    """Hand an event of your own to whoever listens on the running loop, now and in this turn.

    A listener that raises does not disturb the emitter. Raises `InvalidOption` if it is no event, and `RuntimeError`
    outside an event loop.
    """
    if not isinstance(event, Event) or type(event) is Event:
        raise InvalidOption("event", event, "an instance of a class derived from axon.telemetry.Event")
    bus().emit(event)
