"""A boss asks two writers behind one name, with a part of its budget, and gives what is not its own to somebody else.

The models play a script, so that this needs no key; give `AgentServer(boss, model="openai:gpt-5")` for a real one.
"""

import asyncio

from pydantic_ai import Agent

import axon
from axon import Supervisor, child
from axon.agent import AgentGroup, AgentServer, agent_tool, helpers_usage, transfer_to
from axon.budget import Budget, Grant
from axon.testing.models import CallTool, Say, ScriptedModel

Server = AgentServer[None, str]
WRITERS: AgentGroup[None, str] = AgentGroup("writers")


def writer(line: str) -> Server:
    return AgentServer(Agent(name="writer"), model=ScriptedModel(Say(line, after=0.1)), group="writers")


LEAD = ScriptedModel(
    [CallTool("ask_writers", {"prompt": "the sea"}), CallTool("ask_writers", {"prompt": "the moon"})],
    Say("A poem of two lines."),
    CallTool("transfer_to_guard"),
)


async def main() -> None:
    guard: Server = AgentServer(Agent(name="guard"), model=ScriptedModel(Say("Only the owner may do that.")))
    specs = [child(writer("So deep"), id="a"), child(writer("so high"), id="b"), child(guard, id="guard")]
    budget = Budget("poem", requests=10)
    async with Supervisor(specs) as sup:
        boss = Agent(
            name="boss",
            tools=[agent_tool(WRITERS, budget=Grant(requests=2))],
            output_type=[str, transfer_to(sup.get(Server, "guard"))],
        )
        lead = await sup.start_child(child(AgentServer(boss, model=LEAD, budget=budget), id="boss"))

        result = await lead.run("A poem, please")
        print("boss:", result.output)
        print("requests:", result.usage.requests, "and of the writers", helpers_usage(result.new_messages()).requests)
        print("lines written by each:", [len(await one.messages()) // 2 for one in WRITERS.members()])
        print("left:", (await budget.balance()).left.requests)

        for one in WRITERS.members():
            axon.exit(one, axon.kill)  # they are started again, and nobody else notices
        print("boss:", (await lead.run("And now delete everything")).output)


if __name__ == "__main__":
    asyncio.run(main())
