"""Decisions reach the tool call they are for, or none."""

from __future__ import annotations

import asyncio

import pytest
from gateway_parts import ADA
from pydantic_ai import Agent, ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from axon import InvalidOption
from axon.agent import AgentServer
from axon.gateway import Decision, Gateway
from axon.store import MemoryStore, NoApproval
from axon.testing import eventually


def payer() -> AgentServer[None, str]:
    """An agent whose model calls each of its tool calls `call-1`, as some do."""

    def model(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        is_done = any(part.part_kind == "tool-return" for message in messages for part in message.parts)
        return ModelResponse([TextPart("done") if is_done else ToolCallPart("pay", {"amount": 1}, "call-1")])

    agent = Agent(FunctionModel(model))

    @agent.tool_plain(requires_approval=True)
    def pay(amount: int) -> str:
        return f"paid {amount}"

    return AgentServer(agent, name="payer", store=MemoryStore())


async def waiting(gateway: Gateway, number: int) -> bool:
    return len(await gateway.approvals.of_agent(ADA, "payer")) == number


async def test_the_id_of_a_tool_call_that_two_runs_have_decides_neither() -> None:
    async with Gateway() as gateway:
        agent = await gateway.serve(payer())
        runs = [asyncio.create_task(agent.run("pay", aside=True)) for _ in range(2)]
        await eventually(lambda: waiting(gateway, 2))
        first, second = await gateway.approvals.of_agent(ADA, "payer")
        with pytest.raises(InvalidOption, match="id must be"):
            await gateway.approvals.decide_of_agent(ADA, "payer", "approve", Decision(id="call-1"))
        with pytest.raises(NoApproval):
            await gateway.approvals.decide_of_agent(ADA, "payer", "approve", Decision(id="call-2"))
        await gateway.approvals.decide_of_agent(ADA, "payer", "approve", Decision(id=first.id))
        await eventually(lambda: waiting(gateway, 1))
        decided = await gateway.approvals.decide_of_agent(ADA, "payer", "approve", Decision(id="call-1"))
        assert decided.id == second.id  # there is no other any more
        assert [(await run).output for run in runs] == ["done", "done"]
