"""What Axon has in a run stands in every run of the agent, whatever else the agent has, and in no other run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from agent_parts import plain, says
from pydantic_ai import Agent, ModelMessage, RunContext
from pydantic_ai.capabilities import AbstractCapability, ToolSearch
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.instrumented import InstrumentationSettings
from pydantic_ai.models.test import TestModel

import axon
from axon.agent import AgentServer, ToolTimeout, idempotency_key
from axon.agent import _runs as runs_module
from axon.store import MemoryStore, Store


@dataclass
class Own(AbstractCapability[Any]):
    """A capability of the agent's own."""

    async def before_run(self, ctx: RunContext[Any]) -> None:
        await asyncio.sleep(0)


def listened_to() -> Agent[object, str]:
    agent = Agent[object, str]()

    @agent.on_event
    async def _(ctx: RunContext[object], event: object) -> None: ...

    return agent


def instrumented() -> Agent[object, str]:
    agent = Agent[object, str]()
    agent.instrument = InstrumentationSettings()
    return agent


AGENTS: dict[str, Callable[[], Agent[object, str]]] = {
    "plain": plain,
    "with a capability": lambda: Agent(capabilities=[Own()]),
    "with a tool search of its own": lambda: Agent(capabilities=[ToolSearch(max_results=3)]),
    "instrumented": instrumented,
    "listened to": listened_to,
}


@pytest.fixture(params=[False, True], ids=["pydantic-ai as it is", "pydantic-ai without that override"])
def override(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the hooks cannot stand in the agent's place, they are a capability of each run."""
    if request.param:

        def missing(agent: object) -> None: ...

        monkeypatch.setattr(runs_module, "_override", missing)


@pytest.mark.usefixtures("override")
@pytest.mark.parametrize("store", [None, MemoryStore()], ids=["no store", "store"])
@pytest.mark.parametrize("kind", AGENTS)
async def test_the_tools_of_every_agent_are_watched(kind: str, store: Store | None) -> None:
    agent, keys = AGENTS[kind](), list[str]()

    @agent.tool_plain
    async def work() -> str:
        keys.append(idempotency_key())
        await asyncio.sleep(100)
        return "never"

    spec = AgentServer(agent, model=TestModel(), name=kind, store=store, tool_timeout=7)
    server = await axon.start(spec)
    running = asyncio.create_task(server.run("go"))
    await asyncio.sleep(1)
    assert [tool.name for tool in (await server.status()).tools] == ["work"]
    with pytest.raises(ToolTimeout):
        await running
    assert len(keys) == 1
    await axon.stop(server)


@pytest.mark.usefixtures("override")
@pytest.mark.parametrize("durable", [False, True])
async def test_what_every_agent_of_pydantic_ai_can_do_it_does_here_too(durable: bool) -> None:
    """Tools that are offered once they were searched for, and messages for the next request, are the work of
    capabilities that every agent has.
    """
    agent, requests = Agent[object, str](), list[tuple[int, list[str]]]()

    @agent.tool(defer_loading=True)
    def weather_of(ctx: RunContext[object], place: str) -> str:
        """The weather of a place."""
        ctx.enqueue("and be quick")
        return f"fine in {place}"

    async def asks(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        parts = [part for message in messages for part in message.parts]
        told = sum(isinstance(part, UserPromptPart) for part in parts)
        requests.append((told, [tool.name for tool in info.function_tools]))
        match len(requests):
            case 1:
                return ModelResponse([ToolCallPart("search_tools", {"queries": ["weather"]})])
            case 2:
                return ModelResponse([ToolCallPart("weather_of", {"place": "Rome"})])
            case _:
                return ModelResponse([TextPart("done")])

    store = MemoryStore() if durable else None
    server = await axon.start(AgentServer(agent, model=FunctionModel(asks), name="searching", store=store))
    await server.run("go")
    assert requests == [(1, []), (1, ["weather_of"]), (2, ["weather_of"])]
    await axon.stop(server)


async def test_a_run_that_a_tool_begins_by_itself_is_not_the_agents_own() -> None:
    """The very same agent, asked without its server, from inside a run of its server."""
    agent, seen = Agent[object, str](), list[list[str]]()

    @agent.tool_plain
    async def outer() -> str:
        with agent.override(model=says(["inner"], "done", takes=0)):
            return (await agent.run("within")).output

    @agent.tool_plain
    async def inner() -> str:
        seen.append([tool.name for tool in (await server.status()).tools])
        return "found"

    server = await axon.start(AgentServer(agent, model=says(["outer"], "{prompt}", takes=0)))
    await server.run("go")
    assert seen == [["outer"]]
    await axon.stop(server)
