"""What the border refuses, by name and value, and what a handle shows."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from agent_parts import plain, says
from pydantic_ai import Agent, ModelSettings, UsageLimits
from pydantic_ai.models.test import TestModel

import axon
from axon import InvalidOption, NotStarted
from axon.agent import AgentServer


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("agent", "openai:gpt-5.2"),
        ("agent", Agent),
        ("agent", None),
        ("name", ""),
        ("name", 7),
        ("model", 7),
        ("model", TestModel),
        ("usage_limits", 50),
        ("model_settings", "cold"),
        ("request_timeout", 0),
        ("request_timeout", -1.0),
        ("request_timeout", "2 min"),
        ("request_timeout", float("nan")),
    ],
)
def test_an_option_that_cannot_be(option: str, value: object) -> None:
    options: dict[str, Any] = {"agent": plain(), option: value}
    with pytest.raises(InvalidOption) as refused:
        AgentServer(**options)
    assert refused.value.option == option
    assert refused.value.value is value


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("prompt", 7),
        ("prompt", b"hello"),
        ("prompt", [7]),
        ("prompt", {"text": "hello"}),
        ("message_history", "hello"),
        ("message_history", ["hello"]),
        ("deferred_tool_results", {"call": True}),
        ("usage_limits", {"request_limit": 1}),
    ],
)
async def test_an_argument_that_cannot_be_is_refused_before_anything_is_sent(option: str, value: object) -> None:
    writer: Any = await axon.start(AgentServer(plain(), model=says("hi")))
    arguments: dict[str, Any] = {"prompt": "hello", option: value}
    with pytest.raises(InvalidOption) as refused:
        await writer.run(**arguments)
    assert refused.value.option == option
    with pytest.raises(InvalidOption):
        writer.run_stream(**arguments)
    with pytest.raises(InvalidOption):
        writer.run_stream_events(**arguments)
    assert (await writer.usage()).requests == 0
    await axon.stop(writer)


async def test_a_spec_is_no_address() -> None:
    with pytest.raises(NotStarted):
        await AgentServer(plain()).run("hello")


async def test_neither_a_handle_nor_a_report_shows_what_may_be_secret() -> None:
    agent = await axon.start(
        AgentServer(
            plain(),
            model=says("hi", takes=0),
            deps="password",
            model_settings=ModelSettings(extra_headers={"key": "password"}),
        )
    )
    await agent.run("hello", deps="password", usage_limits=UsageLimits())
    assert "password" not in repr(agent)
    assert "password" not in "".join(axon.statistics(agent).recent)
    assert "hello" in "".join(axon.statistics(agent).recent)
    await axon.stop(agent)


async def test_the_agent_itself_is_left_as_it_was() -> None:
    agent: Agent[object, str] = Agent()
    before = dict(vars(agent))
    server = await axon.start(AgentServer(agent, model=says("hi", takes=0)))
    await server.run("hello")
    assert vars(agent) == before
    assert agent.name is None
    await axon.stop(server)


async def test_model_settings_are_added_to_the_agents_own() -> None:
    seen: list[ModelSettings | None] = []

    class Looking(TestModel):
        async def request(
            self, messages: Any, model_settings: ModelSettings | None, model_request_parameters: Any
        ) -> Any:
            seen.append(model_settings)
            return await super().request(messages, model_settings, model_request_parameters)

    agent = Agent(Looking(), model_settings=ModelSettings(temperature=0.5, max_tokens=10))
    server = await axon.start(AgentServer(agent, model_settings=ModelSettings(max_tokens=20)))
    await server.run("hello")
    assert seen == [ModelSettings(temperature=0.5, max_tokens=20, request_timeout=120.0)]
    await axon.stop(server)


@pytest.mark.slow
def test_the_runtime_does_not_load_pydantic_ai() -> None:
    code = "import sys, axon; sys.exit('pydantic_ai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
