"""An agent as a tool of another one: it is asked in a turn of its own, and nothing that happens to it ends the asker's."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeAlias, cast, get_args

from pydantic_ai import RunCancelled, RunContext, Tool
from pydantic_ai.exceptions import ModelRetry, ToolFailed, UsageLimitExceeded
from pydantic_ai.messages import ToolReturn

from ..budget import Grant
from ..errors import AxonError, CallCycle, CallError, InvalidOption, NoProcess, StartError, UsageError, WrongServer
from ..process import runtime
from ..registry import lookup
from ..server import checked_name, slot_of
from ..supervisor import DynamicSupervisor, child
from ._agent import AgentServer
from ._agent_group import AgentGroup
from ._answers import Outputs
from ._asking import Find, Question, ask, checked_part
from ._helpers import helpers_usage, usage_note
from ._hooks import effect_key
from ._order import inside
from ._tool_of import told_of

Until: TypeAlias = Literal["run", "agent"]
"""When a helper that was started for an agent's tool ends: with the run it was started in, or with the agent."""


def agent_tool(
    helper: AgentServer[Any, Any] | AgentGroup[Any, Any] | str,
    *,
    name: str | None = None,
    description: str | None = None,
    fresh: bool = False,
    aside: bool = False,
    asks_deps: bool = False,
    budget: Grant | float | None = None,
    until: Until = "run",
    under: DynamicSupervisor | None = None,
    idempotent: bool | None = None,
    requires_approval: bool = False,
    sequential: bool = False,
) -> Tool[Any]:
    """An agent as a tool of any other: the model gives it a prompt, and its answer is the tool's result.

        boss = Agent("openai:gpt-5", tools=[agent_tool(researcher), agent_tool("writer", fresh=True)])
        boss = Agent("openai:gpt-5", tools=[agent_tool(AgentServer(critic), budget=0.2)])

    helper: who is asked. The handle of an agent that runs, the name one is registered under (looked up for each call), or
    an `AgentGroup`. A spec is started for the purpose, at the first call: under a supervisor that is linked to the
    asker, so it ends with the asker at the latest. until: when it ends otherwise, with the `run` (default) or not before
    the `agent` does. under: it is not linked, but adopted by this supervisor, and lives as long as that keeps it; it
    needs a name then, by which the next one finds it.

    name, description: what the model is told, default `ask_` and the helper's name, and the description of its
    `pydantic_ai.Agent`. fresh: whether it begins a new conversation each time, default False. aside: whether it is asked
    beside its conversation, by many at once, instead of in its turn; default False. asks_deps: whether the model gives
    the dependencies, too, as the helper's `deps_type` says; default False: they are the helper's own. idempotent:
    whether the helper may be asked again when a crash hid what became of it; default whether it has a store, where the
    same question gets the same answer. requires_approval, sequential: as in `tool_of`.

    budget: the part of the asker's budget that this one question may use, a `Grant`, or a fraction of what is left;
    default all of it, unless the helper has a budget of its own. What was not used comes back with the answer.

    The question is a turn of the helper, with the asker's deadline. It ends with the asker's turn, when that is cancelled,
    fails or runs out of time. What becomes of the helper ends no run of the asker: the model is told (`ToolFailed`).
    An agent that would wait for itself is refused at once (`CallCycle`), and the model is told the path. What the
    helper used is in the metadata of the result (`helpers_usage`), and in the asker's `status`.

    Raises `InvalidOption`. Not for an agent that needs no server: call its `run` in a tool.
    https://ai.pydantic.dev/multi-agent-applications/#agent-delegation
    """
    return _Tool(helper, fresh, aside, asks_deps, checked_part(budget), until, under).as_tool(
        name, description, idempotent, requires_approval, sequential
    )


class _Tool:
    def __init__(  # noqa: PLR0917
        self,
        helper: AgentServer[Any, Any] | AgentGroup[Any, Any] | str,
        fresh: bool,
        aside: bool,
        asks_deps: bool,
        part: Grant | float | None,
        until: Until,
        under: DynamicSupervisor | None,
    ) -> None:
        if until not in get_args(Until):
            raise InvalidOption("until", until, "'run' or 'agent'")
        self._part = part
        self._fresh = fresh
        self._aside = aside
        self._until: Until = until
        self._under = under
        self._server = helper if isinstance(helper, AgentServer) else None
        self._last: AgentServer[Any, Any] | None = None
        self.find: Find
        if self._server is not None:
            self.who = self._server.agent.name or self._server.name or "agent"
            if Outputs(self._server.agent.output_type).asks:
                raise InvalidOption("helper", helper, "an agent whose output is an answer, not DeferredToolRequests")
        if isinstance(helper, AgentGroup):
            self.who = helper.name
            self.find = helper.find
        elif isinstance(helper, str):
            self.who = checked_name(helper, "helper") or ""
            self.find = self._by_name
        elif self._server is None:
            raise InvalidOption("helper", helper, "an AgentServer, an AgentGroup, or the name of an agent")
        elif self._server._axon_slot is not None:
            slot_of(self._server)
            self.find = self._standing
        else:
            self.find = self._started if under is None else self._found_or_adopted
        if under is not None:
            slot_of(under)
            if self._server is None or self._server._axon_slot is not None or self._server.name is None:
                raise InvalidOption("under", under, "None, unless the helper is a spec with a name")
        if asks_deps and self._server is None:
            raise InvalidOption("asks_deps", True, "False for a helper that is known by its name only")
        self._asks_deps = asks_deps

    def as_tool(
        self,
        name: str | None,
        description: str | None,
        idempotent: bool | None,
        requires_approval: bool,
        sequential: bool,
    ) -> Tool[Any]:
        server = self._server
        if description is None and server is not None:
            description = server.agent.description
        again = server is not None and server.store is not None if idempotent is None else idempotent
        return Tool(
            self._function(),
            takes_ctx=True,
            name=name or tool_name("ask", self.who),
            description=description or f"Ask {self.who}, another agent, who answers when it is done.",
            requires_approval=requires_approval,
            sequential=sequential,
            metadata={"idempotent": True} if again else None,
        )

    def _function(self) -> Callable[..., Awaitable[ToolReturn]]:
        async def ask_agent(ctx: RunContext[Any], prompt: str, deps: Any = None) -> ToolReturn:
            return await self._ask(ctx, prompt, deps)

        if self._asks_deps:
            assert self._server is not None, "it was checked"
            hint: Any = self._server.agent.deps_type
            positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
            deps = inspect.Parameter("deps", positional, annotation=hint)
        else:
            hint = deps = None
        signature = inspect.signature(ask_agent)
        kept = [parameter for parameter in signature.parameters.values() if parameter.name != "deps"]
        looks = cast("Any", ask_agent)
        looks.__signature__ = signature.replace(parameters=kept if deps is None else [*kept, deps])
        ask_agent.__annotations__ = {"ctx": RunContext[Any], "prompt": str, "return": ToolReturn}
        if deps is not None:
            ask_agent.__annotations__["deps"] = hint
        return ask_agent

    async def _ask(self, ctx: RunContext[Any], prompt: str, deps: Any) -> ToolReturn:
        key = effect_key(ctx.tool_call_id) or os.urandom(16).hex()
        question = Question(key, prompt, deps, [] if self._fresh else None, self._part, self._aside)
        try:
            id, result = await ask(self.find, question)
        except (ToolFailed, ModelRetry, WrongServer) as error:
            if isinstance(error, WrongServer):
                raise ToolFailed(told_of(self.who, error)) from error
            raise
        except UsageError:
            raise  # the program is wrong
        except Exception as error:
            raise ToolFailed(_told(self.who, error)) from error
        usage = result.usage + helpers_usage(result.new_messages())
        return ToolReturn(result.output, metadata={"agent": self.who, "message_id": id, **usage_note(usage)})

    # -- who is asked

    async def _standing(self, id: str) -> AgentServer[Any, Any]:
        assert self._server is not None, "it was checked"
        return self._server

    async def _by_name(self, id: str) -> AgentServer[Any, Any]:
        try:
            self._last = lookup(AgentServer[Any, Any], self.who)
        except NoProcess:
            if self._last is None or not _is_kept(self._last):
                raise
        return self._last  # whose restart is due: with a store it is waited for

    async def _started(self, id: str) -> AgentServer[Any, Any]:
        turn = inside.get()
        if turn is None:
            raise UsageError(
                f"agent_tool({self.who!r}): only for an agent in an AgentServer a helper is started; for others give a "
                "handle, or under="
            )
        assert self._server is not None, "it was checked"
        helpers = turn.runs.helpers_of(turn.process)
        return await helpers.get(self._server, self, turn.kept.id if self._until == "run" else None)

    async def _found_or_adopted(self, id: str) -> AgentServer[Any, Any]:
        assert self._server is not None, "it was checked"
        assert self._server.name is not None, "it was checked"
        assert self._under is not None, "it was checked"
        if self._last is not None and _is_kept(self._last):
            return self._last
        try:
            self._last = lookup(AgentServer[Any, Any], self._server.name)
        except NoProcess:
            spec = child(self._server, id=self._server.name.replace("/", "-"), restart="transient")
            self._last = await self._under.start_child(spec)
        return self._last


def _is_kept(helper: AgentServer[Any, Any]) -> bool:
    """Whether it runs, or its supervisor is to start it again; seen from the event loop it belongs to."""
    slot = helper._axon_slot
    return (
        slot is not None
        and slot.runtime is runtime()
        and (slot.process is not None or slot.absent().restart_in is not None)
    )


def tool_name(verb: str, who: str) -> str:
    """A name for a tool that is about an agent."""
    return re.sub(r"\W+", "_", f"{verb}_{who}").strip("_")[:64]


def _told(who: str, error: Exception) -> str:
    """What the model is told; of errors that are not ours only the class, their texts may hold anything."""
    match error:
        case CallCycle():
            return f"{who} cannot be asked from here, it would wait for itself: {error}. Nothing was done."
        case CallError():
            return told_of(who, error)
        case StartError():
            return f"{who} did not start. Nothing was done."
        case AxonError():
            return f"{who} gave no answer: {type(error).__name__}: {error}"
        case RunCancelled():
            return f"{who} was told to stop before it answered."
        case UsageLimitExceeded():
            return f"{who} gave no answer: {error}"
        case _:
            return f"{who} failed ({type(error).__name__}) and gave no answer."
