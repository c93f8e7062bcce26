"""A team whose members are killed anywhere: each question has one answer, nobody is left behind, the budget is kept."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass

from pydantic_ai import Agent, ModelMessage, ModelResponse, RunCancelled
from pydantic_ai.messages import ModelRequest, TextPart, ToolCallPart, ToolReturnPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.usage import RequestUsage

import axon
from axon import AxonError, StartFailed, Supervisor, child
from axon.agent import AgentGroup, AgentServer, agent_tool, transfer_to
from axon.budget import Budget, Grant, Limits
from axon.store import MemoryStore
from axon.testing import Faults, SimulationLoop

from .tree import Tree
from .witness import Witness

Server = AgentServer[object, str]
LARGEST = 9
WRITERS: AgentGroup[object, str] = AgentGroup("writers")


def prompts_of(messages: list[ModelMessage]) -> list[str]:
    parts = [part for message in messages if isinstance(message, ModelRequest) for part in message.parts]
    return [str(part.content) for part in parts if isinstance(part, UserPromptPart)]


@dataclass
class Team:
    """What its models say: they ask each other, and tell an answer by its question."""

    witness: Witness
    numbers: int = 0
    tokens: int = 0

    def answer(self, *parts: TextPart | ToolCallPart) -> ModelResponse:
        tokens = random.randrange(1, LARGEST + 1)
        self.tokens += tokens
        return ModelResponse(list(parts), usage=RequestUsage(input_tokens=tokens))

    def call(self, *tools: str) -> ToolCallPart:
        self.numbers += 1
        return ToolCallPart(random.choice(tools), {"prompt": f"question {self.numbers}"})

    async def help(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        await asyncio.sleep(random.choice([0, 0.01, 0.2, 2]))
        return self.answer(TextPart(f"answer to {prompts_of(messages)[-1]}"))

    async def research(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        """Sometimes asks back first, which may be a circle."""
        if isinstance(messages[-1].parts[-1], UserPromptPart) and random.random() < 0.5:
            return self.answer(self.call("ask_boss", "ask_other", "ask_writers"))
        return await self.help(messages, info)

    async def lead(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        """Asks several at once, and then answers, or lets another one do it."""
        await asyncio.sleep(random.choice([0, 0.01]))
        told = messages[-1].parts
        if not isinstance(told[-1], ToolReturnPart):
            calls = [
                self.call("ask_one", "ask_other", "ask_writers", "ask_helper") for _ in range(random.randrange(1, 4))
            ]
            return self.answer(*calls)
        self.check(messages)
        if random.random() < 0.3:
            return self.answer(ToolCallPart("transfer_to_other", {}))
        return await self.help(messages, info)

    def check(self, messages: list[ModelMessage]) -> None:
        asked = {
            part.tool_call_id: str(part.args_as_dict()["prompt"])
            for part in messages[-2].parts
            if isinstance(part, ToolCallPart)
        }
        for part in messages[-1].parts:
            if isinstance(part, ToolReturnPart) and part.outcome == "success":
                wanted = f"answer to {asked[part.tool_call_id]}"
                self.witness.rule(part.content == wanted, f"{wanted!r} is {part.content!r}")


async def asks(boss: Server, team: Team, who: int, once: dict[str, int]) -> None:
    for number in range(3):
        question = f"question {who}/{number}"
        with suppress(AxonError, RunCancelled):
            async with axon.deadline(random.choice([1, 30, 100])):
                answer = (await boss.run(question, message_id=question)).output
            once[question] = once.get(question, 0) + 1
            team.witness.rule(answer == f"answer to {question}", f"{question!r} was answered by {answer!r}")
        if random.random() < 0.2:
            with suppress(AxonError):
                await boss.cancel()
        await asyncio.sleep(random.choice([0, 0.1, 1]))


async def cancelled_in_the_middle(boss: Server) -> None:
    with suppress(AxonError, RunCancelled):
        running = asyncio.create_task(boss.run("question last/1"))
        await asyncio.sleep(random.choice([0.01, 0.03, 0.3]))
        with suppress(AxonError):
            await boss.cancel()
        await running


async def at_rest(team: Team, *agents: Server) -> None:
    """All is over: nobody works any more, and who was started for a run is gone."""
    for agent in agents:
        with suppress(AxonError):
            status = await agent.status()
            idle = status.state == "idle" and status.queued == 0
            team.witness.rule(idle, f"{agent!r} is {status.state} with {status.prompt!r}, {status.queued} wait")
    team.witness.rule(axon.whereis("helper") is None, "the helper outlived its run")


async def asked_once(team: Team, agent: Server) -> None:
    """Each question has one answer in a conversation, whoever was killed meanwhile."""
    with suppress(AxonError):
        prompts = prompts_of(await agent.messages())
        questions = [prompt for prompt in prompts if "/" not in prompt]  # the others were handed over, with all before
        team.witness.rule(len(set(questions)) == len(questions), f"asked twice: {prompts}")


async def program(witness: Witness) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulationLoop)
    team, store = Team(witness), MemoryStore()
    granted = random.randrange(50, 300)
    budget = Budget("team", tokens=granted, response=Limits(tokens=LARGEST), store=store)
    help, research = FunctionModel(team.help), FunctionModel(team.research)
    part = random.choice([None, 0.5, Grant(tokens=20)])

    def researcher(name: str) -> Server:
        tools = [agent_tool("boss", idempotent=True), agent_tool("other", idempotent=True), agent_tool(WRITERS)]
        agent = Agent[object, str](name=name, tools=tools)
        return AgentServer(agent, name=name, model=research, store=store, attempts=1000)

    writers = [
        child(AgentServer(Agent(name="writer"), model=help, group="writers"), id=f"writer {n}") for n in range(2)
    ]
    members = [child(researcher(name), id=name) for name in ("one", "other")]
    with suppress(StartFailed):  # killed before it all began
        async with Supervisor([*writers, *members], max_restarts=10_000, name="app") as app:
            one, other = (app.get(Server, name) for name in ("one", "other"))
            helper = AgentServer(
                Agent[object, str](name="helper"), name="helper", model=help, store=store, attempts=1000
            )
            boss = Agent(
                name="boss",
                output_type=[str, transfer_to(other)],
                tools=[
                    agent_tool(one, budget=part),
                    agent_tool(other),
                    agent_tool(WRITERS),
                    agent_tool(helper),
                ],
            )
            spec = AgentServer(
                boss, name="boss", model=FunctionModel(team.lead), store=store, budget=budget, attempts=1000
            )
            lead = await app.start_child(child(spec, id="boss"))
            once: dict[str, int] = {}
            await asyncio.gather(*(asks(lead, team, who, once) for who in range(2)))
            witness.rule(all(number == 1 for number in once.values()), f"answers: {once}")
            await cancelled_in_the_middle(lead)
            await asyncio.sleep(0.01)
            if not loop.kills:
                await at_rest(team, lead, one, other, *WRITERS.members())
            await asyncio.sleep(150)  # what goes on without an asker ends by itself
            await at_rest(team, lead, one, other, *WRITERS.members())
            await asked_once(team, one)
    await asyncio.sleep(40)
    balance = await budget.balance()
    witness.rule(balance.spent.tokens <= min(team.tokens, granted + LARGEST), f"{balance} of {granted}")
    witness.rule(balance.reserved.tokens == 0 and balance.in_flight == 0, f"at rest {balance}")


TREE = Tree(
    name="teams",
    program=program,
    faults=Faults(kill=0.002, victims="app/*", most_kills=6),
    bound=900.0,
    share=0.2,
)
