"""One server watched at work: its messages, its answers and the turns of its life, as events.

A server under trace is of a class of its own for as long as that lasts, so the others do no work for it.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from functools import partial
from typing import Any, Literal

from ..errors import InvalidOption
from ..process import ExitReason, Stop, Target, short
from ..telemetry import AnswerSent, LifeChanged, MessageHandled, MessageTaken
from ._deferred import isfuture
from ._driven import Pending
from ._handler import Kind
from ._mailbox import SYSTEM, Item
from ._process import ServerProcess
from ._request import Request
from ._status import Life, status_of, text_of
from ._sys import server_of

_at: ContextVar[tuple[int, str, float] | None] = ContextVar("axon_traced_message", default=None)
"""Which message a traced server is at, by number and as text, and since when; in the server's own context."""


def trace(target: Target, on: bool = True) -> None:
    """Watch one server at run time, or stop it: events tell of each message in and answer out, until its death.

        axon.telemetry.attach(print, MessageTaken, MessageHandled, AnswerSent, LifeChanged)
        axon.trace(counter)

    The events are logged, too, at INFO: `axon.telemetry.configure_logging()` shows them. Texts are what `format_status`
    of the server's class lets be seen. The trace is of one incarnation, as in OTP: a restarted server is not traced.
    Raises `NoProcess`, `InvalidOption`. Not for all servers of a program: that is `axon.telemetry.opentelemetry`.
    https://www.erlang.org/doc/man/sys#trace-2
    """
    if not isinstance(on, bool):
        raise InvalidOption("on", on, "True or False")
    server = server_of(target)
    server.__class__, server.calm = TracedServer if on else ServerProcess, False


class TracedServer(ServerProcess):
    """A server under trace. Its memory has the layout of its base: no slots of its own."""

    __slots__ = ()

    # -- messages

    def _handle(self, item: Item) -> Pending:
        handler, _, keywords, _ = item
        if keywords is not SYSTEM:
            text = text_of(self.handle, self.slot, item)
            _at.set((self.handled + 1, text, self.runtime.loop.time()))
            if self.runtime.bus.wants(MessageTaken):
                kind: Literal[Kind, "info"] = "info" if handler is None else handler.kind
                waiting = self.waiting()
                self.runtime.bus.emit(MessageTaken(path=self.path, kind=kind, text=text, waiting=waiting))
        return super()._handle(item)

    def _completed(self, value: object) -> Pending:
        self._through(None)
        return super()._completed(value)

    def _failed(self, error: BaseException) -> Pending:
        self._through(None if isinstance(error, Stop) else error)
        return super()._failed(error)

    def _through(self, error: BaseException | None) -> None:
        at = _at.get()
        if self.item is None or at is None or at[0] != self.handled:
            return  # a callback that is none for a message, or for one that was taken before the trace
        _at.set(None)
        if self.runtime.bus.wants(MessageHandled):
            duration = self.runtime.loop.time() - at[2]
            self.runtime.bus.emit(MessageHandled(path=self.path, text=at[1], duration=duration, error=error))

    # -- answers

    def _answer(self, item: Item, request: Request, value: object) -> None:
        if request.is_call and self.runtime.bus.wants(AnswerSent):
            text = text_of(self.handle, self.slot, item)
            if isfuture(value):
                value.add_done_callback(partial(self._answered_later, text))
            else:
                self._answered(text, value)
        super()._answer(item, request, value)

    def _answered_later(self, text: str, work: asyncio.Future[Any]) -> None:
        if self.reason is None and not work.cancelled():
            self._answered(text, work.exception() or work.result())

    def _answered(self, text: str, value: object) -> None:
        shown = short(status_of(self, answer=value).answer)
        self.runtime.bus.emit(AnswerSent(path=self.path, text=text, answer=shown))

    # -- life

    def _system(self, function: Any, request: Request | None) -> Pending:
        before = self.suspended
        pending = super()._system(function, request)
        if self.suspended is not before:
            self._lives("suspended" if self.suspended else "running")
        return pending

    def _stop(self, reason: ExitReason) -> Pending:
        self._lives("terminating", reason)
        return super()._stop(reason)

    def die(self, reason: ExitReason) -> None:
        was_alive = self.reason is None
        super().die(reason)
        if was_alive:
            self._lives("ended", reason)

    def _lives(self, life: Life, reason: ExitReason | None = None) -> None:
        if self.runtime.bus.wants(LifeChanged):
            shown = status_of(self, reason=reason).reason
            self.runtime.bus.emit(LifeChanged(path=self.path, life=life, reason=shown))
