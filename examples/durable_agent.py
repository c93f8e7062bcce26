"""An agent with a store is killed in the middle of its work, and goes on from its last finished step.

The model is a function, so that this needs no key; for a real one write `Agent("openai:gpt-5", ...)`.
"""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

import axon
from axon import Supervisor, child
from axon.agent import AgentServer, idempotency_key
from axon.store import SQLiteStore

booked: dict[str, str] = {}
began = asyncio.Event()


def think(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    print(f"the model is asked, after {len(messages) - 1} messages")
    answer = ToolCallPart("book", {"room": "blue"}) if len(messages) == 1 else TextPart("The blue room is yours.")
    return ModelResponse(parts=[answer])


clerk = Agent(FunctionModel(think), name="clerk")


@clerk.tool_plain(metadata={"idempotent": True})
async def book(room: str) -> str:
    booked[idempotency_key()] = room  # a second time, under the same key, changes nothing
    print(f"booked: {list(booked.values())}")
    if not began.is_set():
        began.set()
        await asyncio.sleep(60)  # in the middle of this the agent will be killed
    return "done"


async def main(store: SQLiteStore) -> None:
    spec = AgentServer(clerk, name="clerk", store=store)
    async with Supervisor([child(spec, id="clerk")]) as agents:
        agent = agents.get(AgentServer[None, str], "clerk")
        asking = asyncio.create_task(agent.run("A room for tonight, please", message_id="order 7"))
        await began.wait()
        print("the agent is killed")
        axon.exit(agent, axon.kill)
        print("clerk:", (await asking).output)

    async with Supervisor([child(spec, id="clerk")]) as agents:  # another program, another day
        agent = agents.get(AgentServer[None, str], "clerk")
        print("asked again:", (await agent.run("A room for tonight, please", message_id="order 7")).output)
    await store.close()


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        asyncio.run(main(SQLiteStore(Path(folder, "agents.db"))))
