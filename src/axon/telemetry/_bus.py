"""Who listens: the events of one event loop go to the functions attached here, in the emitter's turn."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable
from typing import TypeVar

from ..errors import InvalidOption
from . import _log
from ._events import Event, ListenerFailed

E = TypeVar("E", bound=Event)


class Bus:
    """The listeners of one event loop. Reach it with `attach` and `detach`."""

    __slots__ = ("_listeners",)

    def __init__(self) -> None:
        self._listeners: dict[type[Event], list[Callable[[Event], None]]] = {}

    def wants(self, kind: type[Event]) -> bool:
        """Whether anybody listens to this kind: ask before an event is built."""
        return kind in self._listeners or _log.wants(kind)

    def emit(self, event: Event) -> None:
        """Hand the event to its listeners; one that raises is detached and never disturbs the emitter."""
        for listener in tuple(self._listeners.get(type(event), ())):
            try:
                listener(event)
            except Exception as error:
                self.detach(listener)
                self.emit(ListenerFailed(path=event.path, listener=repr(listener), error=error))
        try:
            _log.write(event)
        except Exception:  # a filter or formatter of the program: no reason for a process to end
            if logging.raiseExceptions:
                traceback.print_exc()

    def attach(self, listener: Callable[[Event], None], kinds: tuple[type[Event], ...]) -> None:
        for kind in kinds:
            self._listeners.setdefault(kind, []).append(listener)

    def detach(self, listener: Callable[[Event], None]) -> None:
        for kind, listeners in list(self._listeners.items()):
            kept = [known for known in listeners if known is not listener]
            if kept:
                self._listeners[kind] = kept
            else:
                del self._listeners[kind]


_ATTRIBUTE = "_axon_bus"


def bus(loop: asyncio.AbstractEventLoop | None = None) -> Bus:
    """The bus of an event loop (default: the running one), made at first use and kept on the loop itself."""
    loop = asyncio.get_running_loop() if loop is None else loop
    found: Bus | None = getattr(loop, _ATTRIBUTE, None)
    if found is None:
        found = Bus()
        setattr(loop, _ATTRIBUTE, found)
    return found


def attach(listener: Callable[[E], None], *kinds: type[E]) -> Callable[[], None]:
    """Call `listener(event)` for every event of these kinds on the running loop; returns the function that detaches.

    The listener runs in the emitter's turn, so it must be quick and must not block. One that raises is detached
    and reported as `ListenerFailed`. https://hexdocs.pm/telemetry
    """
    if not kinds:
        raise InvalidOption("kinds", kinds, "one or more event classes of axon.telemetry")
    home = bus()

    def only(event: Event) -> None:
        listener(event)  # type: ignore[arg-type]  # the bus hands over only the kinds asked for

    home.attach(only, kinds)
    return lambda: home.detach(only)
