"""The server around a pydantic-ai agent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any, ClassVar, Generic, Unpack

from pydantic_ai import (
    AgentModelSettings,
    AgentRunResult,
    AgentRunResultEvent,
    DeferredToolResults,
    ModelSettings,
    UsageLimits,
)
from pydantic_ai.agent import AbstractAgent
from pydantic_ai.messages import AgentStreamEvent, ModelMessage
from pydantic_ai.models import KnownModelName, Model
from typing_extensions import TypeVar

from ..budget import Budget
from ..process import Exit, ExitReason, Process, current, normal
from ..provider import Account
from ..registry import group, register, whereis
from ..server import Ignore, ServerProcess, Stop, call, from_thread, stream
from ..store import Store
from ..task import TaskStream
from ._attach import attached
from ._control import AgentControl
from ._feed import checked_after
from ._incarnation import Fault, Incarnation, TurnOver
from ._many import ManyOptions, many
from ._options import GROUPS, REQUEST_TIMEOUT, TOKEN_TIMEOUT, WhenBusy, check_options
from ._order import Order, Prompt, checked_order, kept_deps, kept_settings, reference
from ._replies import answer_pieces, answer_to, events_of, kept, text_pieces
from ._spending import with_budget
from ._state import AgentState
from ._status import TurnStatus
from ._stream import RunStream
from ._verdict import Action

Deps = TypeVar("Deps", default=Any)
Output = TypeVar("Output", default=Any)
Result = TypeVar("Result")


class AgentServer(AgentControl, Generic[Deps, Output]):
    """An agent that lives under a supervisor and remembers its conversation.

        writer = Agent("openai:gpt-5.2", deps_type=Library, name="writer")      # any pydantic-ai agent, unmodified
        spec = AgentServer(writer, deps=library, name="writer", store=SQLiteStore("agents.db"))

        async with Supervisor([child(spec, id="writer")]) as sup:
            agent = sup.get(AgentServer[Library, str], "writer")
            result = await agent.run("Write about supervision trees")           # pydantic-ai's AgentRunResult[str]

    One run at a time, besides those with `aside=True`: what becomes of a second one says `when_busy`. The conversation is what the runs that succeeded
    said; a run that fails or is cancelled leaves it as it was, raises its error, unchanged, at whoever asked, and the
    agent goes on. Without a store a restart begins with an empty conversation.

    name: the name it is registered under, default none. model: instead of the agent's own, which may have none; for
    tests, too, since `agent.override(...)` stays in the context where it is used and does not reach a server. deps:
    the dependencies of runs that bring none. usage_limits: of each run, unless it brings its own; default those of
    pydantic-ai (50 requests). model_settings: on top of the agent's own.

    store: makes the agent durable, under its `name`, which it then needs: every step of a turn is written down before
    the next, and after a crash, a kill or a new deployment the turn goes on from the last of them; no finished model
    request and no finished tool call is done twice. Default none. When another program starts the agent, it ends here with
    `TakenOver`, and is not restarted. on_error: what is done about classes of errors,
    before the table `axon.agent.ACTIONS`. attempts: how often a turn is tried from one checkpoint before it is set
    aside, default 3. when_busy: default `queue`. approval_timeout: seconds until an approval expires, which is a denial;
    default never. passivate_after: seconds after which an idle agent gives its messages back to the store, to fetch them
    when it is asked again; default never. budget: what its runs draw on, unless they bring another one; see
    `axon.budget`. Default that of the run on whose behalf it is asked, if there is one. group: the `AgentGroup` it
    belongs to, default none.

    request_timeout: seconds a model request may take, with all retries and the reading of its stream, where no model
    settings say otherwise; default 120. first_token_timeout, stall_timeout: seconds a streamed answer may take to
    begin, and stand still; default 60. tool_timeout: seconds a tool may take, default no limit. None is no limit. Each
    ends in an error of its own. account: the provider account that its requests go through, shared with others; what
    that means, docs/agents.md tells; default none. stream_buffer: events of a turn that are kept for its readers, default 1024.

    A run has no time limit of its own: `async with axon.deadline(60):` around the call gives it one, and when that
    passes the run is ended. A caller or reader that goes away does not end its run; `cancel` does.

    A run is a task tied to the server's incarnation, and the server itself never waits: `status` is answered at once,
    whatever a run does. When the server is stopped its runs are cancelled first, and have until the supervisor's
    `shutdown` time to clean up; when it is killed they are cancelled after it. Either way whoever waits for a run gets
    `ServerDied`, or, with a store, the answer of the next incarnation, if a restart follows.

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
    store: Store | None = field(default=None, kw_only=True)
    on_error: Mapping[type[BaseException], Action] = field(
        default_factory=dict[type[BaseException], Action], kw_only=True
    )
    attempts: int = field(default=3, kw_only=True)
    when_busy: WhenBusy = field(default="queue", kw_only=True)
    approval_timeout: float | None = field(default=None, kw_only=True)
    first_token_timeout: float | None = field(default=TOKEN_TIMEOUT, kw_only=True)
    stall_timeout: float | None = field(default=TOKEN_TIMEOUT, kw_only=True)
    tool_timeout: float | None = field(default=None, kw_only=True)
    stream_buffer: int = field(default=1024, kw_only=True)
    account: Account | None = field(default=None, kw_only=True)
    passivate_after: float | None = field(default=None, kw_only=True)
    budget: Budget | None = field(default=None, kw_only=True)
    group: str | None = field(default=None, kw_only=True)

    trap_exit: ClassVar[bool] = True  # so that `terminate` ends the runs in order

    def __post_init__(self) -> None:
        check_options(self)

    # -- what a program asks of it

    async def run(
        self,
        prompt: Prompt | None,
        *,
        deps: Deps | None = None,
        message_history: Sequence[ModelMessage] | None = None,
        deferred_tool_results: DeferredToolResults | None = None,
        usage_limits: UsageLimits | None = None,
        message_id: str | None = None,
        budget: Budget | None = None,
        model_settings: ModelSettings | None = None,
        aside: bool = False,
    ) -> AgentRunResult[Output]:
        """Run the agent on `prompt` in its conversation, and return the result when the run is done.

        prompt: None only goes on with what the conversation ends with. deps, usage_limits: for this run, default the
        server's; with a store `deps` must be something JSON can carry. message_history: go on from this conversation
        instead of the agent's own, which it becomes if the run succeeds. deferred_tool_results: answers to the
        `DeferredToolRequests` the last run ended with.

        message_id: what names this message, default a new id. The same message asked for again joins its turn, if that is
        under way or ended just now, and with a store gets the answer that was given, also after a restart and in another
        process (of the last 1,000 turns). budget: what this run draws on, default the server's; with a store it must be
        kept in the same one. model_settings: of this run's requests, on top of all others; JSON too.

        aside: run it beside the conversation: at once, whatever else runs, from the conversation as it stands then, or the
        `message_history` it brings, and without becoming part of it. All that is said of a run holds for it, but a fault
        in it does not end the agent, and `steer` and `when_busy` are for the conversation. Many at once: `run_many`.

        Raises what the run raised, unchanged; `pydantic_ai.RunCancelled` after `cancel`, `RunInterrupted`, `AgentBusy`,
        `MessageIdReused`, `TurnSetAside`, `TurnFailed`, `axon.budget.BudgetExceeded`, `DeadlineExceeded` (the run is ended, too), `ServerDied`,
        `NoProcess`, `InvalidOption`, and `CallCycle` if a run of this very agent is waiting for the answer, as when one
        of its tools asks it.
        """
        rest = (usage_limits, message_id, budget, aside, model_settings)
        order = self._order(prompt, deps, message_history, deferred_tool_results, *rest)
        return await self._ask(order)

    def run_sync(
        self,
        prompt: Prompt | None,
        *,
        deps: Deps | None = None,
        message_history: Sequence[ModelMessage] | None = None,
        deferred_tool_results: DeferredToolResults | None = None,
        usage_limits: UsageLimits | None = None,
        message_id: str | None = None,
        budget: Budget | None = None,
        model_settings: ModelSettings | None = None,
        aside: bool = False,
    ) -> AgentRunResult[Output]:
        """`run` from a thread, which it blocks until the result is there. Raises `WrongLoop` in the agent's own."""
        return from_thread.call(
            self.run,
            prompt,
            deps=deps,
            message_history=message_history,
            deferred_tool_results=deferred_tool_results,
            usage_limits=usage_limits,
            message_id=message_id,
            budget=budget,
            model_settings=model_settings,
            aside=aside,
        )

    def run_many(
        self,
        prompts: Iterable[Prompt],
        *,
        deps: Deps | None = None,
        message_history: Sequence[ModelMessage] | None = None,
        usage_limits: UsageLimits | None = None,
        budget: Budget | None = None,
        **options: Unpack[ManyOptions],
    ) -> TaskStream[AgentRunResult[Output]]:
        """Run each prompt beside the conversation, not too many at once; one that fails hurts no other.

            async for outcome in critic.run_many(pages, max_concurrency=4):
                match outcome:
                    case Finished(result): print(result.output)
                    case Exited(error, page): print(page, error)

        prompts: any iterable, taken as room is made; the other arguments are those of `run`, for each. max_concurrency:
        runs at the same time, default 10. ordered: outcomes in the order of the prompts (default True) or as they come.
        timeout: seconds for each run, default no limit; one that is late is cancelled: `Exited(TaskTimeout(...))`.

        Each outcome is a `Finished` with its result, or an `Exited` with what `run` raised and the prompt. It is a
        `TaskStream`: lazy, and what still runs when its reader ends, drops or closes it is cancelled. Raises `InvalidOption`.
        """
        return many(self, prompts, (deps, message_history, None, usage_limits, None, budget, True), options)

    def run_stream(
        self,
        prompt: Prompt | None,
        *,
        deps: Deps | None = None,
        message_history: Sequence[ModelMessage] | None = None,
        deferred_tool_results: DeferredToolResults | None = None,
        usage_limits: UsageLimits | None = None,
        message_id: str | None = None,
        budget: Budget | None = None,
        model_settings: ModelSettings | None = None,
        aside: bool = False,
        after: str | None = None,
    ) -> RunStream[str]:
        """The same run, its text as the model writes it: `async for piece in writer.run_stream("..."):`.

        The pieces are all the text of the run: also what the model says before it calls a tool, after which a blank
        line follows. A structured output is no text; for it, and for the result, use `run_stream_events`.

        The run begins, or takes its place in the queue, at the first item, and is part of the conversation when the
        stream has ended. It does not wait for its readers, and closing the stream does not end it.

        after: go on behind this event of an earlier stream of the same `message_id`; see `RunStream`. After a restart
        of the agent what the model was saying is said again from the beginning of that answer, under new ids.

        Raises what `run` raises, and `EventsLost`.
        """
        rest = (usage_limits, message_id, budget, aside, model_settings)
        order = self._order(prompt, deps, message_history, deferred_tool_results, *rest)
        return RunStream(self._text(order, checked_after(after)), order.message_id, after)

    def run_stream_events(
        self,
        prompt: Prompt | None,
        *,
        deps: Deps | None = None,
        message_history: Sequence[ModelMessage] | None = None,
        deferred_tool_results: DeferredToolResults | None = None,
        usage_limits: UsageLimits | None = None,
        message_id: str | None = None,
        budget: Budget | None = None,
        model_settings: ModelSettings | None = None,
        aside: bool = False,
        after: str | None = None,
    ) -> RunStream[AgentStreamEvent | AgentRunResultEvent[Output]]:
        """As `run_stream`, but all that happens: pydantic-ai's events, the last one an `AgentRunResultEvent`."""
        rest = (usage_limits, message_id, budget, aside, model_settings)
        order = self._order(prompt, deps, message_history, deferred_tool_results, *rest)
        return RunStream(self._events(order, checked_after(after)), order.message_id, after)

    # -- a message is given now, and asked for later

    async def submit(
        self,
        prompt: Prompt | None,
        *,
        deps: Deps | None = None,
        message_history: Sequence[ModelMessage] | None = None,
        deferred_tool_results: DeferredToolResults | None = None,
        usage_limits: UsageLimits | None = None,
        message_id: str | None = None,
        budget: Budget | None = None,
        model_settings: ModelSettings | None = None,
        streamed: bool = False,
    ) -> str:
        """Give it a message, and return its id when it is kept: the run goes on by itself, whoever asks for it later.

        streamed: whether `follow` is to see the text grow, default False. Otherwise as `run`, and raises what refuses a
        message there. Without a store nothing is known any more of what was over before the last two runs.
        """
        rest = (usage_limits, message_id, budget, False, model_settings)
        order = self._order(prompt, deps, message_history, deferred_tool_results, *rest)
        await self._asked(lambda: self._take(order, streamed))
        return order.message_id

    async def turn_of(self, message_id: str) -> TurnStatus:
        """What became of a message, at once. Raises `UnknownMessage`."""
        return await self._asked(lambda: self._turn(message_id))

    async def result_of(self, message_id: str) -> AgentRunResult[Output]:
        """The result of a message that was given before, when it is there. Raises `UnknownMessage`, and as `run` does."""
        return await self._ask(reference(message_id))

    def follow(self, message_id: str, *, after: str | None = None) -> RunStream[str | AgentRunResultEvent[Output]]:
        """The text of a message that was given before, as `run_stream`, and then its result.

        A structured output is the JSON that the model writes. Raises `UnknownMessage`, and as `run_stream` does.
        """
        return RunStream(self._answer(reference(message_id), checked_after(after)), message_id, after)

    def _order(self, prompt: object, deps: object, history: object, *rest: object) -> Order:
        order = with_budget(checked_order(prompt, deps, history, *rest), self)
        if self.store is not None:
            order.kept_settings = kept_settings(order.model_settings)
            if deps is not None:
                order.kept_deps = kept_deps(self.agent, deps)
        return order

    async def _ask(self, order: Order) -> AgentRunResult[Output]:
        return await self._asked(lambda: self._run(order))

    async def _asked(self, ask: Callable[[], Awaitable[Result]]) -> Result:
        return await (ask() if self.store is None else attached(self._process, ask))

    def _process(self) -> Process | None:
        return whereis(self)

    # -- the runs

    @call(timeout=None)
    def _run(self, state: AgentState, order: Order) -> asyncio.Future[AgentRunResult[Output]]:
        return state.passivation.when_active(lambda: answer_to(state, order))

    @call(timeout=None)
    def _take(self, state: AgentState, order: Order, streamed: bool) -> asyncio.Future[None]:
        return state.passivation.when_active(lambda: kept(state, order, streamed=streamed))

    @stream(timeout=None)
    def _text(self, state: AgentState, order: Order, after: str | None) -> AsyncGenerator[tuple[str, str], None]:
        return text_pieces(state, order, after)

    @stream(timeout=None)
    def _events(
        self, state: AgentState, order: Order, after: str | None
    ) -> AsyncGenerator[tuple[str, AgentStreamEvent | AgentRunResultEvent[Output]], None]:
        return events_of(state, order, after)

    @stream(timeout=None)
    def _answer(
        self, state: AgentState, order: Order, after: str | None
    ) -> AsyncGenerator[tuple[str, str | AgentRunResultEvent[Output]], None]:
        return answer_pieces(state, order, after)

    # -- callbacks

    def init(self) -> AgentState | Coroutine[Any, Any, AgentState]:
        """The conversation: an empty one, or with a store what was kept; turns that were under way go on."""
        me = current()
        assert isinstance(me, ServerProcess), "an agent's callbacks run in its own process"
        slot = me.slot
        if slot.lost:
            slot.lost = False  # whoever starts it again by hand wants it back
            raise Ignore
        if self.name is not None:
            register(self.name, self)
        state = AgentState(Incarnation(self, me))
        state.next()
        if self.store is not None:
            return self._restored(state)
        self._join()
        return state

    async def _restored(self, state: AgentState) -> AgentState:
        await state.journal.open()
        state.restore()
        self._join()
        return state

    def _join(self) -> None:
        if self.group is not None:
            group(AgentServer, f"{GROUPS}{self.group}").join(self)

    def handle_info(self, state: AgentState, message: object) -> None:
        """The end of a turn; an exit signal ends the agent as it would without `trap_exit`, but in order."""
        match message:
            case TurnOver(message_id):
                state.over(state.turns[message_id])
            case Fault(error):
                raise error
            case Exit(sender=sender, reason=reason):
                if reason != normal and not state.is_of_helpers(sender):
                    raise Stop(reason)
            case _:
                super().handle_info(state, message)

    async def terminate(self, state: AgentState, reason: ExitReason) -> None:
        """End the runs, and let their tools clean up."""
        await state.wind_up(reason)
