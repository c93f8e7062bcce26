"""A request on its way: where the answer goes, until when it matters, and on whose behalf it is made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from ..process import Callers, Process, calling, deadline_at, running

R = TypeVar("R")


class Request:
    """What travels with a message besides handler and arguments; a cast with nothing to carry has none.

    `carries` tells whether its handler has to be told: `enter` and `leave` go around it.
    """

    __slots__ = ("callers", "carries", "done", "due", "error", "future", "is_call", "later", "value")

    def __init__(self, is_call: bool, due: float | None, callers: Callers) -> None:
        self.is_call: bool = is_call
        self.due: float | None = due
        self.callers: Callers = callers
        self.carries: bool = callers is not None or due is not None
        self.done: bool = False
        self.value: Any = None
        self.error: BaseException | None = None
        self.future: asyncio.Future[Any] | None = None  # made only when the caller has to wait
        self.later: Callable[[], None] | None = None  # told when the caller of a later answer gives up

    def enter(self) -> None:
        """What the handler does now is done on behalf of these callers, and until this deadline."""
        deadline_at.set(self.due)
        calling.set(self.callers)

    def leave(self) -> None:
        """The handler has returned."""
        deadline_at.set(None)
        calling.set(None)

    @property
    def is_abandoned(self) -> bool:
        """Whether the caller has given up waiting."""
        return self.future is not None and self.future.done()

    def answer(self, value: object) -> None:
        """Give the caller its answer; the first one counts, and if it has given up nobody hears it."""
        if self.done:
            return
        self.done = True
        if self.future is None:
            self.value = value
        elif not self.future.done():
            self.future.set_result(value)

    def fail(self, error: BaseException) -> None:
        """Raise `error` at the caller."""
        if self.done:
            return
        self.done = True
        if isinstance(error, StopIteration):  # what a coroutine makes of it; a future would refuse it
            error = RuntimeError(f"the server answered with {error!r}")
        if self.future is None:
            self.error = error
        elif not self.future.done():
            self.future.set_exception(error)


def outcome_of(request: Request) -> Any:
    """What came of a call that was handled on the spot."""
    error = request.error
    if error is None:
        return request.value
    request.error = None
    try:
        raise error
    finally:
        del error  # it keeps this frame: a ring would be left to the garbage collector, as in asyncio


class Reply(asyncio.Future[R], Generic[R]):
    """An answer to be given later, by anybody: return it from a handler, and call `set_result` when it is known.

    The server goes on with its next message meanwhile (OTP's `noreply`). The first answer counts, later ones are
    ignored; if the server dies first the caller gets `ServerDied`.
    https://www.erlang.org/doc/man/gen_server#reply-2
    """

    def set_result(self, result: R, /) -> None:
        """Answer with a value."""
        refuse_zombie()
        if not self.done():
            super().set_result(result)

    def set_exception(self, exception: type | BaseException, /) -> None:
        """Answer with an error."""
        refuse_zombie()
        if not self.done():
            super().set_exception(exception)


def refuse_zombie() -> None:
    """What a process that was declared dead still sends is refused."""
    process = running.get()
    if process is not None:
        process.refuse_if_dead()


def call_request(sender: Process | None) -> Request:
    """What a call carries: its callers are the sender and the sender's callers."""
    return Request(True, deadline_at.get(), None if sender is None else (sender, calling.get()))
