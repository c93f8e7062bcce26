"""A whole agent as data: its instructions, dependencies, tools and result come as JSON; its tools are an actor's calls.

The model is a function, so that this needs no key; for a real one leave `model=` out and name it in the JSON.
"""

import asyncio

from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from axon import GenServer, Supervisor, call, child
from axon.agent import AgentServer
from axon.blueprint import AgentBlueprint, Targets


class NoRoom(Exception):
    """No room is free."""


class Desk(GenServer[list[str]]):
    def init(self) -> list[str]:
        return ["blue", "green"]

    @call(raises=(NoRoom,))
    def book(self, state: list[str], room: str) -> str:
        """Book a room for tonight."""
        if room not in state:
            raise NoRoom(f"free are {', '.join(state)}")
        state.remove(room)
        return f"{room} is booked"


CLERK = """{
  "name": "clerk",
  "instructions": {"template": "You are the clerk of {{ house }}."},
  "deps": {"house": "the Ritz"},
  "tools": [{"name": "book", "target": {"server": "desk", "method": "book"}}],
  "result_schema": {"type": "object", "properties": {"room": {"type": "string"}}, "required": ["room"]}
}"""


async def think(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    last = messages[-1]
    told = [part.content for part in last.parts if isinstance(part, ToolReturnPart)]
    if isinstance(last, ModelRequest) and not told:
        print("the model reads:", last.instructions)
        return ModelResponse(parts=[ToolCallPart("book", {"room": "red"})])
    print("the model is told:", *told)
    done = ToolCallPart(info.output_tools[0].name, {"room": "blue"})
    return ModelResponse(parts=[done if "booked" in str(told) else ToolCallPart("book", {"room": "blue"})])


async def main() -> None:
    clerk = AgentBlueprint.model_validate_json(CLERK).spec(Targets(servers={"desk": Desk}), model=FunctionModel(think))
    async with Supervisor([child(Desk(), name="desk"), child(clerk, id="clerk")]) as sup:
        print("result:", (await sup.get(AgentServer, "clerk").run("A room, please")).output)


if __name__ == "__main__":
    asyncio.run(main())
