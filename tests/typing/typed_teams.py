"""Never run: what the type checkers must know about teams of agents, and the mistakes with them that they must refuse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, assert_type

from pydantic import BaseModel
from pydantic_ai import Agent, AgentRunResult, RunContext, RunUsage, Tool, ToolOutput

from axon import DynamicSupervisor
from axon.agent import AgentGroup, AgentServer, RunStream, agent_tool, hand_over, helpers_usage, transfer_to
from axon.budget import Grant


@dataclass
class Library:
    books: list[str]


class Verdict(BaseModel):
    good: bool


critic = Agent("test", deps_type=Library, output_type=Verdict)
critics = AgentGroup[Library, Verdict]("critics")


async def asked(handle: AgentServer[Library, Verdict], adopters: DynamicSupervisor) -> None:
    assert_type(agent_tool(handle), Tool[Any])
    agent_tool("critic", idempotent=True)
    agent_tool(critics, budget=0.5)
    agent_tool(AgentServer(critic), until="agent", budget=Grant(tokens=100))
    agent_tool(AgentServer(critic, name="critic"), under=adopters)
    Agent("test", tools=[agent_tool(handle)], deps_type=Library)

    assert_type(transfer_to(handle), ToolOutput[Verdict])
    to_the_critic = transfer_to(handle)
    boss: Agent[object, str | Verdict] = Agent("test", output_type=[str, to_the_critic])
    assert_type(AgentServer(boss), AgentServer[object, str | Verdict])

    result = await critics.run("Is it good?", conversation="guest 7", deps=Library([]))
    assert_type(result, AgentRunResult[Verdict])
    assert_type(critics.pick(), AgentServer[Library, Verdict])
    assert_type(critics.run_stream("Is it good?"), RunStream[str])
    assert_type(helpers_usage(result.new_messages()), RunUsage)
    await handle.cancel(message_id="7")


async def escalate(ctx: RunContext[object], handle: AgentServer[Library, Verdict]) -> Verdict:
    assert_type(await hand_over(ctx, handle), Verdict)
    return await hand_over(ctx, handle, "be kind")


async def what_must_be_refused(ctx: RunContext[object], handle: AgentServer[Library, Verdict]) -> None:
    agent_tool(critic)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    agent_tool(handle, until="never")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    agent_tool(handle, budget="half")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    agent_tool(handle, under=handle)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    transfer_to("critic")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await critics.run("x", deps="books")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await critics.run("x", conversation=7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AgentServer(critic, group=7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    verdict = await hand_over(ctx, handle)
    _text: str = verdict  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
