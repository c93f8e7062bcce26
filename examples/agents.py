"""Agents under a supervisor: a run that fails fails its caller, an agent that is killed is started again.

The model is a function, so that this needs no key; give `AgentServer(writer, model="openai:gpt-5")` for a real one.
"""

import asyncio

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ToolCallPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

import axon
from axon import Supervisor, child
from axon.agent import AgentServer


async def think(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    requests = [message for message in messages if isinstance(message, ModelRequest)]
    prompts = [part.content for request in requests for part in request.parts if isinstance(part, UserPromptPart)]
    if prompts[-1] == "write":
        return ModelResponse(parts=[ToolCallPart("print_out", {})])
    count = len(prompts)
    return ModelResponse(parts=[TextPart(f"{count} question{'s' if count > 1 else ''} so far")])


writer = Agent(FunctionModel(think), name="writer")


@writer.tool_plain
async def print_out() -> str:
    raise RuntimeError("no ink")


async def main() -> None:
    async with Supervisor([child(AgentServer(writer), id="writer")]) as agents:
        agent = agents.get(AgentServer[None, str], "writer")
        print("writer:", (await agent.run("hello")).output)

        try:
            await agent.run("write")
        except RuntimeError as broken:
            print("the tool broke, the caller is told:", repr(broken))
        print("writer:", (await agent.run("still there?")).output)  # the failed run is not in its memory

        asked = asyncio.create_task(agent.run("what now?"))
        await asyncio.sleep(0)
        axon.exit(agent, axon.kill)
        try:
            await asked
        except axon.ServerDied as died:
            print("the agent was killed, the caller is told:", died.reason)
        await asyncio.sleep(0.01)
        print("writer:", (await agent.run("who are you?")).output)  # its successor, with a memory of its own


if __name__ == "__main__":
    asyncio.run(main())
