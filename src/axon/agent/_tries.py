"""The tries at one turn: from its last checkpoint, and from there again after an error that may pass."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Generic, TypeVar

from pydantic_ai import AgentRunResult, CancellationToken
from pydantic_ai.messages import ModelMessage
from pydantic_ai.usage import RunUsage

from ..budget import Budget
from ._approvals import Desk
from ._attempt import Attempt, copied
from ._errors import ExitRefused, RunInterrupted, TurnSetAside
from ._events import TurnWasSetAside
from ._feed import Feed
from ._incarnation import Incarnation
from ._kept import KeptTurn
from ._order import Order
from ._records import AttemptFailed, CancelAsked, Content, Paused, Started
from ._status import Activity
from ._text import Event
from ._verdict import action_for, pause_after
from ._weather import is_weather

Deps = TypeVar("Deps")
Output = TypeVar("Output")


class Tries(Generic[Deps, Output]):
    """They go on until one succeeds, an error is none to go on after, or the turn is set aside."""

    def __init__(
        self,
        home: Incarnation[Deps, Output],
        kept: KeptTurn,
        order: Order,
        budget: Budget | None,
        feed: Feed[Event] | None,
    ) -> None:
        self.activity: Activity = Activity()
        self.is_set_aside: bool = False
        self._home = home
        self._kept = kept
        self._order = order
        self._budget = budget
        self._feed = feed
        self._desk = (
            None if home.outputs.asks else Desk(home.journal, kept, self.activity, home.server.approval_timeout)
        )
        self._token = CancellationToken()
        self._attempt: Attempt[Deps, Output] | None = None
        self._used: RunUsage | None = None
        self._pausing: asyncio.Future[None] | None = None
        self._is_abandoned = False
        if kept.cancelled:
            self._token.cancel()

    @property
    def usage(self) -> RunUsage:
        """What they have used so far."""
        if self._attempt is not None:
            return self._attempt.usage
        return self._kept.usage if self._used is None else self._used

    @property
    def messages(self) -> Sequence[ModelMessage]:
        """The conversation until now, that of the turn included."""
        return (self._kept.history or ()) if self._attempt is None else self._attempt.messages

    # -- from outside

    def cancel(self) -> None:
        """End the run with `RunCancelled`, and keep that this was asked for."""
        if not self._kept.cancelled:
            self._home.journal.jot(CancelAsked(self._kept.id))
        self._token.cancel()
        if self._pausing is not None and not self._pausing.done():
            self._pausing.set_result(None)

    def abandon(self) -> None:
        """The server ends: a run that ends now was not interrupted by itself."""
        self._is_abandoned = True

    def steer(self, steer: str, content: Content) -> bool:
        """Pass a message that was kept on to the run; returns False if that has ended."""
        return self._attempt is None or self._attempt.steer(steer, content)

    def nudge(self) -> None:
        """An approval was decided."""
        if self._desk is not None:
            self._desk.nudge()

    async def close(self) -> RunUsage:
        """There are no more: nobody needs to decide anything for them. Returns what they used."""
        if self._desk is not None:
            await self._desk.cancel()
        self._used = copied(self.usage)
        return self._used

    def forget(self) -> None:
        """Let go of the run, which holds a lot: a turn that is over is kept for a while."""
        self._attempt = None

    # -- what they do

    async def until_done(self) -> AgentRunResult[Output]:
        """Try until there is a result. Raises what the turn ends with."""
        kept, journal = self._kept, self._home.journal
        while True:
            if kept.attempts >= self._home.server.attempts:
                self._set_aside(kept.error)
                raise TurnSetAside(kept.id, kept.attempts, kept.error)
            if journal.has_checkpoints:
                await journal.note(Started(kept.id))
            else:
                journal.kept.start(kept)
            try:
                return await self._try()
            except Exception as error:
                await self._decide(error)

    async def _try(self) -> AgentRunResult[Output]:
        process = self._home.process
        self.activity.becomes("thinking", process.runtime.loop.time())
        self._attempt = Attempt(
            self._home,
            self._kept,
            self._order,
            activity=self.activity,
            feed=self._feed,
            desk=self._desk,
            budget=self._budget,
        )
        try:
            return await self._attempt.run(self._token)
        except asyncio.CancelledError as error:
            me = asyncio.current_task()
            if self._is_abandoned or (me is not None and me.cancelling()):
                raise
            raise RunInterrupted(process.path) from error
        except SystemExit as error:  # in a task it would end the event loop (rule Z7)
            raise ExitRefused("the run", error) from error

    async def _decide(self, error: Exception) -> None:
        """What becomes of a try that failed: returns for another one."""
        kept, journal, server = self._kept, self._home.journal, self._home.server
        account = server.account
        weather = account is not None and is_weather(error)
        waits = weather and account is not None and not account.is_well
        durable = weather or journal.store is not None
        action = "retry" if waits else action_for(error, server.on_error, durable=durable)
        self._used = copied(self.usage)
        if action == "fail" or kept.cancelled:
            raise error
        text = text_of_error(error)
        await journal.note(AttemptFailed(kept.id, text))
        if waits:
            await journal.note(Paused(kept.id))  # it waits with all others, and no attempt is used up
            self._attempt = None
            return
        if kept.attempts >= server.attempts:
            self._set_aside(text)
            raise error
        self._attempt = None
        if action == "crash" and not self._order.aside:
            self._home.crash(error)
            await self._home.process.runtime.loop.create_future()  # the end of the process cancels it
        await self._pause(error, text)

    def _set_aside(self, error: str) -> None:
        self.is_set_aside = True
        process, kept = self._home.process, self._kept
        bus = process.runtime.bus
        if bus.wants(TurnWasSetAside):
            bus.emit(TurnWasSetAside(path=process.path, message_id=kept.id, attempts=kept.attempts, error=error))

    async def _pause(self, error: Exception, text: str) -> None:
        """Wait before another try, unless the turn is cancelled."""
        loop = self._home.process.runtime.loop
        now, seconds = loop.time(), pause_after(error, self._kept.attempts)
        self.activity.error = text
        self.activity.becomes("throttled", now, now + seconds)
        if not self._kept.cancelled:
            self._pausing = loop.create_future()
            await asyncio.wait([self._pausing], timeout=seconds)


def text_of_error(error: Exception) -> str:
    """An error as it is kept."""
    return error.error if isinstance(error, TurnSetAside) else f"{type(error).__name__}: {error}"
