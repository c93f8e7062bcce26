"""What is refused, by name, before anything is lost: histories, journals, dependencies, and options of durable agents."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from agent_parts import Script, plain, says, texts_of
from pydantic import BaseModel
from pydantic_ai import Agent, ModelMessage, ModelRequest, ModelResponse, RunCancelled, RunContext
from pydantic_ai.messages import TextPart, ToolCallPart, ToolReturnPart, UserPromptPart
from pydantic_ai.models.test import TestModel

import axon
from axon import InvalidOption, NameTaken, StartFailed, Supervisor, child
from axon.agent import AgentServer, AnswerNotKept, InvalidHistory, TakenOver
from axon.store import MemoryStore, Record, StoreFull, Unreadable

ASKED: list[ModelMessage] = [
    ModelRequest(parts=[UserPromptPart("go")]),
    ModelResponse(parts=[ToolCallPart("look", {}, tool_call_id="1")]),
]
CUT_OFF: list[ModelMessage] = [
    ModelRequest(parts=[ToolReturnPart(tool_name="look", content="seen", tool_call_id="1")]),
    ModelResponse(parts=[TextPart("done")]),
]


@pytest.mark.parametrize(("history", "problem"), [(ASKED, "has no answer"), (CUT_OFF, "the beginning is cut off")])
async def test_a_history_that_no_model_can_go_on_from(history: list[ModelMessage], problem: str) -> None:
    script = Script(["hi"])
    agent = await axon.start(AgentServer(plain(), model=script.model, name="a", store=MemoryStore()))
    await agent.run("before")
    with pytest.raises(InvalidHistory, match=problem) as refused:
        await agent.run("and now?", message_history=history)
    assert (refused.value.option, problem in refused.value.problem) == ("message_history", True)
    with pytest.raises(InvalidHistory):
        agent.run_stream("and now?", message_history=history)
    assert texts_of(await agent.messages()) == ["before", "hi"]
    assert len(script.seen) == 1
    await axon.stop(agent)


async def test_a_history_may_end_in_calls_that_are_to_be_made_now() -> None:
    agent = Agent[object, str]()

    @agent.tool_plain
    async def look() -> str:
        return "seen"

    server = await axon.start(AgentServer(agent, model=says("done")))
    assert (await server.run(None, message_history=ASKED)).output == "done"
    await axon.stop(server)


async def test_what_a_cancelled_run_left_is_a_history() -> None:
    agent = Agent[object, str]()

    @agent.tool_plain
    async def look() -> str:
        await asyncio.sleep(100)
        return "never"

    server = await axon.start(AgentServer(agent, model=says(["look"], "done")))
    running = asyncio.create_task(server.run("go"))
    await asyncio.sleep(2)
    await server.cancel()
    with pytest.raises(RunCancelled) as cancelled:
        await running
    result = await server.run("go on", message_history=cancelled.value.all_messages())
    assert result.output == "done"
    await axon.stop(server)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (Record("accepted", b"{}", format=99), "newer"),
        (Record("hologram", b"{}"), "not known to this program"),
        (Record("response", b'{"turn": "m", "messages": [{"ki'), "JSON"),
    ],
    ids=["of a newer version", "of a new kind", "truncated"],
)
async def test_a_journal_that_cannot_be_read_keeps_the_agent_down_and_is_kept(record: Record, reason: str) -> None:
    store = MemoryStore()
    spec = AgentServer(plain(), model=says("hi"), name="a", store=store)
    agent = await axon.start(spec)
    await agent.run("before")
    await axon.stop(agent)
    before = await store.read("a")
    assert before is not None
    await store.append("a", [record], epoch=before.epoch, version=before.version)

    with pytest.raises(StartFailed) as failed:
        await axon.start(spec)

    assert isinstance(failed.value.reason, Unreadable)
    assert reason in str(failed.value.reason)
    after = await store.read("a")
    assert after is not None
    assert after.entries[-1].record == record
    assert after.entries[:-1] == before.entries


async def test_a_full_disk_loses_nothing() -> None:
    """The agent fails with the store's error; what was taken is there when there is room again."""

    class Full(MemoryStore):
        room = True

        async def append(self, key: str, records: Any, **options: Any) -> int:
            if not self.room:
                raise StoreFull("no space left on device")
            return await super().append(key, records, **options)

    store = Full()
    spec = AgentServer(plain(), model=says("hi"), name="a", store=store)
    agent = await axon.start(spec)
    await agent.run("before")
    store.room = False
    with pytest.raises(axon.ServerDied) as died:
        await agent.run("lost?", message_id="m")
    assert isinstance(died.value.reason, StoreFull)

    store.room = True
    agent = await axon.start(spec)
    assert texts_of(await agent.messages()) == ["before", "hi"]
    assert (await agent.run("lost?", message_id="m")).output == "hi"
    await axon.stop(agent)


async def test_two_programs_that_run_the_same_agent_are_told_apart() -> None:
    """The later one has it; the earlier one fails at its next step, and nothing of its is kept."""
    store = MemoryStore()
    spec = AgentServer(plain(), model=says("{prompt}!"), name="a", store=store)
    first = await axon.start(spec)
    await first.run("before")
    assert (await store.open("a")).epoch > 1
    with pytest.raises(axon.ServerDied) as died:
        await first.run("mine?")
    assert isinstance(died.value.reason, TakenOver)
    second = await axon.start(spec)
    assert texts_of(await second.messages()) == ["before", "before!"]
    await axon.stop(second)


async def test_a_name_is_one_agents_in_a_program() -> None:
    store = MemoryStore()
    one = await axon.start(AgentServer(plain(), model=says("hi"), name="a", store=store))
    with pytest.raises(StartFailed) as failed:
        await axon.start(AgentServer(plain(), model=says("hi"), name="a", store=store))
    assert isinstance(failed.value.reason, NameTaken)
    assert (await one.run("still there?")).output == "hi", "the other one did not take its journal"
    await axon.stop(one)


@pytest.mark.parametrize(
    ("option", "options"),
    [
        ("name", {"store": MemoryStore()}),
        ("store", {"store": "agents.db", "name": "a"}),
        ("when_busy", {"when_busy": "wait"}),
        ("attempts", {"attempts": 0}),
        ("attempts", {"attempts": True}),
        ("stream_buffer", {"stream_buffer": 0}),
        ("tool_timeout", {"tool_timeout": 0}),
        ("first_token_timeout", {"first_token_timeout": -1}),
        ("stall_timeout", {"stall_timeout": "1 min"}),
        ("approval_timeout", {"approval_timeout": float("nan")}),
    ],
)
def test_an_option_that_cannot_be(option: str, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption) as refused:
        AgentServer(plain(), **options)
    assert refused.value.option == option


@pytest.mark.parametrize("message_id", ["", "x" * 201, 7])
async def test_a_message_id_that_cannot_be(message_id: Any) -> None:
    agent = await axon.start(AgentServer(plain(), model=says("hi")))
    with pytest.raises(InvalidOption) as refused:
        await agent.run("hello", message_id=message_id)
    assert refused.value.option == "message_id"
    await axon.stop(agent)


@dataclass
class Desk:
    owner: str
    since: date


async def test_dependencies_of_a_run_outlive_a_restart_if_json_can_carry_them() -> None:
    agent = Agent(TestModel(), deps_type=Desk)
    seen: list[Desk] = []

    @agent.tool(metadata={"idempotent": True})
    async def owner(ctx: RunContext[Desk]) -> str:
        seen.append(ctx.deps)
        await asyncio.sleep(1)
        return ctx.deps.owner

    spec = AgentServer(agent, name="a", store=MemoryStore())
    async with Supervisor([child(spec, id="a")]) as sup:
        server = sup.get(AgentServer[Desk, str], "a")
        running = asyncio.create_task(server.run("whose?", deps=Desk("Ada", date(1815, 12, 10))))
        await asyncio.sleep(0.5)
        axon.exit("a", axon.kill)
        assert (await running).output == '{"owner":"Ada"}'
    assert seen == [Desk("Ada", date(1815, 12, 10))] * 2
    assert seen[0] is not seen[1]


async def test_dependencies_that_json_cannot_carry_are_refused_and_not_shown() -> None:
    class Client:
        def __repr__(self) -> str:
            return "secret"

    agent = Agent(TestModel(), deps_type=Client)
    server = await axon.start(AgentServer(agent, name="a", store=MemoryStore(), deps=Client()))
    with pytest.raises(InvalidOption, match="deps") as refused:
        await server.run("hello", deps=Client())
    assert "secret" not in str(refused.value)
    await server.run("with the agent's own it is fine")
    await axon.stop(server)


class City(BaseModel):
    name: str
    founded: date


async def test_a_structured_output_is_given_again_as_what_it_was() -> None:
    agent = Agent(TestModel(custom_output_args={"name": "Rome", "founded": "0753-04-21"}), output_type=City)
    spec, again = (AgentServer(agent, name="a", store=store) for store in [MemoryStore()] * 2)
    async with Supervisor([child(spec, id="a")]) as sup:
        first = await sup.get(AgentServer[object, City], "a").run("where?", message_id="m")
    async with Supervisor([child(again, id="a")]) as sup:
        second = await sup.get(AgentServer[object, City], "a").run("where?", message_id="m")
        assert (await sup.get(AgentServer[object, City], "a").usage()).requests == 1
    assert first.output == second.output == City(name="Rome", founded=date(753, 4, 21))
    assert second.new_messages() == first.new_messages()


class Thing:
    def __repr__(self) -> str:
        return "a thing"


def make(text: str) -> Thing:
    return Thing()


@pytest.mark.filterwarnings("ignore:Could not generate return schema")
async def test_an_output_that_json_cannot_carry_is_given_once() -> None:
    agent = Agent(TestModel(), output_type=make)
    server = await axon.start(AgentServer(agent, name="a", store=MemoryStore()))
    assert isinstance((await server.run("go", message_id="m")).output, Thing)
    with pytest.raises(AnswerNotKept):
        await server.run("go", message_id="m")
    await axon.stop(server)


async def test_what_a_tool_returns_may_be_anything() -> None:
    agent = Agent[object, str](TestModel(custom_output_text="done"))

    @agent.tool_plain
    async def find() -> Any:
        return [Thing(), b"\xff", {1: date(2030, 1, 1)}]

    spec = AgentServer(agent, name="a", store=MemoryStore())
    async with Supervisor([child(spec, id="a")]) as sup:
        server = sup.get(AgentServer[object, str], "a")
        assert (await server.run("go")).output == "done"
        axon.exit("a", axon.kill)
        await asyncio.sleep(0.1)
        kept = [part for m in await server.messages() for part in m.parts if isinstance(part, ToolReturnPart)]
        assert "a thing" in str(kept[0].content)
