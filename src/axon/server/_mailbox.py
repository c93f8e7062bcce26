"""The mailbox of a server: messages in order, room in it, what a suspended server takes, and how long it was idle."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from operator import length_hint
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from ..process import Exit, Process
from ._request import Request
from ._verbs import IdleTimeout

if TYPE_CHECKING:
    from ..process import Timer
    from ._handler import Handler

Item: TypeAlias = "tuple[Handler | None, Any, dict[str, Any] | None, Request | None]"
"""A message: (handler, arguments, keywords, request); (handler, argument, ONE, request) if it is one by position;
(None, message, ONE, None) for handle_info, with None instead of ONE for an `Exit`, which may be one to follow; (None,
function of the process, SYSTEM, request) for a system message."""

ONE: dict[str, Any] = {}
"""Instead of keywords, by its identity: there is one argument, which is there itself and not in a tuple. Most messages
are such, and to pack it and spread it again takes as long as the handler's frame."""
SYSTEM: dict[str, Any] = {}
"""Instead of keywords, by its identity: what is to be done between two callbacks."""


def arguments_of(args: Any, keywords: dict[str, Any] | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a message for a handler, by position and by keyword."""
    return ((args,), {}) if keywords is ONE else (args, keywords or {})


class MailboxProcess(Process):
    """A process that is served item by item; `busy` while it is queued or runs.

    `calm` tells that messages are all there is to look after: whatever makes a process more than that takes it away.
    """

    __slots__ = (
        "backlog",
        "batch",
        "busy",
        "counted",
        "mailbox",
        "obeys",
        "taken",
        "waker",
    )
    # Lists, which are smaller than a deque and are handled by a plain `for`: 30 ns less a message. None when empty.
    mailbox: list[Item] | None  # what came last, in order
    backlog: list[Item] | None  # what came before that, the next one at its end
    batch: Iterator[Item] | None  # what came before both: taken for a burst, and not handled yet
    taken: list[Item] | None  # all of that batch
    counted: int  # so many of them are handled and remembered
    busy: bool
    calm: bool  # said again, so that every checker infers the same for what is assigned here
    limit: int | None = None
    obeys: Process | None  # whose exit signal it follows: who started it with a link
    waker: asyncio.Future[None] | None
    suspended: bool = False
    continuations: list[object] | None = None
    idle_seconds: float | None = None
    idle_timer: Timer | None = None
    stops: bool = False  # an orderly end is in the mailbox, or under way
    on_stop: Callable[[], None] | None = None  # what to break off when it comes
    room: deque[asyncio.Future[None]] | None = None  # those who wait for it

    def run(self) -> None:
        """The run queue's turn, for a process without a task."""
        raise NotImplementedError

    def deliver(self, message: object) -> None:
        """Put a message that is no request into the mailbox: it is for `handle_info`."""
        if type(message) is Exit:
            self.enqueue((None, message, None, None))
            if self.is_parents_exit(message):
                self.stop_is_queued()
        elif self.mailbox is not None and self.busy and self.reason is None:
            self.mailbox.append((None, message, ONE, None))  # as in `enqueue`, without its frame
        else:
            self.enqueue((None, message, ONE, None))

    def deliver_all(self, messages: list[object]) -> None:
        if len(messages) == 1 or Exit in map(type, messages) or self.reason is not None:
            super().deliver_all(messages)
            return
        items: list[Item] = [(None, message, ONE, None) for message in messages]
        if self.mailbox is None:
            self.mailbox = items
        else:
            self.mailbox += items
        if not self.busy:
            self.busy = True
            self.runtime.wake(self)

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
            self.mailbox = [item]
        else:
            self.mailbox.append(item)
        if not self.busy:
            self.busy = True
            self.runtime.wake(self)

    def waiting(self) -> int:
        return (
            len(self.mailbox or ()) + len(self.backlog or ()) + (0 if self.batch is None else length_hint(self.batch))
        )

    def is_full(self) -> bool:
        """Whether the mailbox is at its limit."""
        return self.limit is not None and self.waiting() >= self.limit

    def take_back(self, unwanted: Callable[[object], bool]) -> None:
        def is_wanted(item: Item) -> bool:
            handler, message, keywords, _ = item
            return handler is not None or keywords is SYSTEM or not unwanted(message)

        self.backlog = list(filter(is_wanted, self.all_mail())) or None
        self.calm = False  # whoever is at a message of it looks again what is there

    def all_mail(self) -> list[Item]:
        """All that waits as the one backlog, the next one at its end; a burst that is under way ends with this."""
        self.put_back()
        self._turn_mailbox()
        return self.backlog or []

    def _turn_mailbox(self) -> None:
        """What came last goes to the backlog, behind what is there."""
        newer, self.mailbox = self.mailbox, None
        if newer is not None:
            newer.reverse()
            newer += self.backlog or ()
            self.backlog = newer

    def take_batch(self, most: int) -> int:
        """Take the next messages to handle, at most so many, of those that wait; returns how many these are."""
        batch = self.mailbox
        if batch is not None and self.backlog is None and len(batch) <= most:
            self.mailbox = None
        else:
            if self.backlog is None:
                self._turn_mailbox()
            backlog = cast("list[Item]", self.backlog)
            batch = backlog[-most:]
            batch.reverse()
            del backlog[-most:]
            self.backlog = backlog or None
        self.taken, self.counted, self.batch = batch, 0, iter(batch)
        return len(batch)

    def put_back(self, first: Item | None = None) -> int:
        """What is left of a batch waits again, and before it `first`; returns how many messages were left."""
        if self.batch is None:
            return 0
        self.count_batch(0 if first is None else 1)
        rest = list(self.batch)
        self.taken = self.batch = None
        if first is not None:
            rest.insert(0, first)
        if rest:
            rest.reverse()
            if self.backlog is None:
                self.backlog = rest
            else:
                self.backlog += rest
        return len(rest)

    def count_batch(self, not_yet: int = 0) -> None:
        """Remember what was handled of a batch, except for the last messages that were taken of it.

        That is not done message by message, since it would be 30 of 110 ns each.
        """
        raise NotImplementedError

    def take(self) -> Item | None:
        """The next message to handle, or None; whoever waits to offer one has its room."""
        item = self._take()
        if self.room:
            self.make_room()
        return item

    def _take(self) -> Item | None:
        if self.suspended:
            return self._take_system()
        backlog = self.backlog
        if backlog is None:
            mailbox = self.mailbox
            if mailbox is None or len(mailbox) == 1:
                self.mailbox = None
                return None if mailbox is None else mailbox[0]
            self._turn_mailbox()
            backlog = cast("list[Item]", self.backlog)
        item = backlog.pop()
        if not backlog:
            self.backlog = None
        return item

    def _take_system(self) -> Item | None:
        backlog = self.all_mail()
        for index in reversed(range(len(backlog))):
            item = backlog[index]
            if item[2] is SYSTEM or (item[0] is None and self.is_parents_exit(item[1])):
                del backlog[index]
                self.backlog = backlog or None
                return item
        return None

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
        if not self.waiting():
            self.deliver(IdleTimeout(seconds or 0.0))
