"""Three agents share one MCP server, which dies in the middle of a call and is started again.

The server is `servers/library.py`. The model is a function, so that this needs no key; for a real one write
`Agent("openai:gpt-5", ...)`.
"""

import asyncio
import sys
from pathlib import Path

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from tenacity import wait_exponential_jitter

from axon import Supervisor, child
from axon.mcp import BorrowedToolset, MCPCallLost, MCPServer, MCPServerBroke, MCPServerOpened
from axon.telemetry import attach

LIBRARY = [sys.executable, str(Path(__file__).parent / "servers" / "library.py")]


async def think(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    match messages[-1].parts[-1]:
        case ToolReturnPart(content=found):
            return ModelResponse(parts=[TextPart(str(found))])
        case UserPromptPart(content=title):
            return ModelResponse(parts=[ToolCallPart("find", {"title": title})])
        case _:
            return ModelResponse(parts=[TextPart("?")])


clerk = Agent(FunctionModel(think), toolsets=[BorrowedToolset("library")])


async def main() -> None:
    attach(lambda opened: print("the server is ready, with the tools:", *opened.tools), MCPServerOpened)
    attach(lambda broke: print("the server broke:", type(broke.reason).__name__), MCPServerBroke)
    backoff = wait_exponential_jitter(multiplier=0.1, max=30)
    async with Supervisor([child(MCPServer(LIBRARY), name="library", backoff=backoff)]) as supervisor:
        runs = await asyncio.gather(*(clerk.run(title) for title in ("Emma", "Dracula", "Frankenstein")))
        print(*(run.output for run in runs), sep="\n")

        library = supervisor.get(MCPServer)
        try:
            await library.call_tool("find", {"title": "Necronomicon"})
        except MCPCallLost as lost:
            print("lost is the call of", lost.tool)
        print((await clerk.run("Emma")).output)  # it waits until the server is there again
        print("restarts:", (await library.status()).restarts)


if __name__ == "__main__":
    asyncio.run(main())
