"""Several equal agents behind one name."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from agent_parts import plain, says, texts_of
from pydantic_ai import Agent

import axon
from axon import InvalidOption, NoMembers, Supervisor, child
from axon.agent import AgentGroup, AgentServer, agent_tool
from axon.store import MemoryStore
from axon.testing.models import CallTool, Say, ScriptedModel

Server = AgentServer[object, str]
CLERKS: AgentGroup[object, str] = AgentGroup("clerks")


def clerks(number: int, takes: float = 10.0, **options: Any) -> Supervisor:
    def clerk(n: int) -> Server:
        name = f"clerk {n}" if "store" in options else None
        return AgentServer(plain(), group="clerks", name=name, model=says(f"clerk {n}", takes=takes), **options)

    return Supervisor([child(clerk(n), id=f"clerk {n}") for n in range(number)], max_restarts=99)


async def test_each_question_goes_to_the_least_busy_one() -> None:
    async with clerks(3) as sup:
        first = sup.get(Server, "clerk 0")
        busy = asyncio.create_task(first.run("one"))
        answers = [asyncio.create_task(CLERKS.run(f"question {n}")) for n in range(5)]
        said = Counter([(await answer).output for answer in answers])
        await busy
        assert said == {"clerk 0": 1, "clerk 1": 2, "clerk 2": 2}


async def test_equally_busy_ones_take_turns() -> None:
    async with clerks(3, takes=0.1):
        said = Counter([(await CLERKS.run("?")).output for _ in range(6)])
        assert sorted(said.values()) == [2, 2, 2]


async def test_a_conversation_stays_with_one_of_them_also_after_its_restart() -> None:
    async with clerks(3, takes=0.1):
        spoken = {guest: (await CLERKS.run("hi", conversation=guest)).output for guest in "abcdefghijklmnopqrst"}
        assert len(set(spoken.values())) > 1
        for member in CLERKS.members():
            axon.exit(member, axon.kill)
        await asyncio.sleep(0.1)
        for guest, clerk in spoken.items():
            assert (await CLERKS.run("hi", conversation=guest)).output == clerk


async def test_a_message_goes_to_the_one_that_has_it() -> None:
    async with clerks(3, takes=0.1, store=MemoryStore()):
        said = [(await CLERKS.run("?", message_id="1")).output for _ in range(4)]
        assert len(set(said)) == 1
        assert sum([len(await member.messages()) for member in CLERKS.members()]) == 2


async def test_streams_go_to_one_of_them_too() -> None:
    async with clerks(2, takes=0.1):
        pieces = [piece async for piece in CLERKS.run_stream("?", message_id="1")]
        assert "".join(pieces) in ("clerk 0", "clerk 1")
        events = [event async for event in CLERKS.run_stream_events("?", message_id="1")]
        assert getattr(events[-1], "result").output == "".join(pieces)  # noqa: B009


async def test_with_nobody_in_it_a_group_says_so() -> None:
    with pytest.raises(NoMembers):
        await CLERKS.run("?")
    with pytest.raises(InvalidOption, match="name"):
        AgentGroup("")
    with pytest.raises(InvalidOption, match="group"):
        AgentServer(plain(), group="")


async def test_a_group_may_be_a_tool_and_questions_at_once_are_answered_at_once() -> None:
    async with clerks(3) as sup:
        ask = CallTool("ask_clerks", {"prompt": "?"})
        model = ScriptedModel([ask, ask, ask], Say("done"))
        boss = await sup.start_child(
            child(AgentServer(Agent(name="boss", tools=[agent_tool(CLERKS)]), model=model), id="boss")
        )
        begin = asyncio.get_running_loop().time()
        result = await boss.run("go")
        assert asyncio.get_running_loop().time() - begin < 11
        assert result.output == "done"
        assert all([texts_of(await member.messages()) for member in CLERKS.members()])


async def test_a_member_that_asks_its_own_group_is_not_asked_itself() -> None:
    ask = CallTool("ask_clerks", {"prompt": "?"})
    asker = AgentServer(
        Agent(name="asker", tools=[agent_tool(CLERKS)]), model=ScriptedModel(ask, Say("done")), group="clerks"
    )
    async with clerks(1) as sup:
        other = asyncio.create_task(sup.get(Server, "clerk 0").run("of somebody else"))
        more = asyncio.create_task(sup.get(Server, "clerk 0").run("and of another one"))
        handle = await sup.start_child(child(asker, id="asker"))
        assert (await handle.run("go")).output == "done"
        assert "clerk 0" in str(await handle.messages())
        await other
        await more
