"""What telemetry is told of a turn, while anybody listens."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pydantic_ai import AgentRunResult
from pydantic_ai.exceptions import RunCancelled, RunTimedOut
from pydantic_ai.usage import RunUsage

from ..errors import DeadlineExceeded, ServerDied
from ..process import Process
from ._errors import TurnSetAside
from ._events import Outcome, TurnAccepted, TurnBegan, TurnEnded

if TYPE_CHECKING:
    from ._kept import KeptTurn

KINDS = (TurnAccepted, TurnBegan, TurnEnded)


class Watch:
    """The events of one turn; `watched` makes it when the turn is taken."""

    def __init__(self, process: Process, message_id: str, used: RunUsage) -> None:
        self._process = process
        self._id = message_id
        self._since = process.runtime.loop.time()
        self._before = _counted(used)

    def accepted(self, queued: int) -> None:
        """It was taken."""
        if self._process.runtime.bus.wants(TurnAccepted):
            event = TurnAccepted(path=self._process.path, message_id=self._id, queued=queued)
            self._process.runtime.bus.emit(event)

    def began(self, queued: int) -> None:
        """Its time has come."""
        if self._process.runtime.bus.wants(TurnBegan):
            event = TurnBegan(path=self._process.path, message_id=self._id, waited=self._seconds, queued=queued)
            self._process.runtime.bus.emit(event)

    def ended(self, end: AgentRunResult[Any] | BaseException, usage: RunUsage) -> None:
        """It is over, with this result or error."""
        if not self._process.runtime.bus.wants(TurnEnded):
            return
        requests, tokens_in, tokens_out, cost = self._before
        now = _counted(usage)
        event = TurnEnded(
            path=self._process.path,
            message_id=self._id,
            outcome=_outcome(end),
            error=type(end).__name__ if isinstance(end, BaseException) else "",
            seconds=self._seconds,
            requests=now[0] - requests,
            input_tokens=now[1] - tokens_in,
            output_tokens=now[2] - tokens_out,
            cost_usd=now[3] - cost,
        )
        self._process.runtime.bus.emit(event)

    @property
    def _seconds(self) -> float:
        return self._process.runtime.loop.time() - self._since


def watched(process: Process, kept: KeptTurn, queued: int) -> Watch | None:
    """The watch of a turn that was taken now, None if nobody listens."""
    bus = process.runtime.bus
    if not any(map(bus.wants, KINDS)):
        return None
    watch = Watch(process, kept.id, kept.usage)
    watch.accepted(queued)
    return watch


def _counted(usage: RunUsage) -> tuple[int, int, int, Decimal]:
    return usage.requests, usage.input_tokens, usage.output_tokens, usage.cost or Decimal(0)


def _outcome(end: object) -> Outcome:
    match end:
        case AgentRunResult():
            return "answered"
        case asyncio.CancelledError() | ServerDied():
            return "interrupted"
        case RunCancelled():
            return "cancelled"
        case DeadlineExceeded() | RunTimedOut():
            return "deadline"
        case TurnSetAside():
            return "set aside"
        case _:
            return "failed"
