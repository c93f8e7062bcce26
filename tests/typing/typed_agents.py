"""Never run: what the type checkers must know about agents, and the mistakes with them that they must refuse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, assert_type

from pydantic import BaseModel
from pydantic_ai import Agent, AgentRunResult, AgentRunResultEvent, ModelMessage, RunUsage
from pydantic_ai.messages import AgentStreamEvent
from pydantic_ai.models.test import TestModel

import axon
from axon import ChildSpec, Supervisor, child
from axon.agent import AgentServer, AgentStatus, RunStream
from axon.store import Approval, MemoryStore


@dataclass
class Library:
    books: list[str]


class Verdict(BaseModel):
    good: bool


plain = Agent("test")
writer = Agent("test", deps_type=Library)
critic = Agent("test", deps_type=Library, output_type=Verdict)

assert_type(AgentServer(plain), AgentServer[object, str])
assert_type(AgentServer(writer, deps=Library([])), AgentServer[Library, str])
assert_type(AgentServer(critic), AgentServer[Library, Verdict])
assert_type(child(AgentServer(critic), id="critic"), ChildSpec[AgentServer[Library, Verdict]])
AgentServer(critic, model=TestModel())
AgentServer(critic, model="openai:gpt-5.2")
AgentServer(critic, name="critic", request_timeout=None)
AgentServer(critic, name="critic", store=MemoryStore(), on_error={ValueError: "retry"}, when_busy="steer")


async def started() -> None:
    agent = await axon.start(AgentServer(critic))
    assert_type(agent, AgentServer[Library, Verdict])

    result = await agent.run("Is it good?", deps=Library([]))
    assert_type(result, AgentRunResult[Verdict])
    assert_type(result.output, Verdict)
    assert_type(result.all_messages(), list[ModelMessage])

    assert_type(agent.run_stream("Is it good?"), RunStream[str])
    async for piece in agent.run_stream("Is it good?"):
        assert_type(piece, str)
    events = agent.run_stream_events("Is it good?")
    assert_type(events, RunStream[AgentStreamEvent | AgentRunResultEvent[Verdict]])

    assert_type(await agent.run("Is it good?", message_id="1"), AgentRunResult[Verdict])
    assert_type(agent.run_sync("Is it good?"), AgentRunResult[Verdict])
    assert_type(await agent.steer("Be kind."), bool)
    assert_type(await agent.approvals(), list[Approval])
    assert_type(await agent.approve("1", by="ada"), Approval)
    assert_type(await agent.cancel(), bool)
    assert_type(await agent.status(), AgentStatus)
    assert_type(await agent.messages(), list[ModelMessage])
    assert_type(await agent.usage(), RunUsage)
    agent.reset()


async def supervised(sup: Supervisor) -> None:
    assert_type(sup.get(AgentServer, "any"), AgentServer[Any, Any])
    assert_type(sup.get(AgentServer[Library, Verdict], "critic"), AgentServer[Library, Verdict])
    assert_type(await sup.start_child(AgentServer(writer)), AgentServer[Library, str])
    assert_type(axon.lookup(AgentServer[Library, str], "writer"), AgentServer[Library, str])


class Judge(Protocol):
    """What a program needs of the critic; a fake fits, too."""

    async def run(self, prompt: str, *, deps: Library | None = None) -> AgentRunResult[Verdict]: ...


def a_handle_fits_where_its_methods_are_asked_for(agent: AgentServer[Library, Verdict]) -> Judge:
    return agent


async def what_must_be_refused(agent: AgentServer[Library, Verdict]) -> None:
    AgentServer("writer")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AgentServer(critic, deps="books")  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    AgentServer(critic, TestModel())  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
    AgentServer(critic, when_busy="wait")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AgentServer(critic, on_error={ValueError: "stop"})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
    agent.run("x")  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    await agent.run(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await agent.run("x", deps="books")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await agent.run("x", dep=Library([]))  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    _text: str = (await agent.run("x")).output  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    await agent.run_stream("x")  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
