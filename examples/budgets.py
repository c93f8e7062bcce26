"""A tenant's agents share one grant of money a day; a job gets a part of it, and what is spent is known after a restart."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic_ai import Agent, ModelMessage, ModelResponse, RequestUsage
from pydantic_ai.messages import TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from axon import Supervisor, child
from axon.agent import AgentServer
from axon.budget import Budget, BudgetExceeded, Limits, Price
from axon.store import SQLiteStore, Store

PRICES = {"thinker": Price(input=2, output=10)}  # dollars for a million tokens; those of real models are known


def think(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    part = ToolCallPart("read", {}) if "report" in str(messages) else TextPart("A fine day.")
    return ModelResponse([part], usage=RequestUsage(input_tokens=1000, output_tokens=100))


def read() -> str:
    return "one more page"


def acme_in(store: Store) -> Budget:
    """So much a day for all programs that have this store; `response` is the most that one response may use."""
    return Budget("acme", usd="0.010", per="day", response=Limits(usd="0.003"), prices=PRICES, store=store)


async def main(store: Store) -> None:
    acme = acme_in(store)
    clerk = Agent(FunctionModel(think, model_name="thinker"), name="clerk", tools=[read])
    async with Supervisor([child(AgentServer(clerk, name="clerk", store=store, budget=acme), id="clerk")]) as agents:
        agent = agents.get(AgentServer[None, str], "clerk")
        print("clerk:", (await agent.run("How is the weather?")).output)

        async with await acme.reserve("report", usd="0.005") as share:  # a part of it, for one job
            try:
                await agent.run("Write the report", budget=share)
            except BudgetExceeded as error:
                print("refused:", error)

        balance = await acme.balance()
        print(f"acme has spent {balance.spent.usd} and has {balance.left.usd} left")
        print("clerk:", (await agent.run("And tomorrow?")).output)
        try:
            await agent.run("And the day after?")
        except BudgetExceeded as error:
            print(f"refused: {error.budget} has spent {error.spent} of {error.granted} {error.resource}")

    print("still spent:", (await acme_in(store).balance()).spent.usd)  # in another program, the same day
    await store.close()


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        asyncio.run(main(SQLiteStore(Path(folder, "agents.db"))))
