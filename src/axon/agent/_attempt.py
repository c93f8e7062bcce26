"""One try at a turn: pydantic-ai's loop, driven from the last checkpoint to its end."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, TypeVar

from pydantic_ai import Agent, AgentRunResult, CancellationToken
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse
from pydantic_ai.run import AgentRun
from pydantic_ai.usage import RunUsage

from ..budget import Budget
from ._approvals import Desk
from ._beginning import Beginning
from ._errors import ExitRefused, FirstTokenTimeout, StreamStalled
from ._feed import Feed
from ._hooks import Hooks, Replay, ToolHooks, current_attempt
from ._incarnation import Incarnation
from ._kept import KeptTurn, patch
from ._order import Order
from ._records import Content, Responded, Step
from ._spending import Spending
from ._status import Activity
from ._text import Event
from ._weather import Weather

Deps = TypeVar("Deps")
Output = TypeVar("Output")
Entered = TypeVar("Entered")


class Attempt(Generic[Deps, Output]):
    """A run of the agent from where the turn is: from its prompt, or from the last response that was kept."""

    def __init__(
        self,
        home: Incarnation[Deps, Output],
        kept: KeptTurn,
        order: Order,
        *,
        activity: Activity,
        feed: Feed[Event] | None,
        desk: Desk | None,
        budget: Budget | None,
    ) -> None:
        server, journal = home.server, home.journal
        self.kept = kept
        self.desk = desk
        self.request_timeout: float | None = home.runs.request_timeout
        self.tool_timeout: float | None = server.tool_timeout
        self._server = server
        self._runs = home.runs
        self._journal = journal
        self._order = order
        self._activity = activity
        self._feed = feed
        self._clock = home.process.runtime.loop.time
        self._budget = budget
        self.weather = Weather(server.account, journal.key, activity, server.first_token_timeout, self._clock)
        self._run: AgentRun[Deps, Output] | None = None
        self._task: asyncio.Task[Any] | None = None
        self._hooked: list[asyncio.Task[Any]] = []
        self._has_begun = False
        self._before: RunUsage = kept.usage
        self._enqueued: dict[str, str | None] = {}
        self._replay: ModelResponse | None = kept.final
        self._replaying = self._replay is not None

    @property
    def usage(self) -> RunUsage:
        """What the turn has used until now."""
        return self.kept.usage if self._run is None else self._run.usage

    @property
    def messages(self) -> Sequence[ModelMessage]:
        """The conversation until now, that of the turn included."""
        return (self.kept.history or ()) if self._run is None else self._run.all_messages()

    async def run(self, token: CancellationToken) -> AgentRunResult[Output]:
        """Run to the end. Raises what the run raises."""
        kept = self.kept
        resumed = kept.responses > 0
        here = current_attempt.set(self)
        self._task = asyncio.current_task()
        left: SystemExit | None = None
        try:
            async with self._beginning(self._open(token, resumed=resumed)) as run:
                self._run = run
                if not self._replaying:
                    self._enqueue_kept()
                try:
                    await self._drive(run)
                except SystemExit as error:  # pydantic-ai's task would end the event loop with it (rule Z7)
                    left = error
        finally:
            current_attempt.reset(here)
            await self._end_hooked()
        if left is not None:
            raise ExitRefused("the run", left) from left
        result = run.result
        assert result is not None, "a run that did not raise has a result"
        if resumed:
            result._new_message_index = kept.start
        return result

    async def _end_hooked(self) -> None:
        """End the tasks that pydantic-ai leaves behind if it is cancelled in the turn after they began."""
        left = [task for task in self._hooked if not task.done()]
        self._hooked = []
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)

    def _beginning(self, block: AbstractAsyncContextManager[Entered]) -> Beginning[Entered]:
        self._has_begun = False
        return Beginning(block, lambda: self._has_begun)

    def _open(self, token: CancellationToken, *, resumed: bool) -> AbstractAsyncContextManager[AgentRun[Deps, Output]]:
        order, usage = self._order, self.kept.before if self._replaying else self.kept.usage
        return self._runs.open(
            self._hooks(),
            None if resumed else order.prompt,
            deps=order.deps,
            history=self._history(),
            deferred=None if resumed else order.deferred_tool_results,
            usage=copied(usage) if self._journal.has_checkpoints else usage,
            limits=order.usage_limits,
            settings=order.model_settings,
            token=token,
            inside=() if self._budget is None else (Spending(attempt=self, budget=self._budget),),
        )

    def _hooks(self) -> type[ToolHooks]:
        if self._replaying:
            return Replay
        return Hooks if self._journal.has_checkpoints else ToolHooks

    async def _drive(self, run: AgentRun[Deps, Output]) -> None:
        feed, has_checkpoints = self._feed, self._journal.has_checkpoints
        async for node in run:
            if Agent.is_call_tools_node(node):
                if not has_checkpoints:
                    self.kept.answered()
                if feed is not None:
                    async with node.stream(run.ctx) as events:
                        async for event in events:
                            await self._publish(feed, event)
            elif feed is not None and Agent.is_model_request_node(node):
                await self._stream_model(run, node, feed)

    def _history(self) -> Sequence[ModelMessage]:
        history = self.kept.history
        assert history is not None, "the turn has started"
        if self._replaying:
            return history[:-1]
        return history if self.kept.resend is None else [*history, self.kept.resend]

    async def _stream_model(self, run: AgentRun[Deps, Output], node: Any, feed: Feed[Event]) -> None:
        server, began = self._server, False
        self._before = copied(run.usage)
        limit = asyncio.timeout(None if self._replaying else server.first_token_timeout)
        self.weather.limit = limit
        try:
            async with limit, self._beginning(node.stream(run.ctx)) as events:
                async for event in events:
                    began = True
                    stall = server.stall_timeout
                    limit.reschedule(None if stall is None else self._clock() + stall)
                    await self._publish(feed, event)
                limit.reschedule(None)
        except TimeoutError as error:
            if not limit.expired():
                raise
            if began:
                raise StreamStalled(server.stall_timeout or 0.0) from error
            raise FirstTokenTimeout(server.first_token_timeout or 0.0) from error
        finally:
            self.weather.limit = None

    async def _publish(self, feed: Feed[Event], event: Event) -> None:
        feed.publish(event)
        if feed.is_pressed:
            await asyncio.sleep(0)

    # -- what its hooks tell it

    def hooked(self, task: asyncio.Task[Any] | None) -> None:
        """The task in which the hooks around the run or a request are called: pydantic-ai's own, if that is streamed."""
        if task is not None and task is not self._task:
            self._has_begun = True
            self._hooked = [*(one for one in self._hooked if not one.done()), task]

    def note(self, step: Step) -> Awaitable[None]:
        """Write a step down; await it before the next one is taken."""
        return self._journal.note(step)

    def requesting(self, usage: RunUsage) -> None:
        """The model is about to be asked; a streamed request is over by now."""
        if not self.kept.accepted.streamed:
            self._before = copied(usage)

    async def responded(self, messages: Sequence[ModelMessage], usage: RunUsage, resend: ModelRequest | None) -> None:
        """The model has answered."""
        if self._replaying:
            self._replaying = False
            self._enqueue_kept()
            return
        assert self.kept.history is not None, "the turn has started"
        keep, new = patch(self.kept.history, messages)
        pending = (
            {message.enqueue_id for message in self._run.pending_messages} if self._run is not None else set[str]()
        )
        delivered = [steer for steer, id in self._enqueued.items() if id is None or id not in pending]
        await self.note(Responded(self.kept.id, keep, new, resend, self._before, copied(usage), delivered))
        for steer in delivered:
            del self._enqueued[steer]

    def take_replay(self) -> ModelResponse | None:
        """The response that was kept, once."""
        kept, self._replay = self._replay, None
        return kept

    def key_of(self, call: str) -> str:
        """The idempotency key of a tool call."""
        return f"{self._journal.key}/{self.kept.id}/{self.kept.responses}/{call}"

    def tool_begins(self, call: str, name: str) -> None:
        """A tool runs from now on."""
        self._activity.tools[call] = (name, self._clock())

    def tool_ends(self, call: str) -> None:
        """It does not run any more."""
        self._activity.tools.pop(call, None)
        if not self._activity.tools:
            self._activity.becomes("thinking", self._clock())

    # -- steering

    def steer(self, steer: str, content: Content) -> bool:
        """Pass a message on to the run, once; returns False if the run has ended."""
        if self._run is None or self._replaying or steer in self._enqueued:
            return True
        parts = [content] if isinstance(content, str) else content
        try:
            self._enqueued[steer] = self._run.enqueue(*parts)
        except UserError:
            return False
        return True

    def _enqueue_kept(self) -> None:
        for steer, content in self.kept.steers.items():
            self.steer(steer, content)


def copied(usage: RunUsage) -> RunUsage:
    """The counters as they are now."""
    now = copy.copy(usage)
    now.details = dict(usage.details)
    return now
