"""Agents and jobs on shares of one budget, killed anywhere, in stores that fail: nothing is spent twice, nothing is lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from pydantic_ai import Agent, ModelMessage, ModelResponse
from pydantic_ai.messages import TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.usage import RequestUsage

from axon import AxonError, GenServer, StartFailed, Supervisor, call, child
from axon.agent import AgentServer
from axon.budget import Balance, Budget, BudgetExceeded, Limits
from axon.store import ApprovalRequest, MemoryStore, Record, StoreUnavailable
from axon.testing import Faults, SimulationLoop, trouble

from .tree import Tree
from .witness import Witness

LARGEST = 9
Server = AgentServer[object, str]


class FailingStore(MemoryStore):
    """Some writes fail before they did anything, some after."""

    async def append(
        self,
        key: str,
        records: Sequence[Record],
        *,
        epoch: int,
        version: int,
        marker: str | None = None,
        approvals: Sequence[ApprovalRequest] = (),
    ) -> int:
        is_budget = key.startswith("axon.budget/")
        if is_budget and trouble():
            raise StoreUnavailable("the connection broke before")
        done = await super().append(key, records, epoch=epoch, version=version, marker=marker, approvals=approvals)
        if is_budget and trouble():
            raise StoreUnavailable("the connection broke after")
        return done


@dataclass
class Bank:
    """What was granted, and what the provider has answered, as it knows it."""

    witness: Witness
    budget: Budget
    granted: int
    over: int
    answered: list[int] = field(default_factory=list[int])

    async def think(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        await asyncio.sleep(random.choice([0, 0.01, 0.2]))
        tokens = random.randrange(1, LARGEST + 1)
        self.answered.append(tokens)
        calls = sum(isinstance(message, ModelResponse) for message in messages)
        part = TextPart("done") if calls >= 2 else ToolCallPart("work", {})
        return ModelResponse([part], usage=RequestUsage(input_tokens=tokens))


def worker() -> Agent[object, str]:
    agent: Agent[object, str] = Agent(name="worker")

    @agent.tool_plain(metadata={"idempotent": True})
    async def work() -> str:
        await asyncio.sleep(random.choice([0, 0.01]))
        return "done"

    return agent


class Desk(GenServer[None]):
    """Hands a share on to an agent for each job; killed in the middle of one, the share comes back."""

    bank: Bank
    agent: Server
    number: int

    def init(self) -> None:
        pass

    @call(timeout=None, raises=(AxonError,))
    async def job(self, state: None) -> None:
        wanted = random.randrange(1, 30)
        async with await self.bank.budget.reserve(f"job {self.number}", tokens=wanted) as share:
            with suppress(BudgetExceeded):
                await self.agent.run("go", budget=share)
            spent = (await share.balance()).spent.tokens
            self.bank.witness.rule(spent <= wanted + self.bank.over, f"{spent} of {wanted} spent by a job")


async def work_of(app: Supervisor, bank: Bank) -> None:
    """Two desks with jobs, and an agent that draws on the whole budget."""
    desks = [
        await app.start_child(child(Desk(bank, app.get(Server, f"a{n}"), n), id=f"d{n}", name=f"d{n}"))
        for n in range(2)
    ]

    async def works(who: int) -> None:
        for _ in range(6):
            with suppress(AxonError):
                if who < len(desks):
                    await desks[who].job()
                else:
                    await app.get(Server, "own").run("go")
            await asyncio.sleep(random.choice([0, 0.1, 1]))

    await asyncio.gather(*map(works, range(3)))


async def program(witness: Witness) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulationLoop)
    granted = random.randrange(20, 120)
    store = random.choice([None, FailingStore()])
    response = random.choice([None, Limits(tokens=LARGEST)])
    budget = Budget("acme", tokens=granted, response=response, store=store)
    # untold, a few may be in flight that are more than twice as large as those before them
    bank = Bank(witness, budget, granted, LARGEST if response else 3 * LARGEST)
    model = FunctionModel(bank.think)
    durable = [AgentServer(worker(), model=model, name=f"a{n}", store=store, attempts=1000) for n in range(2)]
    own = AgentServer(worker(), model=model, budget=budget)
    specs = [child(spec, id=f"a{n}") for n, spec in enumerate(durable)]
    with suppress(StartFailed):  # killed before it all began
        async with Supervisor([*specs, child(own, id="own")], max_restarts=10_000, name="app") as app:
            await work_of(app, bank)
    await asyncio.sleep(40)  # what is written later is written, and whoever was killed is over
    balance = await settled(budget)
    answered, counted = sum(bank.answered), balance.spent.tokens
    lost = len(loop.kills) + 2  # an answer that nobody was left to count
    witness.rule(counted <= answered, f"{counted} counted, {answered} answered")
    witness.rule(
        answered - counted <= LARGEST * lost, f"{counted} counted, {answered} answered, {len(loop.kills)} kills"
    )
    witness.rule(counted <= granted + bank.over, f"{counted} of {granted} spent")
    witness.rule(balance.reserved.tokens == 0 and balance.in_flight == 0, f"at rest {balance}")


async def settled(budget: Budget) -> Balance:
    while True:
        with suppress(StoreUnavailable):
            return await budget.balance()
        await asyncio.sleep(1)


TREE = Tree(
    name="budgets",
    program=program,
    faults=Faults(kill=0.004, victims="app/*", most_kills=6, trouble=0.03),
    bound=600.0,
    share=0.3,
)
