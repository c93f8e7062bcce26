"""Twelve agents share one provider account: its outage is waited out together, and comes to an end without a herd.

The model is a function, so that this needs no key; for a real one write `Agent("openai:gpt-5", ...)`.
"""

import asyncio
from dataclasses import dataclass

from pydantic_ai import Agent, ModelMessage, ModelResponse
from pydantic_ai.exceptions import ModelOverloadedError
from pydantic_ai.messages import TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from axon import Supervisor, child
from axon.agent import AgentServer
from axon.provider import Account, BreakerClosed, BreakerOpened, RampEnded
from axon.telemetry import attach

AGENTS = 12


@dataclass
class Provider:
    asked: int = 0
    overloaded: bool = True

    async def think(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        self.asked += 1
        if self.overloaded:
            raise ModelOverloadedError("gpt", "overloaded")
        return ModelResponse(parts=[TextPart("Done.")])


async def main() -> None:
    opened = asyncio.Event()
    attach(lambda event: print("open:", event.error), BreakerOpened)
    attach(lambda event: opened.set(), BreakerOpened)
    attach(lambda event: print(f"closed, {event.waiting} agents wait"), BreakerClosed)
    attach(lambda event: print(f"full rate, {event.waiting} agents wait"), RampEnded)
    provider, account = Provider(), Account("openai", probe_every=0.2, ramp=0.5)  # a real one takes some seconds
    clerk = Agent(FunctionModel(provider.think), name="clerk")
    specs = [child(AgentServer(clerk, name=f"clerk-{n}", account=account), id=f"clerk-{n}") for n in range(AGENTS)]

    async with Supervisor(specs, max_restarts=0) as agents:  # not one restart is needed
        clerks = [agents.get(AgentServer[None, str], f"clerk-{n}") for n in range(AGENTS)]
        runs = [asyncio.create_task(one.run("Work")) for one in clerks]
        await opened.wait()
        await asyncio.sleep(0.5)  # those that are on their way come back
        print("clerk-3 is", (await clerks[3].status()).state)
        provider.asked = 0
        await asyncio.sleep(1)
        print(f"in a second {AGENTS} agents have asked 5 times at most: {provider.asked <= 5}")
        provider.overloaded = False
        answers = {(await run).output for run in runs}
        await asyncio.sleep(0.5)
        print("answers:", answers)


if __name__ == "__main__":
    asyncio.run(main())
