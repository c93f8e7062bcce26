"""The gateway: agents that a program serves, and their runs; what HTTP, WebSocket and gRPC have in common."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from ..agent import AgentServer, TurnResumed, TurnWasSetAside
from ..errors import InvalidOption
from ..server import GenServer, slot_of
from ..store import Store
from ..supervisor import DynamicSupervisor
from ..telemetry import (
    ChildRestarted,
    CrashLoopStarted,
    Event,
    ProcessCrashed,
    ProcessStarted,
    SupervisorGaveUp,
    attach,
)
from ._agents import Agents
from ._approvals import Approvals
from ._intake import Intake
from ._modules import Modules
from ._requests import Level
from ._runs import Runs
from ._tokens import Principal, Tokens

EVERYBODY = Tokens()

LOGGED: Mapping[type[Event], tuple[str, Level]] = {
    ProcessStarted: ("started", "info"),
    ProcessCrashed: ("crashed", "error"),
    ChildRestarted: ("restarted", "warning"),
    CrashLoopStarted: ("crashes again and again", "error"),
    SupervisorGaveUp: ("was given up", "error"),
    TurnResumed: ("goes on with a turn", "info"),
    TurnWasSetAside: ("a turn was set aside", "error"),
}
"""What is written into an agent's log by itself."""


class Gateway:
    """The agents that a program serves, and what may be asked of them: the core of every edge.

        async with Gateway(tokens=Tokens([...]), store=SQLiteStore("agents.db")) as gateway:
            await gateway.serve(AgentServer(clerk, name="clerk"))
            ...                                                # an edge: axon.gateway.http, axon.gateway.grpc

    modules: what requests may name, default `Modules()`: what is below `./agents`. tokens: who may ask for what, default
    everybody for everything. store: of the agents that requests create, default none. servers: what tools as data may
    be for, by the names under which they are registered. max_agents: default 1,000. max_runs: runs
    and calls of tools under way at once, those that wait for their turn included, default 10,000. max_history: messages that a
    request may bring, default 1,000. kept_runs: outcomes that are remembered of each agent without a store, default
    100; with one the agent knows. name: the root of the paths of its agents, default `gateway`.

    What is asked of `agents`, `runs` and `approvals` is asked by a `principal`, whose token is for it or not. A block;
    leaving it stops the agents, so close its intake and let it drain before. Raises `InvalidOption`. docs/gateway.md
    """

    def __init__(
        self,
        *,
        modules: Modules | None = None,
        tokens: Tokens = EVERYBODY,
        store: Store | None = None,
        servers: Mapping[str, type[GenServer[Any]]] | None = None,
        max_agents: int = 1000,
        max_runs: int = 10_000,
        max_history: int = 1000,
        kept_runs: int = 100,
        name: str = "gateway",
    ) -> None:
        for option, number in (
            ("max_agents", max_agents),
            ("max_runs", max_runs),
            ("max_history", max_history),
            ("kept_runs", kept_runs),
        ):
            if isinstance(number, bool) or not isinstance(number, int) or number < 0:
                raise InvalidOption(option, number, "a number >= 0")
        if not isinstance(tokens, Tokens):
            raise InvalidOption("tokens", "<not shown>", "an axon.gateway.Tokens([...])")
        self.tokens: Tokens = tokens
        self._modules = modules
        self._servers: Mapping[str, type[GenServer[Any]]] = {} if servers is None else servers
        self._store = store
        self._max_runs = max_runs
        self._max_history = max_history
        self._kept_runs = kept_runs
        self._supervisor = DynamicSupervisor(name=name, max_children=max_agents)
        self._block = AsyncExitStack()

    async def __aenter__(self) -> Self:
        supervisor = await self._block.enter_async_context(self._supervisor)
        self.path: str = slot_of(supervisor).path
        """The path of its agents' supervisor."""
        self.intake: Intake = Intake(self._max_runs)
        """Whether anything new is taken; `close()` it and wait until it is `drained()` before the end."""
        self.agents: Agents = Agents(supervisor, self.intake, self._modules, self._servers, self._store)
        """The served agents."""
        self.runs: Runs = Runs(self.agents, self.intake, max_history=self._max_history, keep=self._kept_runs)
        """Their runs."""
        self.approvals: Approvals = Approvals(self.agents, self.runs)
        """What the runs ask people for."""
        self._block.callback(attach(self._note, *LOGGED))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.intake.close()
        try:
            await self._block.__aexit__(kind, error, trace)
        finally:
            await self.runs.closed()

    def principal(self, secret: str | None) -> Principal:
        """Who asks with this token; the request counts. Raises `InvalidToken`, `LimitExceeded`."""
        return self.tokens.principal(secret)

    async def serve(self, agent: AgentServer[Any, Any], *, agent_id: str | None = None) -> AgentServer[Any, Any]:
        """Serve an agent of the program's own; see `Agents.serve`."""
        return await self.agents.serve(agent, agent_id=agent_id)

    def _note(self, event: Event) -> None:
        """Write what happens to an agent into its log."""
        _, _, below = event.path.partition("/")
        served = self.agents.find(below.partition("/")[0].partition("#")[0])
        if served is not None:
            text, level = LOGGED[type(event)]
            reason = getattr(event, "reason", None) or getattr(event, "error", None)
            served.write(text, level, {"path": event.path} | ({} if reason is None else {"reason": str(reason)[:500]}))
