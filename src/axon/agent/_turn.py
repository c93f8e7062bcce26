"""One turn of an agent: it waits for its place, then drives pydantic-ai's loop, in a task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast
from weakref import finalize

from pydantic_ai import Agent, AgentRunResult, AgentRunResultEvent, CancellationToken
from pydantic_ai.messages import AgentStreamEvent, ModelMessage
from pydantic_ai.run import AgentRun
from pydantic_ai.usage import RunUsage

from ..errors import ServerDied
from ..process import ExitReason, Process, deadline_at
from ._errors import ExitRefused, RunInterrupted
from ._order import Order, inside
from ._watch import Watch

if TYPE_CHECKING:
    from ._agent import AgentServer

Deps = TypeVar("Deps")
Output = TypeVar("Output")


class Turn(Generic[Deps, Output]):
    """A run that was asked for, from its acceptance to its end.

    Made inside the server's handler, so that its task starts in a copy of the server's own context: with the
    deadline and the callers of the request, and nothing else of the caller's. When the task is done, however that
    came, `ended` is called once. With `streamed` its events are handed to whoever follows it, one at a time: the
    run goes on when the last one was taken.
    """

    def __init__(
        self,
        server: AgentServer[Deps, Output],
        process: Process,
        order: Order,
        ended: Callable[[Turn[Any, Any]], None],
        *,
        streamed: bool,
    ) -> None:
        loop = process.runtime.loop
        self.server = server
        self.process = process
        self.order = order
        self.began: float = 0.0
        self.tools: dict[str, tuple[str, float]] = {}
        self._ended = ended
        self._token = CancellationToken()
        self._run: AgentRun[Deps, Output] | None = None
        self._server_ends: ExitReason | None = None
        self._events: asyncio.Queue[AgentStreamEvent | None] | None = asyncio.Queue() if streamed else None
        self._go: asyncio.Future[Sequence[ModelMessage]] = loop.create_future()
        self.task: asyncio.Task[AgentRunResult[Output]] = loop.create_task(self._work())
        self.task.add_done_callback(self._done)

    # -- what the server does with it

    def start(self, conversation: Sequence[ModelMessage]) -> bool:
        """Its turn has come, in this conversation unless it brings its own; returns False if it had ended before."""
        if self._go.done():
            return False
        given = self.order.message_history
        self._rest()
        self._go.set_result(conversation if given is None else given)
        return True

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.task.done()

    @property
    def result(self) -> AgentRunResult[Output] | None:
        """What came of it, once it is over; None if it failed or was cancelled."""
        failed = self.task.cancelled() or self.task.exception() is not None
        return None if failed else self.task.result()

    @property
    def usage(self) -> RunUsage:
        """What it has used so far."""
        return RunUsage() if self._run is None else self._run.usage

    def cancel(self) -> None:
        """End the run with `RunCancelled`, which carries what was done until then."""
        self._token.cancel()

    def abandon(self, server_ends: ExitReason | None = None) -> None:
        """End it because nobody wants its answer any more, or because the server ends, with this reason.

        If it is ending already its tools go on cleaning up undisturbed.
        """
        if server_ends is not None:
            self._server_ends = server_ends
        if not self.task.cancelling():
            self.task.cancel()

    def refuse(self, error: Exception) -> None:
        """End it with `error` before it begins."""
        self._go.set_exception(error)
        self._go.exception()  # looked at here, for the task may be cancelled before it does

    def follow(self) -> AsyncGenerator[AgentStreamEvent | AgentRunResultEvent[Output], None]:
        """Its events and at last its result; it ends with whoever follows it."""
        followed = self._follow()
        # A generator that is dropped before its first step never enters its `finally`.
        finalize(followed, self._dropped).atexit = False
        return followed

    def _dropped(self) -> None:
        loop = self.process.runtime.loop
        if not self.over and not loop.is_closed():
            loop.call_soon_threadsafe(self.abandon)  # the collector may run in any thread

    async def _follow(self) -> AsyncGenerator[AgentStreamEvent | AgentRunResultEvent[Output], None]:
        assert self._events is not None, "a turn that is followed is streamed"
        try:
            while (event := await self._events.get()) is not None:
                self._events.task_done()
                yield event
            yield AgentRunResultEvent(self.task.result())
        finally:
            self.abandon()

    # -- what it does

    async def _work(self) -> AgentRunResult[Output]:
        inside.set((*self.order.within, self))
        try:
            async with asyncio.timeout_at(deadline_at.get()):  # the asker has its own, and has heard by then
                return await self._drive(await self._go)
        except asyncio.CancelledError as error:
            if self._server_ends is not None:
                raise ServerDied(self.process.path, self._server_ends) from error
            me = asyncio.current_task()
            if me is not None and me.cancelling():
                raise
            raise RunInterrupted(self.process.path) from error
        except SystemExit as error:  # in a task it would end the event loop (rule Z7)
            raise ExitRefused("the run", error) from error

    async def _drive(self, history: Sequence[ModelMessage]) -> AgentRunResult[Output]:
        server, order = self.server, self.order
        watch = Watch(
            tools=self.tools,
            clock=self.process.runtime.loop.time,
            on_idle=self._rest,
            request_timeout=server.request_timeout,
        )
        async with server.agent.iter(
            order.prompt,
            deps=cast("Deps", server.deps if order.deps is None else order.deps),
            message_history=history,
            deferred_tool_results=order.deferred_tool_results,
            model=server.model,
            model_settings=server.model_settings,
            usage_limits=order.usage_limits or server.usage_limits,
            cancellation_token=self._token,
            capabilities=[watch],
            infer_name=False,
        ) as run:
            self._run = run
            async for node in run:
                if self._events is not None and (Agent.is_model_request_node(node) or Agent.is_call_tools_node(node)):
                    async with node.stream(run.ctx) as events:
                        async for event in events:
                            self._events.put_nowait(event)
                            await self._events.join()
        assert run.result is not None, "a run that did not raise has a result"
        return run.result

    def _rest(self) -> None:
        """No tool runs: from now on the model is thinking."""
        self.began = self.process.runtime.loop.time()

    def _done(self, task: asyncio.Task[AgentRunResult[Output]]) -> None:
        if not task.cancelled():
            task.exception()  # whoever asked may be gone: it is looked at here
        self._ended(self)
        if self._events is not None:
            self._events.put_nowait(None)
