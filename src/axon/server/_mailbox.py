"""The mailbox of a server: messages in order, room in it, what a suspended server takes, and how long it was idle."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from ..process import Exit, Process
from ._request import Request
from ._verbs import IdleTimeout

if TYPE_CHECKING:
    from ..process import Timer
    from ._handler import Handler

Item: TypeAlias = "tuple[Handler | None, Any, dict[str, Any] | None, Request | None]"
"""A message: (handler, arguments, keywords, request); (None, message, None, None) for handle_info;
(None, function of the process, {}, request) for a system message."""


class MailboxProcess(Process):
    """A process that is served item by item; `busy` while it is queued or runs.

    `calm` tells that messages are all there is to look after: whatever makes a process more than that takes it away.
    """

    __slots__ = ("busy", "idle_timer", "limit", "obeys", "room", "waker")
    mailbox: deque[object] | None  # said again, so that every checker infers the same for what is assigned here
    busy: bool
    limit: int | None
    obeys: Process | None  # whose exit signal it follows: who started it with a link
    waker: asyncio.Future[None] | None
    suspended: bool = False
    continuations: list[object] | None = None
    idle_seconds: float | None = None
    idle_timer: Timer | None
    stops: bool = False  # an orderly end is in the mailbox, or under way
    on_stop: Callable[[], None] | None = None  # what to break off when it comes
    room: deque[asyncio.Future[None]] | None  # those who wait for it

    def run(self) -> None:
        """The run queue's turn, for a process without a task."""
        raise NotImplementedError

    def deliver(self, message: object) -> None:
        """Put a message that is no request into the mailbox: it is for `handle_info`."""
        self.enqueue((None, message, None, None))
        if type(message) is Exit and self.is_parents_exit(message):
            self.stop_is_queued()

    def stop_is_queued(self) -> None:
        """Break off what would keep the server from its end."""
        self.stops = True
        if self.on_stop is not None:
            self.on_stop()

    def enqueue(self, item: Item) -> None:
        """Put a message at the end of the mailbox, and see that it is served."""
        if self.reason is not None:
            return
        if self.mailbox is None:
            self.mailbox = deque()
        self.mailbox.append(item)
        if not self.busy:
            self.busy = True
            self.runtime.wake(self)

    def take_back(self, unwanted: Callable[[object], bool]) -> None:
        def is_unwanted(item: Any) -> bool:
            handler, message, keywords, _ = item
            return handler is None and keywords is None and unwanted(message)

        super().take_back(is_unwanted)

    def is_full(self) -> bool:
        """Whether the mailbox is at its limit."""
        return self.limit is not None and self.mailbox is not None and len(self.mailbox) >= self.limit

    def take(self) -> Item | None:
        """The next message to handle, or None; whoever waits to offer one has its room."""
        item = self._take()
        if self.room:
            self.make_room()
        return item

    def _take(self) -> Item | None:
        mailbox: Any = self.mailbox
        if not mailbox:
            return None
        if self.suspended:
            item: Item
            for index, item in enumerate(mailbox):
                if item[0] is None and (item[2] is not None or self.is_parents_exit(item[1])):
                    del mailbox[index]
                    return item
            return None
        first: Item = mailbox.popleft()
        return first

    def is_parents_exit(self, message: object) -> bool:
        """Whether this is the exit signal that the process has to follow."""
        return type(message) is Exit and self.obeys is not None and message.sender is self.obeys

    def make_room(self) -> None:
        """Let the first of those go on who wait to offer a message, if there is room; it leaves the line itself."""
        if self.room and not self.room[0].done() and not self.is_full():
            self.room[0].set_result(None)

    def clear_line(self) -> None:
        """It is dead: all who wait to offer a message go on, and see."""
        for waiter in self.room or ():
            if not waiter.done():
                waiter.set_result(None)

    def arm_idle(self, seconds: float) -> None:
        """Deliver `IdleTimeout` if no message comes for so long."""
        self.cancel_idle()
        self.calm = False
        self.idle_seconds = seconds
        self.idle_timer = self.runtime.timers.after(seconds, self._idle)

    def cancel_idle(self) -> None:
        """A message came, or the process ends."""
        if self.idle_timer is not None:
            self.runtime.timers.cancel(self.idle_timer)
        self.idle_timer = self.idle_seconds = None

    def _idle(self) -> None:
        self.idle_timer = None
        if self.suspended:
            return  # it is held and not idle: `resume` starts the whole time anew
        seconds, self.idle_seconds = self.idle_seconds, None
        if not self.mailbox:
            self.deliver(IdleTimeout(seconds or 0.0))
