"""A run that is cut off while it begins leaves nothing behind: no task of pydantic-ai's, no coroutine nobody awaits."""

from __future__ import annotations

import asyncio
import gc
import os
import warnings
from functools import partial
from typing import Self

import pytest
from agent_parts import now, plain, says
from pydantic_ai import Agent
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.toolsets import FunctionToolset

import axon
from axon.agent import AgentServer
from axon.store import MemoryStore
from axon.testing import assert_no_leaks, simulate

SEEDS = int(os.environ.get("AXON_SEEDS", "20"))
TURNS = 40
"""Turns of the loop in which a run has begun, and its model thinks."""

ENDS = pytest.mark.parametrize("how", ["cancel", "stop", "kill"])
STREAMED = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


class Bystander(AbstractCapability[object]):
    """With a capability of its own an agent is no plain one."""


def mixed() -> Agent[object, str]:
    return Agent(name="mixed", capabilities=[Bystander()])


async def cut_off(agent: Agent[object, str], how: str, turns: int, *, streamed: bool) -> None:
    """End a run so many turns of the loop after it was asked for."""
    async with assert_no_leaks():
        server = await axon.start(AgentServer(agent, model=says("hi"), name="writer", store=MemoryStore()))
        await server.submit("hello", streamed=streamed)
        for _ in range(turns):
            await asyncio.sleep(0)
        if how == "cancel":
            assert await server.cancel() is True
            await axon.stop(server)
        elif how == "stop":
            await axon.stop(server)
        else:
            axon.exit("writer", axon.kill)


@ENDS
@STREAMED
@pytest.mark.parametrize("agent", [plain(), mixed()], ids=["plain", "mixed"])
async def test_at_whatever_turn_of_the_loop_it_ends_no_task_is_left(
    agent: Agent[object, str], how: str, streamed: bool
) -> None:
    for turns in range(TURNS):
        await cut_off(agent, how, turns, streamed=streamed)


class Recovering(FunctionToolset[object]):
    """One whose first way to connect fails."""

    connected: bool = False

    async def __aenter__(self) -> Self:
        try:
            await asyncio.create_task(self._unreachable())
        except ConnectionError:
            await asyncio.sleep(1)
        self.connected = True
        return await super().__aenter__()

    async def _unreachable(self) -> None:
        raise ConnectionError("nobody is there")


async def test_what_a_toolset_makes_good_while_the_run_begins_is_no_error() -> None:
    tools = Recovering()
    server = await axon.start(AgentServer(Agent[object, str](toolsets=[tools]), model=says("hi", takes=0)))
    assert (await server.run("hello")).output == "hi"
    assert (tools.connected, now()) == (True, 1)
    await axon.stop(server)


async def test_a_message_that_steers_it_changes_nothing_about_that() -> None:
    for turns in range(TURNS):
        async with assert_no_leaks():
            server = await axon.start(AgentServer(plain(), model=says("hi")))
            await server.submit("hello", streamed=True)
            for _ in range(turns):
                await asyncio.sleep(0)
            assert await server.steer("be quick") is True
            assert await server.cancel() is True
            await axon.stop(server)


@ENDS
@STREAMED
@pytest.mark.slow
def test_under_any_schedule_every_coroutine_is_awaited(how: str, streamed: bool) -> None:
    """There a task may be cancelled before its first step, and what it was given to await is not lost with it."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for seed in range(SEEDS):
            for agent in (plain(), mixed()):
                simulate(partial(cut_off, agent, how, seed % TURNS, streamed=streamed), seed)
        gc.collect()
    assert [str(warning.message) for warning in said] == []
