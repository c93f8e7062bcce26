"""An agent in a process of its own: runs, streams, dependencies and outputs are what they are within one process."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import port_agents
import pytest
from port_agents import Library, Verdict
from pydantic_ai import AgentRunResultEvent, RunCancelled

import axon
from axon import Supervisor, child
from axon.agent import AgentServer, TurnFailed
from axon.port import CannotCross, PortOverran, isolated

pytestmark = [pytest.mark.real_clock, pytest.mark.slow, pytest.mark.kill]


async def test_an_agent_moves_by_one_option() -> None:
    spec = AgentServer(port_agents.writer, deps=port_agents.library, name="writer")
    async with Supervisor([child(isolated(spec), id="writer")]) as sup:
        agent = sup.get(AgentServer[Library, str], "writer")
        assert axon.whereis("writer") == axon.whereis(agent)
        result = await agent.run("where are you?")
        process = int(result.output.removeprefix("in process "))
        assert process != os.getpid()
        assert [message.kind for message in result.all_messages()] == ["request", "response", "request", "response"]
        assert result.usage.requests == 2
        assert [piece async for piece in agent.run_stream("and now?")] == ["in process ", str(process)]
        events = [event async for event in agent.run_stream_events("again?")]
        assert isinstance(events[-1], AgentRunResultEvent)
        assert events[-1].result.output == f"in process {process}"
        assert len(await agent.messages()) == 12
        assert (await agent.status()).state == "idle"
        assert (await agent.usage()).requests == 6


async def test_dependencies_of_a_run_and_structured_outputs_cross_as_what_they_are() -> None:
    judge = await axon.start(isolated(AgentServer(port_agents.judge)))
    result = await judge.run("decide", deps=Library("poetry"))
    assert isinstance(result.output, Verdict)
    assert result.output.shelf == "poetry"
    assert result.output.process != os.getpid()
    await axon.stop(judge)


@pytest.mark.kill
async def test_a_turn_whose_process_is_killed_goes_on_in_the_next_one(tmp_path: Path) -> None:
    """With a store: its asker is attached again, and the model is told that the tool's effect is not known."""
    spec = AgentServer(port_agents.writer, deps=port_agents.library, name="survivor", store=port_agents.store)
    environ = {"STORE": str(tmp_path / "axon.db"), "DIES_ONCE": str(tmp_path / "died")}
    async with Supervisor([child(isolated(spec, environ=environ), id="one")]) as sup:
        agent = sup.get(AgentServer[Library, str], "one")
        result = await agent.run("go")
        assert result.output.startswith("then in process ")
        assert result.output != f"then in process {(tmp_path / 'died').read_text()}"
        assert [message.kind for message in await agent.messages()] == ["request", "response", "request", "response"]


@pytest.mark.kill
async def test_a_run_that_ignores_its_end_ends_with_its_process_and_the_agent_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its deadline or after `cancel`: its turn is over, and is not begun again."""
    monkeypatch.setenv("STORE", str(tmp_path / "axon.db"))
    spec = AgentServer(port_agents.stubborn, name="stubborn", store=port_agents.store)
    async with Supervisor([child(isolated(spec, inherit=["STORE"], grace=0.5), id="one")]) as sup:
        agent = sup.get(AgentServer[None, str], "one")
        asking = asyncio.ensure_future(agent.run("for ever", message_id="cancelled"))
        while (await agent.status()).state != "tool":  # noqa: ASYNC110  # of another process
            await asyncio.sleep(0.01)
        with pytest.raises(axon.ServerDied) as died:
            await agent.cancel()
        reason = died.value.reason
        assert isinstance(reason, PortOverran)
        assert (reason.handler, reason.grace) == ("run cancelled", 0.5)
        with pytest.raises((RunCancelled, TurnFailed)):
            await asking
        assert (await agent.run("hello")).output.startswith("hello")

        with pytest.raises(axon.DeadlineExceeded):
            async with axon.deadline(1):
                await agent.run("for ever", message_id="late")
        reason = (await axon.wait_down(agent)).reason
        assert isinstance(reason, PortOverran)
        assert reason.handler == "run late"
        with pytest.raises((axon.DeadlineExceeded, TurnFailed)):  # it ends just now, or has
            await agent.run("for ever", message_id="late")
        with pytest.raises(TurnFailed) as failed:
            await agent.run("for ever", message_id="late")
        assert failed.value.how == "deadline"


def test_what_is_no_attribute_of_a_module_is_refused() -> None:
    def make() -> AgentServer[Library, str]:
        from pydantic_ai import Agent

        return AgentServer(Agent(port_agents.model, deps_type=Library))

    with pytest.raises(CannotCross, match="its field 'agent'"):
        isolated(make())
