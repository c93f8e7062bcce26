"""One turn of an agent: taken, tried, tried again from its last checkpoint, and over; in a task of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from pydantic_ai import AgentRunResult, AgentRunResultEvent, CancellationToken
from pydantic_ai.exceptions import RunCancelled, RunTimedOut
from pydantic_ai.usage import RunUsage

from ..budget import Budget
from ..errors import DeadlineExceeded, ServerDied
from ..process import ExitReason, Process, deadline_at
from ._answers import Outputs
from ._approvals import Desk
from ._attempt import Attempt, copied
from ._errors import ExitRefused, RunInterrupted, TurnSetAside
from ._events import TurnWasSetAside
from ._feed import Feed
from ._helpers import helpers_usage
from ._journal import NOW, Journal
from ._kept import KeptTurn, patch
from ._order import Order, fingerprint_of, inside
from ._records import AttemptFailed, CancelAsked, Committed, Content, Ended, Hop, Paused, Started
from ._runs import Runs
from ._status import Activity
from ._text import Event
from ._verdict import action_for, pause_after
from ._watch import Watch
from ._weather import is_weather

if TYPE_CHECKING:
    from ._agent import AgentServer

Deps = TypeVar("Deps")
Output = TypeVar("Output")


class Turn(Generic[Deps, Output]):
    """A message that was accepted, until its turn is over.

    Made in its server's process, so that its task starts in a copy of the server's own context: with the deadline and
    the callers of the request, and nothing else of the caller's. It begins once the message is kept (`accepted`) and it
    was told to `start`. When the task is done, however that came, `ended` is called once; `crash` ends the server.
    """

    def __init__(  # noqa: PLR0917
        self,
        server: AgentServer[Deps, Output],
        runs: Runs[Deps, Output],
        journal: Journal,
        kept: KeptTurn,
        order: Order,
        outputs: Outputs,
        accepted: Awaitable[None],
        ended: Callable[[Turn[Any, Any]], None],
        crash: Callable[[Exception], None],
    ) -> None:
        self.kept: KeptTurn = kept
        self.order: Order = order
        self.process: Process = journal.process
        self.budget: Budget | None = order.budget or server.budget
        self.activity: Activity = Activity()
        self.due: float | None = deadline_at.get()
        loop = self.process.runtime.loop
        if self.due is None and kept.accepted.due is not None:
            self.due = loop.time() + kept.accepted.due - time.time()
        self._server = server
        self.runs: Runs[Deps, Output] = runs
        self._journal = journal
        self._outputs = outputs
        self.accepted: Awaitable[None] = accepted
        self._ended = ended
        self._crash = crash
        self._token = CancellationToken()
        self._attempt: Attempt[Deps, Output] | None = None
        self._used: RunUsage | None = None
        self._feed: Feed[Event] | None = None
        self._desk = None if outputs.asks else Desk(journal, kept, self.activity, server.approval_timeout)
        self._server_ends: ExitReason | None = None
        self._end: AgentRunResult[Output] | BaseException | None = None
        self._set_aside = False
        self._is_done = False
        self._is_counted = False
        self._started = False
        self._waits: asyncio.Future[None] | None = None
        self.watch: Watch | None = None
        self.asked: dict[str, Callable[[], None]] | None = None
        """By message id, how to end the turns of others that it waits for: they end with it."""
        if kept.cancelled:
            self._token.cancel()
        self.outcome: asyncio.Future[AgentRunResult[Output]] = loop.create_future()
        """What its askers wait for."""
        self.task: asyncio.Task[AgentRunResult[Output]] = loop.create_task(self._work(accepted))
        self.task.add_done_callback(self._done)

    # -- what the server does with it

    def start(self) -> None:
        """Its turn has come."""
        self._started = True
        self._wake()

    def fingerprint_of(self, id: str) -> str:
        """That of the message with this id, which is its own or was told to it."""
        return self.kept.riders.get(id) or self.kept.accepted.fingerprint or fingerprint_of(self.order.prompt)

    @property
    def feed(self) -> Feed[Event]:
        """What happens in it, for its readers."""
        if self._feed is None:
            self._feed = Feed(self._journal.epoch, self._server.stream_buffer)
            if self._end is not None:
                self._close_feed(self._feed, self._end)
        return self._feed

    @property
    def key(self) -> str:
        """What names it, and no other turn of any agent, also in its next incarnation."""
        return f"{self._journal.key}/{self.kept.id}"

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.task.done()

    @property
    def is_counted(self) -> bool:
        """Whether what it used is part of what the journal counts."""
        return self._is_counted

    @property
    def usage(self) -> RunUsage:
        """What it has used so far."""
        if self._attempt is not None:
            return self._attempt.usage
        return self.kept.usage if self._used is None else self._used

    # -- those it asks

    @property
    def hops(self) -> tuple[Hop, ...]:
        """The turns that wait for it, and itself."""
        return (*self.order.hops, Hop(self._journal.key, self.kept.id, self.process.path))

    @property
    def helpers_usage(self) -> RunUsage:
        """What those that it has asked used for their answers."""
        messages = (self.kept.history or ()) if self._attempt is None else self._attempt.messages
        return helpers_usage(messages[self.kept.start :])

    def _end_asked(self, asked: dict[str, Callable[[], None]]) -> None:
        """End what it waits for, unless the next incarnation goes on with it."""
        ends = self._server_ends is not None or self.process.reason is not None
        if not (ends and self._journal.store is not None and self._journal.kept.turn(self.kept.id) is not None):
            for end in asked.values():
                end()

    def cancel(self) -> None:
        """End the run with `RunCancelled`, which carries what was done until then. That it was asked for is kept."""
        if not self.kept.cancelled:
            self._journal.jot(CancelAsked(self.kept.id))
        self._token.cancel()
        self._wake()

    def abandon(self, server_ends: ExitReason) -> None:
        """End the work because the server ends. If it is ending already its tools go on cleaning up undisturbed."""
        self._server_ends = server_ends
        if not self.task.cancelling():
            self.task.cancel()

    def steer(self, steer: str, content: Content) -> bool:
        """Pass a message that was kept on to the run; returns False if there is none any more."""
        if self._is_done or self.over:
            return False
        return self._attempt is None or self._attempt.steer(steer, content)

    def nudge(self) -> None:
        """An approval was decided."""
        if self._desk is not None:
            self._desk.nudge()

    def server_died(self) -> None:
        """End the work at once."""
        if not self.task.cancelling():
            self.task.cancel()

    # -- what it does

    async def _work(self, accepted: Awaitable[None]) -> AgentRunResult[Output]:
        here = inside.set(self)
        deadline_at.set(self.due)
        try:
            result = await self._to_the_end(accepted)
        except asyncio.CancelledError as error:
            if self._server_ends is not None:
                raise ServerDied(self.process.path, self._server_ends) from error
            raise
        finally:
            inside.reset(here)  # the task is kept by its turn, which it would keep in turn
        self._settle(result)  # rather than a turn of the loop later
        return result

    async def _to_the_end(self, accepted: Awaitable[None]) -> AgentRunResult[Output]:
        limit = None if self.due is None else asyncio.timeout_at(self.due)  # the asker's own is over by then
        try:
            if limit is None:
                return await self._tries(accepted)
            async with limit:
                return await self._tries(accepted)
        except Exception as error:
            late = limit is not None and limit.expired()
            await self._close(error, late=late)
            if late and isinstance(error, TimeoutError):  # after a restart the asker's clock may be behind by a moment
                raise DeadlineExceeded(self.process.path) from error
            raise

    async def _tries(self, accepted: Awaitable[None]) -> AgentRunResult[Output]:
        if accepted is not NOW:
            await accepted
        while not self._started:
            await self._woken()
        async with nullcontext() if self.budget is None or self.order.is_inherited else self.budget.running():
            return await self._until_done()

    async def _until_done(self) -> AgentRunResult[Output]:
        while True:
            if self.kept.attempts >= self._server.attempts:
                self._gives_up(self.kept.error)
                raise TurnSetAside(self.kept.id, self.kept.attempts, self.kept.error)
            if self._journal.has_checkpoints:
                await self._journal.note(Started(self.kept.id))
            else:
                self._journal.kept.start(self.kept)
            try:
                result = await self._try()
            except Exception as error:
                await self._decide(error)
            else:
                await self._commit(result)
                return result

    async def _try(self) -> AgentRunResult[Output]:
        self.activity.becomes("thinking", self.process.runtime.loop.time())
        self._attempt = Attempt(
            self._server,
            self.runs,
            self._journal,
            self.kept,
            self.order,
            self.activity,
            self.feed if self.kept.accepted.streamed else None,
            self._desk,
            self.budget,
        )
        try:
            return await self._attempt.run(self._token)
        except asyncio.CancelledError as error:
            me = asyncio.current_task()
            if self._server_ends is not None or (me is not None and me.cancelling()):
                raise
            raise RunInterrupted(self.process.path) from error
        except SystemExit as error:  # in a task it would end the event loop (rule Z7)
            raise ExitRefused("the run", error) from error

    async def _decide(self, error: Exception) -> None:
        """What becomes of a try that failed: returns for another one."""
        account = self._server.account
        weather = account is not None and is_weather(error)
        waits = weather and account is not None and not account.is_well
        durable = weather or self._journal.store is not None
        action = "retry" if waits else action_for(error, self._server.on_error, durable=durable)
        self._used = copied(self.usage)
        if action == "fail" or self.kept.cancelled:
            raise error
        text = _text(error)
        await self._journal.note(AttemptFailed(self.kept.id, text))
        if waits:
            await self._journal.note(Paused(self.kept.id))  # it waits with all others, and no attempt is used up
            self._attempt = None
            return
        if self.kept.attempts >= self._server.attempts:
            self._gives_up(text)
            raise error
        self._attempt = None
        if action == "crash":
            self._crash(error)
            await self.process.runtime.loop.create_future()  # the end of the process cancels it
        await self._pause(error, text)

    def _gives_up(self, error: str) -> None:
        self._set_aside = True
        bus = self.process.runtime.bus
        if bus.wants(TurnWasSetAside):
            bus.emit(
                TurnWasSetAside(
                    path=self.process.path, message_id=self.kept.id, attempts=self.kept.attempts, error=error
                )
            )

    async def _pause(self, error: Exception, text: str) -> None:
        now = self.process.runtime.loop.time()
        seconds = pause_after(error, self.kept.attempts)
        self.activity.error = text
        self.activity.becomes("throttled", now, now + seconds)
        if not self.kept.cancelled:
            await asyncio.wait([self._woken()], timeout=seconds)

    def _woken(self) -> asyncio.Future[None]:
        """Done with the next `start` or `cancel`."""
        self._waits = self.process.runtime.loop.create_future()
        return self._waits

    def _wake(self) -> None:
        if self._waits is not None and not self._waits.done():
            self._waits.set_result(None)

    async def _commit(self, result: AgentRunResult[Output]) -> None:
        self._is_done = True
        if self._journal.has_checkpoints:
            committed = self._journal.note(self._committed(result))
        else:
            committed = self._journal.finish(self.kept, list(result.all_messages()), result.usage)
        self._is_counted = True
        await committed

    def _committed(self, result: AgentRunResult[Output]) -> Committed:
        assert self.kept.history is not None, "the turn has started"
        keep, messages = patch(self.kept.history, result.all_messages())
        output = None if self._journal.store is None else self._outputs.text(result.output)
        return Committed(self.kept.id, keep, messages, output, result._output_tool_name, copied(result.usage))

    async def _close(self, error: Exception, *, late: bool) -> None:
        """Write down that it is over without an answer, and why."""
        self._is_done = True
        how: Literal["failed", "cancelled", "deadline", "set aside"] = "failed"
        if self._set_aside:
            how = "set aside"
        elif late or isinstance(error, RunTimedOut):
            how = "deadline"
        elif isinstance(error, RunCancelled):
            how = "cancelled"
        if self._desk is not None:
            await self._desk.cancel()
        usage = self._used = copied(self.usage)
        if self._journal.has_checkpoints:
            ended = self._journal.note(Ended(self.kept.id, how, _text(error), usage))
        else:
            ended = self._journal.finish(self.kept, None, usage)
        self._is_counted = True
        await ended

    def _done(self, task: asyncio.Task[AgentRunResult[Output]]) -> None:
        if self._end is None:
            error = self._error_of(task)
            self._settle(error or task.result())

    def _settle(self, end: AgentRunResult[Output] | BaseException) -> None:
        """Tell everybody how it ended."""
        self._end = end
        if self.watch is not None:
            self.watch.ended(end, self.usage)
        if self.asked:
            self._end_asked(self.asked)
        if self._feed is not None:
            self._close_feed(self._feed, end)
        if not self.outcome.done():
            if not isinstance(end, BaseException):
                self.outcome.set_result(end)
            elif isinstance(end, asyncio.CancelledError):
                self.outcome.cancel()
            else:
                self.outcome.set_exception(end)
                self.outcome.exception()  # whoever asked may be gone: it is looked at here
        self._attempt = None  # its run holds a lot, and a turn that is over is kept for a while
        self._ended(self)

    def _close_feed(self, feed: Feed[Event], end: AgentRunResult[Output] | BaseException) -> None:
        if isinstance(end, BaseException):
            feed.end(end)
        else:
            feed.publish(AgentRunResultEvent(end))
            feed.end()

    def _error_of(self, task: asyncio.Task[AgentRunResult[Output]]) -> BaseException | None:
        if not task.cancelled():
            return task.exception()
        reason = self._server_ends or self.process.reason
        # A task that is cancelled before its first step cannot say itself why it ends.
        return asyncio.CancelledError() if reason is None else ServerDied(self.process.path, reason)


def _text(error: Exception) -> str:
    return error.error if isinstance(error, TurnSetAside) else f"{type(error).__name__}: {error}"
