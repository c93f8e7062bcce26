"""Requests that a tracer follows: they carry the trace parent to their handler, and say when and how they ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ServerDied
from ..process import Process, Reason, calling, deadline_at, is_clean
from ..telemetry import Tracer
from ._request import Request
from ._stream import Channel

if TYPE_CHECKING:
    from ._handler import Handler
    from ._process import ServerProcess


class FollowedRequest(Request):
    """A request with a span of its own. Made in its sender's context, entered in its server's."""

    __slots__ = ("_handling", "_raises")

    def __init__(self, tracer: Tracer, target: ServerProcess, handler: Handler, sender: Process | None) -> None:
        is_call = handler.kind != "cast"
        callers = (sender, calling.get()) if is_call and sender is not None else None
        super().__init__(is_call, deadline_at.get(), callers)
        self.carries = True
        self._handling = tracer.follow(target, type(target.handle), handler.function, handler.kind)
        self._raises = handler.raises

    def enter(self) -> None:
        super().enter()
        self._handling.enter()

    def leave(self) -> None:
        super().leave()
        self._handling.leave()

    def answer(self, value: object) -> None:
        if isinstance(value, Channel):
            value.at_end = self._end  # the answer is a stream, and the work behind it begins now
        elif not self.done:
            self._end(None)
        super().answer(value)

    def fail(self, error: BaseException) -> None:
        if not self.done:
            self._end(error)
        super().fail(error)

    def _end(self, error: BaseException | None) -> None:
        reason = error.reason if isinstance(error, ServerDied) else error
        expected = is_clean(reason) if isinstance(reason, Reason) else reason is None or isinstance(error, self._raises)
        self._handling.end(error, failed=not expected)
