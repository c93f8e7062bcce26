"""What is asked of an MCP server's owner, and what it makes of that."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pydantic_ai.mcp import MCPToolset

from ..process import Process
from ..server import Reply

if TYPE_CHECKING:
    from ._session import Session

Work: TypeAlias = Callable[[MCPToolset[Any]], Awaitable[Any]]
"""What is to be done with the toolset of an open session."""


@dataclass(frozen=True, eq=False)
class Lease:
    """The right to use a server; `borrower` is the process that has it, None for a plain coroutine."""

    borrower: Process | None = field(repr=False)


@dataclass(frozen=True, eq=False)
class Ask:
    """One thing that is wanted of a server: a call of a tool, or something that needs no turn."""

    what: str
    work: Work = field(repr=False)
    lease: Lease | None = field(repr=False, default=None)
    takes_turn: bool = field(repr=False, default=True)

    @property
    def whose(self) -> object:
        """Who takes turns with whom: processes, and those who are none one by one."""
        lease = self.lease
        return self if lease is None else lease.borrower or lease


@dataclass(frozen=True, slots=True, eq=False)
class Broke:
    """A session's message to its owner: it is over."""

    session: Session
    reason: Exception


@dataclass(frozen=True, slots=True, eq=False)
class Lend:
    """A borrower's message: it has a lease from now on."""

    lease: Lease


@dataclass(frozen=True, slots=True, eq=False)
class Return:
    """A borrower's message: it is through with its lease."""

    lease: Lease


@dataclass(frozen=True, slots=True, eq=False)
class GiveUp:
    """A borrower's message: it does not wait for this any more."""

    ask: Ask


@dataclass(frozen=True, slots=True, eq=False)
class Idle:
    """The owner's message to itself: nobody has used the session for a while."""


@dataclass(eq=False)
class Job:
    """An `Ask` that was taken."""

    ask: Ask
    reply: Reply[Any]
    due: float | None
    context: Context
    began: bool = False
    task: asyncio.Task[None] | None = None
    stopped: Literal["unwanted", "late"] | None = None

    def stop(self, why: Literal["unwanted", "late"]) -> None:
        """Cancel it, once: a second time would break off the news of it to the server."""
        if self.stopped is None and self.task is not None:
            self.stopped = why
            self.task.cancel()


def refuse(reply: Reply[Any], error: Exception) -> None:
    """Answer with an error, though nobody may be there to hear it."""
    if not reply.done():
        reply.set_exception(error)
        reply.exception()
