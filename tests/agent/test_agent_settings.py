"""Model settings: of the agent, of its server, and of one run, which come first."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic_ai import Agent, ModelSettings, RunContext
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

import axon
from axon import InvalidOption, Supervisor, child
from axon.agent import AgentServer
from axon.store import MemoryStore


class Seen:
    """A model that answers, and keeps the settings it was asked with."""

    def __init__(self, *answers: ToolCallPart | TextPart) -> None:
        self.settings: list[dict[str, Any]] = []
        self._answers = answers or (TextPart("hi"),)
        self.model = FunctionModel(self._answer)

    async def _answer(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        self.settings.append({**(info.model_settings or {})})
        answered = sum(isinstance(message, ModelResponse) for message in messages)
        return ModelResponse([self._answers[answered % len(self._answers)]])


async def test_those_of_a_run_come_before_those_of_its_server_and_agent() -> None:
    seen = Seen()
    agent = Agent(seen.model, model_settings={"temperature": 0.1, "seed": 1, "max_tokens": 1})
    server = await axon.start(AgentServer(agent, model_settings={"temperature": 0.2, "seed": 2}))
    await server.run("hello", model_settings={"temperature": 0.3})
    assert seen.settings[-1] == {"temperature": 0.3, "seed": 2, "max_tokens": 1, "request_timeout": 120.0}
    await server.run("and they are of that run alone")
    assert seen.settings[-1] == {"temperature": 0.2, "seed": 2, "max_tokens": 1, "request_timeout": 120.0}
    await axon.stop(server)


async def test_a_limit_of_its_requests_takes_the_place_of_the_servers() -> None:
    seen = Seen()
    server = await axon.start(AgentServer(Agent(seen.model)))
    await server.run("hello", model_settings={"request_timeout": 7})
    assert seen.settings == [{"request_timeout": 7}]
    await axon.stop(server)


async def test_they_come_before_those_that_a_function_gives() -> None:
    def given(ctx: RunContext[object]) -> ModelSettings:
        return {"temperature": 0.2, "seed": ctx.run_step}

    seen = Seen()
    server = await axon.start(AgentServer(Agent(seen.model), model_settings=given))
    await server.run("hello", model_settings={"temperature": 0.3})
    assert seen.settings == [{"temperature": 0.3, "seed": 1, "request_timeout": 120.0}]
    await axon.stop(server)


async def test_they_outlive_a_restart() -> None:
    seen = Seen(ToolCallPart("wait", {}), TextPart("done"))
    agent = Agent(seen.model)

    @agent.tool_plain(metadata={"idempotent": True})
    async def wait() -> str:
        await asyncio.sleep(1)
        return "waited"

    async with Supervisor([child(AgentServer(agent, name="a", store=MemoryStore()), id="a")]) as sup:
        server = sup.get(AgentServer[object, str], "a")
        running = asyncio.create_task(server.run("hello", model_settings={"temperature": 0.3}))
        await asyncio.sleep(0.5)
        axon.exit("a", axon.kill)
        assert (await running).output == "done"
    assert [settings["temperature"] for settings in seen.settings] == [0.3, 0.3]


async def test_with_a_store_those_that_json_cannot_carry_are_refused_and_not_shown() -> None:
    class Secret:
        def __repr__(self) -> str:
            return "secret"

    server = await axon.start(AgentServer(Agent(Seen().model), name="a", store=MemoryStore()))
    with pytest.raises(InvalidOption, match="model_settings must be something JSON can carry") as refused:
        await server.run("hello", model_settings={"extra_body": Secret()})
    assert "secret" not in str(refused.value)
    await axon.stop(server)


async def test_what_are_no_settings_is_refused() -> None:
    server: Any = await axon.start(AgentServer(Agent(Seen().model)))
    with pytest.raises(InvalidOption, match="model_settings must be"):
        await server.run("hello", model_settings="cold")
    await axon.stop(server)
