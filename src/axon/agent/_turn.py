"""One turn of an agent: taken, tried until it is done, and over; in a task of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, Literal, TypeVar

from pydantic_ai import AgentRunResult, AgentRunResultEvent
from pydantic_ai.exceptions import RunCancelled, RunTimedOut
from pydantic_ai.usage import RunUsage

from ..budget import Budget
from ..errors import DeadlineExceeded, ServerDied
from ..process import ExitReason, Process, deadline_at
from ._attempt import copied
from ._feed import Feed
from ._helpers import helpers_usage
from ._incarnation import Incarnation
from ._journal import NOW
from ._kept import KeptTurn, patch
from ._order import Order, fingerprint_of, inside
from ._records import Committed, Content, Ended, Hop
from ._runs import Runs
from ._status import Activity
from ._text import Event
from ._tries import Tries, text_of_error
from ._watch import Watch

Deps = TypeVar("Deps")
Output = TypeVar("Output")


class Turn(Generic[Deps, Output]):
    """A message that was accepted, until its turn is over.

    Made in its server's process, so that its task starts in a copy of the server's own context: with the deadline and
    the callers of the request, and nothing else of the caller's. It begins once the message is kept (`accepted`) and it
    was told to `start`. When the task is done, however that came, the server is told once.
    """

    def __init__(
        self, home: Incarnation[Deps, Output], kept: KeptTurn, order: Order, accepted: Awaitable[None]
    ) -> None:
        self.kept: KeptTurn = kept
        self.order: Order = order
        self.process: Process = home.process
        self.runs: Runs[Deps, Output] = home.runs
        self.budget: Budget | None = order.budget or home.server.budget
        self.due: float | None = deadline_at.get()
        loop = home.process.runtime.loop
        if self.due is None and kept.accepted.due is not None:
            self.due = loop.time() + kept.accepted.due - time.time()
        self._home = home
        self._feed: Feed[Event] | None = self._new_feed() if kept.accepted.streamed else None
        self._tries = Tries(home, kept, order, self.budget, self._feed)
        self.activity: Activity = self._tries.activity
        self._server_ends: ExitReason | None = None
        self._end: AgentRunResult[Output] | BaseException | None = None
        self._is_done = False
        self._is_counted = False
        self._starts: asyncio.Future[None] = loop.create_future()
        self.accepted: Awaitable[None] = accepted
        self.watch: Watch | None = None
        self.asked: dict[str, Callable[[], None]] | None = None
        """By message id, how to end the turns of others that it waits for: they end with it."""
        self.outcome: asyncio.Future[AgentRunResult[Output]] = loop.create_future()
        """What its askers wait for."""
        self.task: asyncio.Task[AgentRunResult[Output]] = loop.create_task(self._work(accepted))
        self.task.add_done_callback(self._done)

    # -- what the server does with it

    def start(self) -> None:
        """Its turn has come."""
        if not self._starts.done():
            self._starts.set_result(None)

    def fingerprint_of(self, id: str) -> str:
        """That of the message with this id, which is its own or was told to it."""
        return self.kept.riders.get(id) or self.kept.accepted.fingerprint or fingerprint_of(self.order.prompt)

    @property
    def feed(self) -> Feed[Event]:
        """What happens in it, for its readers; of a turn that nobody asked to stream, its end."""
        if self._feed is None:
            self._feed = self._new_feed()
            if self._end is not None:
                self._close_feed(self._feed, self._end)
        return self._feed

    def _new_feed(self) -> Feed[Event]:
        return Feed(self._home.journal.epoch, self._home.server.stream_buffer)

    @property
    def key(self) -> str:
        """What names it, and no other turn of any agent, also in its next incarnation."""
        return f"{self._home.journal.key}/{self.kept.id}"

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
        return self._tries.usage

    def cancel(self) -> None:
        """End the run with `RunCancelled`, which carries what was done until then. That it was asked for is kept."""
        self._tries.cancel()

    def abandon(self, server_ends: ExitReason) -> None:
        """End the work because the server ends. If it is ending already its tools go on cleaning up undisturbed."""
        self._server_ends = server_ends
        self._tries.abandon()
        self.server_died()

    def server_died(self) -> None:
        """End the work at once."""
        if not self.task.cancelling():
            self.task.cancel()

    def steer(self, steer: str, content: Content) -> bool:
        """Pass a message that was kept on to the run; returns False if there is none any more."""
        return not self._is_done and not self.over and self._tries.steer(steer, content)

    def nudge(self) -> None:
        """An approval was decided."""
        self._tries.nudge()

    # -- those it asks

    @property
    def hops(self) -> tuple[Hop, ...]:
        """The turns that wait for it, and itself."""
        return (*self.order.hops, Hop(self._home.journal.key, self.kept.id, self.process.path))

    @property
    def helpers_usage(self) -> RunUsage:
        """What those that it has asked used for their answers."""
        return helpers_usage(self._tries.messages[self.kept.start :])

    def _end_asked(self, asked: dict[str, Callable[[], None]]) -> None:
        """End what it waits for, unless the next incarnation goes on with it."""
        journal = self._home.journal
        ends = self._server_ends is not None or self.process.reason is not None
        if not (ends and journal.store is not None and journal.kept.turn(self.kept.id) is not None):
            for end in asked.values():
                end()

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
                return await self._in_its_turn(accepted)
            async with limit:
                return await self._in_its_turn(accepted)
        except Exception as error:
            late = limit is not None and limit.expired()
            await self._close(error, late=late)
            if late and isinstance(error, TimeoutError):  # after a restart the asker's clock may be behind by a moment
                raise DeadlineExceeded(self.process.path) from error
            raise

    async def _in_its_turn(self, accepted: Awaitable[None]) -> AgentRunResult[Output]:
        if accepted is not NOW:
            await accepted
        await self._starts
        if self.budget is None or self.order.is_inherited:
            return await self._commit(await self._tries.until_done())
        async with self.budget.running():
            return await self._commit(await self._tries.until_done())

    async def _commit(self, result: AgentRunResult[Output]) -> AgentRunResult[Output]:
        """Write down that it is done."""
        self._is_done = True
        journal = self._home.journal
        if journal.has_checkpoints:
            committed = journal.note(self._committed(result))
        else:
            committed = journal.finish(self.kept, list(result.all_messages()), result.usage)
        self._is_counted = True
        await committed
        return result

    def _committed(self, result: AgentRunResult[Output]) -> Committed:
        assert self.kept.history is not None, "the turn has started"
        keep, messages = patch(self.kept.history, result.all_messages())
        output = None if self._home.journal.store is None else self._home.outputs.text(result.output)
        return Committed(self.kept.id, keep, messages, output, result._output_tool_name, copied(result.usage))

    async def _close(self, error: Exception, *, late: bool) -> None:
        """Write down that it is over without an answer, and why."""
        self._is_done = True
        how: Literal["failed", "cancelled", "deadline", "set aside"] = "failed"
        if self._tries.is_set_aside:
            how = "set aside"
        elif late or isinstance(error, RunTimedOut):
            how = "deadline"
        elif isinstance(error, RunCancelled):
            how = "cancelled"
        usage, journal = await self._tries.close(), self._home.journal
        if journal.has_checkpoints:
            ended = journal.note(Ended(self.kept.id, how, text_of_error(error), usage))
        else:
            ended = journal.finish(self.kept, None, usage)
        self._is_counted = True
        await ended

    # -- over

    def _done(self, task: asyncio.Task[AgentRunResult[Output]]) -> None:
        if self._end is None:
            error = self._error_of(task)
            self._settle(error or task.result())

    def _error_of(self, task: asyncio.Task[AgentRunResult[Output]]) -> BaseException | None:
        if not task.cancelled():
            return task.exception()
        reason = self._server_ends or self.process.reason
        # A task that is cancelled before its first step cannot say itself why it ends.
        return asyncio.CancelledError() if reason is None else ServerDied(self.process.path, reason)

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
        self._tries.forget()
        self._home.ended(self.kept.id)

    def _close_feed(self, feed: Feed[Event], end: AgentRunResult[Output] | BaseException) -> None:
        if isinstance(end, BaseException):
            feed.end(end)
        else:
            feed.publish(AgentRunResultEvent(end))
            feed.end()
