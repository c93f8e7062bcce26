"""Answers that come later: work tied to one incarnation of a server, whose death takes it along."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeGuard

from ..errors import AnswerCancelled, ServerDied
from ._request import Reply, Request

if TYPE_CHECKING:
    from ._process import ServerProcess


def isfuture(value: object) -> TypeGuard[asyncio.Future[Any]]:
    """Whether a handler's answer is one that comes later."""
    return isinstance(value, asyncio.Future)


def adopt(server: ServerProcess, work: asyncio.Future[Any]) -> None:
    """Tie work to this incarnation: it is cancelled when the server dies."""
    if server.work is None:
        server.work = set()
    server.work.add(work)
    work.add_done_callback(server.work.discard)


def answer_later(server: ServerProcess, work: asyncio.Future[Any], request: Request) -> None:
    """Answer the request when the work is done, or when the server dies, whichever is first."""
    adopt(server, work)
    later = _Later(server, request, work)
    server.on_death(later.server_died)
    work.add_done_callback(later.done)
    request.later = later.caller_left if isinstance(work, Reply) else later.forsaken


class _Later:
    __slots__ = ("request", "server", "work")

    def __init__(self, server: ServerProcess, request: Request, work: asyncio.Future[Any]) -> None:
        self.server, self.request, self.work = server, request, work

    def server_died(self) -> None:
        if self.work.done():  # the answer was there first (rule B19)
            self._answer(self.work)
        self.request.fail(ServerDied(self.server.path, self.server.reason))

    def caller_left(self) -> None:
        """Nobody waits for a `Reply` any more; whoever holds it may still resolve it, and here it is not kept."""
        if not self.work.remove_done_callback(self.done):
            return  # it was resolved in this very turn, and will be done
        self.server.forget_on_death(self.server_died)
        if self.server.work is not None:
            self.server.work.discard(self.work)

    def forsaken(self) -> None:
        """Nobody waits for this work any more, and it goes on."""
        if self.server.forsaken is None:
            self.server.forsaken = set()
        self.server.forsaken.add(self.work)
        self.work.add_done_callback(self.server.forsaken.discard)

    def done(self, work: asyncio.Future[Any]) -> None:
        self.server.forget_on_death(self.server_died)
        self._answer(work)

    def _answer(self, work: asyncio.Future[Any]) -> None:
        if work.cancelled():
            self.request.fail(AnswerCancelled(self.server.path))
        elif (error := work.exception()) is not None:
            self.request.fail(error)
        else:
            self.request.answer(work.result())
