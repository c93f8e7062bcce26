"""The ready agent in agents/ can be served with any model."""

from __future__ import annotations

from pydantic_ai import Agent, ModelMessage, ModelResponse
from pydantic_ai.messages import TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from ready_agents import ready

from axon import Supervisor, child
from axon.agent import AgentServer

example: Agent[object, str] = ready("example_agent").agent


async def think(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Asks the tool for the days of a year, and says what it was told."""
    last = messages[-1].parts[-1]
    if isinstance(last, ToolReturnPart):
        return ModelResponse(parts=[TextPart(f"{last.content} days.")])
    assert info.instructions is not None
    assert [tool.name for tool in info.function_tools] == ["days_between"]
    return ModelResponse(parts=[ToolCallPart("days_between", {"first": "2024-01-01", "last": "2025-01-01"})])


def test_it_chooses_no_model() -> None:
    assert example.name == "example"
    assert example.model is None


async def test_it_answers_with_its_tool() -> None:
    server = AgentServer(example, model=FunctionModel(think))
    async with Supervisor([child(server, id="example")]) as sup:
        result = await sup.get(AgentServer[object, str], "example").run("How long was 2024?")
        assert result.output == "366 days."
        assert result.usage.tool_calls == 1
