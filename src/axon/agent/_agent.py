"""The server around a pydantic-ai agent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic

from pydantic_ai import AgentModelSettings, AgentRunResult, AgentRunResultEvent, DeferredToolResults, UsageLimits
from pydantic_ai.agent import AbstractAgent
from pydantic_ai.messages import AgentStreamEvent, ModelMessage
from pydantic_ai.models import KnownModelName, Model
from pydantic_ai.usage import RunUsage
from typing_extensions import TypeVar

from ..errors import CallCycle, InvalidOption
from ..process import Exit, ExitReason, checked_seconds, current, normal
from ..registry import register
from ..server import GenServer, Reply, Stop, Stream, call, cast, checked_name, stream
from ._order import Order, Prompt, checked_limits, checked_order
from ._state import AgentState
from ._status import AgentStatus
from ._text import text_of
from ._turn import Turn

Deps = TypeVar("Deps", default=Any)
Output = TypeVar("Output", default=Any)

REQUEST_TIMEOUT = 120.0
"""Seconds a model request may take unless told otherwise."""


@dataclass(frozen=True, slots=True)
class _Ended:
    """A turn's message to its server: it is over."""

    turn: Turn[Any, Any]


class AgentServer(GenServer[AgentState], Generic[Deps, Output]):
    """An agent that lives under a supervisor and remembers its conversation.

        writer = Agent("openai:gpt-5.2", deps_type=Library, name="writer")      # any pydantic-ai agent, unmodified

        async with Supervisor([child(AgentServer(writer, deps=library), id="writer")]) as sup:
            agent = sup.get(AgentServer[Library, str], "writer")
            result = await agent.run("Write about supervision trees")           # pydantic-ai's AgentRunResult[str]

    One run at a time: a second one waits for the first (in the order asked). The conversation is what the runs that
    succeeded said; a run that fails or is cancelled leaves it as it was, raises its error, unchanged, at whoever asked,
    and the agent goes on. A restart begins with an empty conversation.

    name: the name it is registered under, default none. model: instead of the agent's own, which may have none; for
    tests, too, since `agent.override(...)` stays in the context where it is used and does not reach a server. deps:
    the dependencies of runs that bring none. usage_limits: of each run, unless it brings its own; default those of
    pydantic-ai (50 requests). model_settings: on top of the agent's own. request_timeout: seconds a model request
    may take, with all retries and the reading of its stream, where no model settings say otherwise; default 120, None
    for no limit; then the run fails with `pydantic_ai.ModelRequestTimeout`.

    A run has no time limit of its own: `async with axon.deadline(60):` around the call gives it one, and when that
    passes the run is ended. A caller that goes away does not end its run; `cancel` does.

    A run is a task tied to the server's incarnation, and the server itself never waits: `status` is answered at once,
    whatever a run does. When the server is stopped its runs are cancelled first, and have until the supervisor's
    `shutdown` time to clean up; when it is killed they are cancelled after it. Either way whoever waits for a run gets
    `ServerDied`.

    Raises `InvalidOption`, showing the option and its value. Not for a single question that may fail with its caller:
    that is `agent.run`. https://ai.pydantic.dev/agents/
    """

    agent: AbstractAgent[Deps, Output]
    name: str | None = field(default=None, kw_only=True)
    model: Model | KnownModelName | str | None = field(default=None, kw_only=True)
    deps: Deps | None = field(default=None, kw_only=True)
    usage_limits: UsageLimits | None = field(default=None, kw_only=True)
    model_settings: AgentModelSettings[Deps] | None = field(default=None, kw_only=True)
    request_timeout: float | None = field(default=REQUEST_TIMEOUT, kw_only=True)

    trap_exit: ClassVar[bool] = True  # so that `terminate` ends the runs in order

    def __post_init__(self) -> None:
        if not isinstance(self.agent, AbstractAgent):
            raise InvalidOption("agent", self.agent, "a pydantic_ai.Agent, or another AbstractAgent")
        checked_name(self.name)
        if self.model is not None and not isinstance(self.model, Model | str):
            raise InvalidOption("model", self.model, "a pydantic_ai model, the name of one, or None")
        checked_limits(self.usage_limits)
        settings: object = self.model_settings
        if settings is not None and not isinstance(settings, Mapping) and not callable(settings):
            raise InvalidOption(
                "model_settings", settings, "pydantic_ai.ModelSettings, a function that returns them, or None"
            )
        if self.request_timeout is not None and not checked_seconds(self.request_timeout, "request_timeout") > 0:
            raise InvalidOption("request_timeout", self.request_timeout, "a number of seconds > 0, or None")

    # -- what a program asks of it

    async def run(
        self,
        prompt: Prompt | None,
        *,
        deps: Deps | None = None,
        message_history: Sequence[ModelMessage] | None = None,
        deferred_tool_results: DeferredToolResults | None = None,
        usage_limits: UsageLimits | None = None,
    ) -> AgentRunResult[Output]:
        """Run the agent on `prompt` in its conversation, and return the result when the run is done.

        prompt: None only goes on with what the conversation ends with. deps, usage_limits: for this run, default the
        server's. message_history: go on from this conversation instead of the agent's own, which it becomes if the run
        succeeds. deferred_tool_results: answers to the `DeferredToolRequests` the last run ended with.

        Raises what the run raised, unchanged; `pydantic_ai.RunCancelled` after `cancel`, `RunInterrupted`,
        `DeadlineExceeded` (the run is ended, too), `ServerDied`, `NoProcess`, `InvalidOption`, and `CallCycle` if a run
        of this very agent is waiting for the answer, as when one of its tools asks it.
        """
        return await self._run(checked_order(prompt, deps, message_history, deferred_tool_results, usage_limits))

    def run_stream(
        self,
        prompt: Prompt | None,
        *,
        deps: Deps | None = None,
        message_history: Sequence[ModelMessage] | None = None,
        deferred_tool_results: DeferredToolResults | None = None,
        usage_limits: UsageLimits | None = None,
    ) -> Stream[str]:
        """The same run, its text as the model writes it: `async for piece in writer.run_stream("..."):`.

        The pieces are all the text of the run: also what the model says before it calls a tool, after which a blank
        line follows. A structured output is no text; for it, and for the result, use `run_stream_events`.

        The run begins, or takes its place in the queue, at the first item, and is part of the conversation when the
        stream has ended. Closing the stream ends the run, as `cancel` does. A reader who stops reading stops the run, as
        soon as it is some 16 items ahead, and the wait counts towards the model's request timeout. Raises what `run`
        raises.
        """
        return self._text(checked_order(prompt, deps, message_history, deferred_tool_results, usage_limits))

    def run_stream_events(
        self,
        prompt: Prompt | None,
        *,
        deps: Deps | None = None,
        message_history: Sequence[ModelMessage] | None = None,
        deferred_tool_results: DeferredToolResults | None = None,
        usage_limits: UsageLimits | None = None,
    ) -> Stream[AgentStreamEvent | AgentRunResultEvent[Output]]:
        """As `run_stream`, but all that happens: pydantic-ai's events, the last one an `AgentRunResultEvent`."""
        return self._events(checked_order(prompt, deps, message_history, deferred_tool_results, usage_limits))

    @call
    def cancel(self, state: AgentState) -> asyncio.Future[bool]:
        """End the run under way; returns whether there was one, when it has ended.

        Whoever waits for that run gets `pydantic_ai.RunCancelled`, which carries the messages until then; the
        conversation stays as it was before, and the next run that waits begins.
        """
        answer: Reply[bool] = Reply()
        state.cancel(answer)
        return answer

    @call
    def status(self, state: AgentState) -> AgentStatus:
        """What the agent is doing now."""
        return state.status()

    @call
    def messages(self, state: AgentState) -> list[ModelMessage]:
        """The conversation so far, without the run under way. The messages are not copied: read them only."""
        return list(state.messages)

    @call
    def usage(self, state: AgentState) -> RunUsage:
        """What all runs since the last restart have used, the one under way and failed ones included."""
        return state.usage()

    @cast
    def reset(self, state: AgentState) -> None:
        """Forget the conversation: runs asked for before this still belong to it, later ones begin afresh."""
        state.accept(None)

    # -- the runs

    @call(timeout=None)
    def _run(self, state: AgentState, order: Order) -> asyncio.Future[AgentRunResult[Output]]:
        return self._accept(state, order, streamed=False).task

    @stream(timeout=None)
    def _text(self, state: AgentState, order: Order) -> AsyncGenerator[str, None]:
        return text_of(self._accept(state, order, streamed=True).follow())

    @stream(timeout=None)
    def _events(
        self, state: AgentState, order: Order
    ) -> AsyncGenerator[AgentStreamEvent | AgentRunResultEvent[Output], None]:
        return self._accept(state, order, streamed=True).follow()

    def _accept(self, state: AgentState, order: Order, *, streamed: bool) -> Turn[Deps, Output]:
        process = state.process

        def ended(turn: Turn[Any, Any]) -> None:
            # To this incarnation and no other; and as a message that no mailbox limit can refuse.
            if process.reason is None:
                process.deliver(_Ended(turn))  # whatever the limit of its mailbox

        turn = Turn(self, process, order, ended, streamed=streamed)
        try:
            state.refuse_cycle(order)
        except CallCycle as refused:
            turn.refuse(refused)
        else:
            state.accept(turn)
        return turn

    # -- callbacks

    def init(self) -> AgentState:
        """An empty conversation."""
        me = current()
        if self.name is not None:
            register(self.name, self)
        return AgentState(me, since=me.runtime.loop.time())

    def handle_info(self, state: AgentState, message: object) -> None:
        """The end of a turn; an exit signal ends the agent as it would without `trap_exit`, but in order."""
        match message:
            case _Ended(turn):
                state.ended(turn)
            case Exit(reason=reason):
                if reason != normal:
                    raise Stop(reason)
            case _:
                super().handle_info(state, message)

    async def terminate(self, state: AgentState, reason: ExitReason) -> None:
        """End the runs, and let their tools clean up."""
        await state.wind_up(reason)
