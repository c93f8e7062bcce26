"""Agents behind the gateway: made from requests or by the program, each by itself, and gone when they are deleted."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from gateway_parts import ADA, BOB, asks, talker
from pydantic import ValidationError

import axon
from axon import InvalidOption, MaxChildrenReached
from axon.blueprint import TargetMismatch, UnknownTarget
from axon.gateway import (
    AgentExists,
    AgentNotFound,
    CreateAgent,
    Draining,
    Forbidden,
    Gateway,
    LogRequest,
    ModuleNotAllowed,
    Modules,
    ModuleUnusable,
    ToolFailed,
)
from axon.store import MemoryStore
from axon.testing import eventually
from axon.testing.models import Say

DAYS = {
    "name": "days",
    "parameters": {
        "type": "object",
        "properties": {name: {"type": "string", "format": "date"} for name in ("first", "last")},
        "required": ["first", "last"],
    },
    "handler": {"module": "agents.example_agent", "function": "days_between"},
}


def wants(**fields: object) -> CreateAgent:
    return CreateAgent.model_validate(
        {"agent_id": "a", "agent_module": "agents.example_agent", "model": "test"} | fields
    )


pytestmark = pytest.mark.real_clock  # modules are imported in a thread


async def test_an_agent_is_made_of_a_module_and_a_model(gateway: Gateway) -> None:
    info = await gateway.agents.create(ADA, wants())
    assert (info.agent_id, info.agent_module, info.model, info.state) == (
        "a",
        "agents.example_agent",
        "test",
        "running",
    )
    _, result = await gateway.runs.run(ADA, "a", asks("Hello, agent!", message_history=[]))
    assert result.usage.total_tokens > 0


@pytest.mark.parametrize(
    "older",
    [
        {"name": "a", "python_module": "agents.example_agent", "model": "test:model"},
        {"agent_id": "a", "config": {"agent_module": "agents.example_agent", "model": "test"}},
        {"name": "a", "model": "test", "prompt": "You are brief.", "tools": [DAYS]},
    ],
)
async def test_older_names_are_taken(gateway: Gateway, older: dict[str, object]) -> None:
    assert (await gateway.agents.create(ADA, CreateAgent.model_validate(older))).agent_id == "a"
    await gateway.runs.run(ADA, "a", asks())


async def test_a_result_schema_makes_the_result_an_object(gateway: Gateway) -> None:
    schema = {"type": "object", "properties": {"nights": {"type": "integer"}}, "required": ["nights"]}
    await gateway.agents.create(ADA, wants(result_schema=schema, agent_module=None, tools=[DAYS]))
    _, result = await gateway.runs.run(ADA, "a", asks())
    assert isinstance(result.output["nights"], int)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"agent_module": "os"}, ModuleNotAllowed),
        ({"agent_module": "agents"}, ModuleNotAllowed),
        ({"agent_module": "agents.nothing_there"}, ModuleUnusable),
        ({"model": None}, InvalidOption),
        ({"model": "nonsense"}, InvalidOption),
        ({"model": "openai:gpt-5"}, InvalidOption),  # there is no key for it here
        ({"tools": [DAYS | {"handler": {"function": "days_between"}}]}, UnknownTarget),
        ({"tools": [DAYS | {"handler": {"module": "os", "function": "system"}}]}, ModuleNotAllowed),
        ({"tools": [DAYS | {"handler": {"module": "agents.example_agent", "function": "Agent"}}]}, ModuleUnusable),
        ({"tools": [DAYS | {"parameters": {"type": "object"}}]}, TargetMismatch),
        ({"instructions": {"template": "{{ unclosed"}}, InvalidOption),
    ],
)
async def test_what_cannot_be_made_is_refused_and_leaves_nothing(
    gateway: Gateway, fields: dict[str, object], error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(error):
        await gateway.agents.create(ADA, wants(**fields))
    assert await gateway.agents.infos(ADA) == []
    await gateway.agents.create(ADA, wants())  # its id is free


@pytest.mark.parametrize("id", ["", "a/b", "../a", "a:b", "ä", "a" * 65, "-a", "a\n"])
async def test_an_id_is_a_part_of_a_path_and_nothing_else(gateway: Gateway, id: str) -> None:
    with pytest.raises(ValidationError):
        wants(agent_id=id)
    with pytest.raises(InvalidOption, match="agent_id"):
        await gateway.serve(talker(), agent_id=id or " ")


async def test_what_is_served_is_an_agent_server_with_an_id(gateway: Gateway) -> None:
    with pytest.raises(InvalidOption, match=r"agent must be an axon\.agent\.AgentServer"):
        await gateway.serve(talker().agent)  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match=r"agent_id must be given, or AgentServer\(\.\.\., name=\.\.\.\)"):
        await gateway.serve(replace(talker(), name=None))


async def test_one_agent_has_an_id_at_a_time(gateway: Gateway) -> None:
    made = await asyncio.gather(*(gateway.agents.create(ADA, wants()) for _ in range(3)), return_exceptions=True)
    assert sum(isinstance(one, AgentExists) for one in made) == 2


async def test_only_an_admin_makes_and_deletes_agents(gateway: Gateway) -> None:
    await gateway.agents.create(ADA, wants())
    with pytest.raises(Forbidden, match="'admin'"):
        await gateway.agents.create(BOB, wants(agent_id="b"))
    with pytest.raises(Forbidden, match="'admin'"):
        await gateway.agents.delete(BOB, "a")
    await gateway.agents.delete(ADA, "a")
    for ask in (gateway.agents.info, gateway.agents.delete):
        with pytest.raises(AgentNotFound):
            await ask(ADA, "a")


async def test_a_deleted_agent_leaves_nothing_in_the_store(modules: Modules) -> None:
    store = MemoryStore()
    async with Gateway(modules=modules, store=store) as gateway:
        for n in range(2):
            await gateway.agents.create(ADA, wants())
            _, result = await gateway.runs.run(ADA, "a", asks(), "k")
            assert len(result.all_messages()) == 4, f"conversation {n} begins afresh"
            await gateway.agents.delete(ADA, "a")
        assert await store.read("a") is None


async def test_there_are_so_many_agents_and_none_while_it_drains(modules: Modules) -> None:
    async with Gateway(modules=modules, max_agents=1) as gateway:
        await gateway.agents.create(ADA, wants())
        with pytest.raises(MaxChildrenReached):
            await gateway.agents.create(ADA, wants(agent_id="b"))
        gateway.intake.close()
        with pytest.raises(Draining):
            await gateway.agents.create(ADA, wants(agent_id="b"))


async def test_an_agent_that_crashes_again_and_again_hurts_no_other(gateway: Gateway) -> None:
    """It comes back after a while, longer each time, and is never given up."""
    bad, _ = await gateway.serve(talker(name="bad")), await gateway.serve(talker(Say("fine"), name="good"))
    for _ in range(5):
        await eventually(lambda: axon.whereis(bad) is not None)
        axon.exit(bad, axon.kill)
    states = {info.agent_id: info.state for info in await gateway.agents.infos(ADA)}
    assert states == {"bad": "restarting", "good": "running"}
    assert (await gateway.runs.run(ADA, "good", asks()))[1].output == "fine"


async def test_a_tool_is_called_by_hand(gateway: Gateway) -> None:
    await gateway.agents.create(ADA, wants())
    args = {"first": "2030-01-31", "last": "2030-02-03"}
    assert await gateway.agents.call_tool(ADA, "a", "days_between", args) == 3
    with pytest.raises(ValidationError):
        await gateway.agents.call_tool(ADA, "a", "days_between", {"first": "yesterday"})
    with pytest.raises(InvalidOption, match="days_between"):
        await gateway.agents.call_tool(ADA, "a", "no_tool", {})


async def test_a_tool_that_needs_a_decision_is_not_called_by_hand(gateway: Gateway) -> None:
    await gateway.agents.create(ADA, wants(agent_module=None, tools=[DAYS | {"requires_approval": True}]))
    with pytest.raises(ToolFailed, match="decision"):
        await gateway.agents.call_tool(ADA, "a", "days", {"first": "2030-01-31", "last": "2030-02-03"})


async def test_an_agent_has_a_log_that_its_client_may_write_into(gateway: Gateway) -> None:
    await gateway.agents.create(ADA, wants())
    gateway.agents.write(BOB, "a", LogRequest(message="the guest has paid", data={"room": 7}))
    with pytest.raises(ValidationError, match="at most 10000 bytes"):
        LogRequest(message="much", data={"x": "y" * 10_000})
    first, *_, last = gateway.agents.log(ADA, "a").entries
    assert (first.event, last.event, last.data) == ("created", "the guest has paid", {"room": 7, "by": "bob"})
