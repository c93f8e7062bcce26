"""What a program does with an agent that lives in a process of its own, which ends meanwhile, and again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import nullcontext, suppress
from dataclasses import asdict

import lives
from agent_parts import prompts_of
from forked_ports import forked
from lives import Server, surely, until
from pydantic_ai import RunCancelled
from worlds import FileWorld, Life

import axon
from axon import Finished, Supervisor, child
from axon.port import isolated, port_status
from axon.store import AlreadyDecided


def kill_its_process(agent: Server, world: FileWorld) -> None:
    world.happens("killed", "from outside", "before")
    os.kill(port_status(agent).pid, signal.SIGKILL)


async def down(agent: Server, world: FileWorld) -> None:
    """It is told something, and asked something else, while nobody is there."""
    first = asyncio.create_task(agent.run("wait", message_id="first"))
    await until(agent, "thinking", "first", first)
    kill_its_process(agent, world)
    await axon.wait_down(agent)
    second = asyncio.create_task(agent.run("what next?", message_id="second"))
    world.happens("steered", await surely(lambda: agent.steer("and hurry")))
    status = await agent.status()
    assert (status.message_id, status.queued) == ("first", 1), status
    world.happens("go on")
    world.happens("outcome", [prompts_of((await one).all_messages()) for one in (first, second)])


async def given_up(agent: Server, world: FileWorld) -> None:
    """What it works on is cancelled while nobody is there."""
    asking = asyncio.create_task(agent.run("wait", message_id="first"))
    await until(agent, "thinking", "first", asking)
    kill_its_process(agent, world)
    await axon.wait_down(agent)
    world.happens("cancelled", await surely(lambda: agent.cancel(message_id="first")))
    try:
        await asking
    except RunCancelled:
        world.happens("go on")
    world.happens("outcome", prompts_of((await agent.run("what next?")).all_messages()))


async def beside(agent: Server, world: FileWorld) -> None:
    """A turn of the conversation, one beside it, and many."""
    turn = asyncio.create_task(agent.run("go", message_id="go"))
    aside = asyncio.create_task(agent.run("go", message_id="aside", message_history=[], aside=True))
    answers = [(await one).output for one in (turn, aside)]
    async for outcome in agent.run_many(["go"] * 3, message_history=[], max_concurrency=2):
        assert isinstance(outcome, Finished), outcome
        answers.append(outcome.value.output)
    world.happens("outcome", answers)


async def granting_all(agent: Server) -> None:
    """Approve also what is asked for beside the conversation."""
    while True:
        for row in await surely(agent.approvals):
            with suppress(AlreadyDecided, axon.CallError):
                await agent.approve(row.id, by="a program")
        await asyncio.sleep(0.01)


SCENARIOS: dict[str, Callable[[Server, FileWorld], Awaitable[None]]] = {
    "down": down,
    "given up": given_up,
    "beside": beside,
}


async def ported_lives(life: Life, world: FileWorld) -> None:
    """An agent in a process of its own, which is the one that is killed; who asks it here is not."""
    os.environ["LIFE"] = json.dumps(asdict(life))  # for its module, here and there
    import ported

    with forked("ported") if life.port == "forked" else nullcontext():
        spec = isolated(ported.server, inherit=["LIFE"])
        async with Supervisor([child(spec, id="one")], max_restarts=1000) as sup:
            agent = sup.get(Server, "one")
            if life.scenario in SCENARIOS:
                granting = asyncio.create_task(granting_all(agent))
                await SCENARIOS[life.scenario](agent, world)
                granting.cancel()
            else:
                await lives.agent_works(life, world, agent)
