"""Who listens: the events of one event loop go to the functions attached here, in the emitter's turn."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import InvalidOption
from . import _log
from ._events import Event, ListenerFailed

E = TypeVar("E", bound=Event)


class _Attachment:
    """One call of `attach`."""

    __slots__ = ("kinds", "listener")

    def __init__(self, listener: Callable[[Any], None], kinds: tuple[type[Event], ...]) -> None:
        self.listener: Callable[[Any], None] = listener
        self.kinds: tuple[type[Event], ...] = kinds


class Bus:
    """The listeners of one event loop. Reach it with `attach`."""

    __slots__ = ("_listeners",)

    def __init__(self) -> None:
        self._listeners: dict[type[Event], list[_Attachment]] = {}

    def wants(self, kind: type[Event]) -> bool:
        """Whether anybody listens to this kind: ask before an event is built."""
        return kind in self._listeners or _log.wants(kind)

    def emit(self, event: Event) -> None:
        """Hand the event to its listeners; one that raises is detached and never disturbs the emitter."""
        for attached in tuple(self._listeners.get(type(event), ())):
            try:
                attached.listener(event)
            except Exception as error:
                self.detach(attached)
                self.emit(ListenerFailed(path=event.path, listener=repr(attached.listener), error=error))
        try:
            _log.write(event)
        except Exception:  # a filter or formatter of the program: no reason for a process to end
            if logging.raiseExceptions:
                traceback.print_exc()

    def attach(self, attached: _Attachment) -> None:
        """Hand over events of its kinds from now on."""
        for kind in attached.kinds:
            self._listeners.setdefault(kind, []).append(attached)

    def detach(self, attached: _Attachment) -> None:
        """Hand over no more; a second time changes nothing."""
        for kind in attached.kinds:
            kept = [known for known in self._listeners.get(kind, ()) if known is not attached]
            if kept:
                self._listeners[kind] = kept
            else:
                self._listeners.pop(kind, None)


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
    for kind in kinds or (None,):
        if not isinstance(kind, type) or not issubclass(kind, Event) or kind is Event:
            raise InvalidOption("kinds", kind, "one or more event classes of axon.telemetry")
    home, attached = bus(), _Attachment(listener, kinds)
    home.attach(attached)
    return lambda: home.detach(attached)
