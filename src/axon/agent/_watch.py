"""What telemetry is told of a turn, while anybody listens."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic_ai import AgentRunResult
from pydantic_ai.exceptions import RunCancelled, RunTimedOut
from pydantic_ai.usage import RunUsage

from ..errors import DeadlineExceeded, ServerDied
from ..process import Process
from ._errors import TurnSetAside
from ._events import Outcome, TurnBegan, TurnEnded, TurnQueued

if TYPE_CHECKING:
    from ._kept import KeptTurn

NOTHING = Decimal(0)
Counted: TypeAlias = "tuple[int, int, int, Decimal]"


class Watch:
    """The events of one turn; `watched` makes it when the turn is taken."""

    __slots__ = ("_before", "_began", "_id", "_process", "_since", "_waits")

    def __init__(self, process: Process, kept: KeptTurn) -> None:
        self._process = process
        self._id = kept.id
        self._since = process.runtime.loop.time()
        self._began: float | None = None
        self._waits = False
        self._before: Counted | None = _counted(kept.usage) if kept.attempts else None

    def queued(self, queued: int) -> None:
        """It has to wait."""
        self._waits = True
        bus = self._process.runtime.bus
        if bus.wants(TurnQueued):
            bus.emit(TurnQueued(path=self._process.path, message_id=self._id, queued=queued))

    def began(self, queued: int) -> None:
        """Its time has come."""
        home = self._process.runtime
        self._began = home.loop.time()
        if self._waits and home.bus.wants(TurnBegan):
            waited = self._began - self._since
            event = TurnBegan(path=self._process.path, message_id=self._id, waited=waited, queued=queued)
            home.bus.emit(event)

    def ended(self, end: AgentRunResult[Any] | BaseException, usage: RunUsage) -> None:
        """It is over, with this result or error."""
        home = self._process.runtime
        if not home.bus.wants(TurnEnded):
            return
        now = home.loop.time()
        requests, tokens_in, tokens_out, cost = _counted(usage)
        if self._before is not None:
            before = self._before
            requests, tokens_in, tokens_out = requests - before[0], tokens_in - before[1], tokens_out - before[2]
            cost -= before[3]
        error = end if isinstance(end, BaseException) else None
        event = TurnEnded(
            path=self._process.path,
            message_id=self._id,
            outcome="answered" if error is None else _outcome(error),
            error="" if error is None else type(error).__name__,
            seconds=now - self._since,
            waited=(now if self._began is None else self._began) - self._since,
            requests=requests,
            input_tokens=tokens_in,
            output_tokens=tokens_out,
            cost_usd=cost,
        )
        home.bus.emit(event)


def watched(process: Process, kept: KeptTurn, queued: int) -> Watch | None:
    """The watch of a turn that is taken now; None if nobody listens. queued: how many wait now; 0 if it begins at once."""
    bus = process.runtime.bus
    if not (bus.wants(TurnEnded) or bus.wants(TurnQueued) or bus.wants(TurnBegan)):
        return None
    watch = Watch(process, kept)
    if queued:
        watch.queued(queued)
    return watch


def _counted(usage: RunUsage) -> Counted:
    return usage.requests, usage.input_tokens, usage.output_tokens, usage.cost or NOTHING


def _outcome(error: BaseException) -> Outcome:
    match error:
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
