"""Requests and tokens a minute: what an account lets through, to whom first, and what never costs anything."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_ai import Agent, ModelMessage, ModelResponse, ModelSettings, RunCancelled
from pydantic_ai.messages import TextPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.usage import RequestUsage

import axon
from axon.agent import AgentServer
from axon.errors import DeadlineExceeded, InvalidOption, WrongLoop
from axon.provider import Account, AccountModel, RequestTooLarge
from axon.provider._tokens import tokens_of
from axon.provider._window import Window
from axon.testing import virtual_clock

EXAMPLES = int(os.environ.get("AXON_EXAMPLES", "100"))


@dataclass
class Provider:
    """Answers at once, and keeps when it was asked by whom; an answer is of so many tokens."""

    takes: float = 0.0
    tokens: int = 0
    asked: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    settings: list[Any] = field(default_factory=list[Any])

    @property
    def model(self) -> FunctionModel:
        return FunctionModel(self._answer, model_name="quick")

    async def _answer(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        prompt = str(messages[-1].parts[-1].content)  # type: ignore[union-attr]
        self.asked.append((asyncio.get_running_loop().time(), prompt.split(maxsplit=1)[0]))
        self.settings.append(info.model_settings)
        await asyncio.sleep(self.takes)
        tokens: int = self.tokens or cast("dict[str, Any]", info.model_settings or {}).get("max_tokens", 0)
        usage = RequestUsage(input_tokens=tokens) if tokens else RequestUsage()
        return ModelResponse(parts=[TextPart("yes")], usage=usage)

    def when(self, who: str) -> list[float]:
        return [at for at, asker in self.asked if asker == who]


@asynccontextmanager
async def agents(
    account: Account, provider: Provider, *names: str
) -> AsyncGenerator[list[AgentServer[object, str]], None]:
    agent = Agent[object, str](name="asker")
    servers = [await axon.start(AgentServer(agent, name=name, model=provider.model, account=account)) for name in names]
    yield servers
    for server in servers:
        await axon.stop(server)


def most_in_a_minute(times: list[float]) -> int:
    return max(sum(at <= other < at + 60 for other in times) for at in times)


async def test_within_any_minute_no_more_requests_are_sent_than_may_be() -> None:
    account, provider = Account("p", requests_per_minute=30), Provider()
    model = account.model(provider.model)
    agent = Agent(model)
    await asyncio.gather(*(agent.run(f"n {number}") for number in range(100)))
    times = [at for at, _ in provider.asked]
    assert most_in_a_minute(times) == 30
    assert times[-1] == pytest.approx(180), "and all of them as soon as that allows"
    assert account.status().requests == 10


async def test_within_any_minute_no_more_tokens_are_used_than_may_be() -> None:
    """What a request will use is learnt from those before it."""
    account = Account("p", tokens_per_minute=1000)
    provider = Provider(takes=1.0, tokens=400)
    agent = Agent(account.model(provider.model))
    for _ in range(5):
        await agent.run("hello")
    assert [at for at, _ in provider.asked] == pytest.approx([0, 1, 60, 61, 120])
    assert account.status().tokens == 400


@given(
    st.integers(1, 50),
    st.lists(st.tuples(st.floats(0, 30), st.integers(1, 50)), max_size=40),
)
@settings(max_examples=EXAMPLES)
def test_the_window_is_exact(limit: int, asked: list[tuple[float, int]]) -> None:
    """Nothing is let in that does not fit, and nothing waits for longer than it must."""
    window, now, let_in = Window(limit), 0.0, list[tuple[float, int]]()

    def fits(at: float, weight: int) -> bool:
        return weight + sum(other for when, other in let_in if when + 60 > at) <= limit

    for pause, weight in asked:
        now += pause
        at = window.next_at(now, weight)
        if weight > limit:
            assert at == math.inf
            continue
        assert fits(at, weight)
        assert at == now or not fits(math.nextafter(at, 0), weight)
        now = at
        window.add(now, weight)
        let_in.append((now, weight))


async def test_a_greedy_agent_does_not_starve_the_others() -> None:
    """One asks a hundred things at once; whoever comes later with one question waits for one of them, not for all."""
    account, provider = Account("p", requests_per_minute=60), Provider()
    # The first minute's sixty are gone at once; from then on there is room whenever one of them is a minute old.
    async with agents(account, provider, "modest", "humble") as (modest, humble):
        greedy = Agent(account.model(provider.model))
        for _ in range(60):
            await greedy.run("warm up")
            await asyncio.sleep(1)
        crowd = [asyncio.create_task(greedy.run(f"greedy {n}")) for n in range(100)]
        await asyncio.sleep(10)
        came = asyncio.get_running_loop().time()
        await asyncio.gather(modest.run("modest"), humble.run("humble"))
        assert provider.when("modest")[0] - came <= 2
        assert provider.when("humble")[0] - came <= 3
        assert len(provider.when("greedy")) < 20
        await asyncio.gather(*crowd)


async def test_fairness_is_by_what_is_used_and_not_by_how_often() -> None:
    """Whoever sends large requests has fewer turns: each agent gets half of the tokens."""
    account, provider = Account("p", tokens_per_minute=6000), Provider()

    async def ask(who: str, max_tokens: int) -> None:
        agent = Agent(AccountModel(provider.model, account, who=who))
        await agent.run(f"{who} x", model_settings=ModelSettings(max_tokens=max_tokens))

    asking = [asyncio.create_task(ask("large", 900)) for _ in range(20)]
    asking += [asyncio.create_task(ask("small", 300)) for _ in range(50)]
    await asyncio.sleep(3 * 60 - 1)
    large, small = (
        tokens * sum(at >= 60 for at in provider.when(who)) for who, tokens in (("large", 900), ("small", 300))
    )
    assert large + small > 10_000
    assert abs(large - small) <= 900, "the first minute went to who came first"
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    assert account.status().waiting == 0


async def test_work_that_was_given_up_costs_nothing() -> None:
    """Cancelled, its deadline passed, its agent stopped: it is gone from the queue, and what it would have used is not."""
    account, provider = Account("p", requests_per_minute=2), Provider()
    async with agents(account, provider, "one", "two") as (one, two):
        plain = Agent(account.model(provider.model))
        await plain.run("a")
        await plain.run("b")
        cancelled = asyncio.create_task(plain.run("cancelled"))
        late = asyncio.create_task(with_deadline(plain, 10))
        turn = asyncio.create_task(one.run("turn"))
        await asyncio.sleep(5)
        assert account.status().waiting == 3
        status = await one.status()
        assert (status.state, status.seconds) == ("throttled", 5)
        cancelled.cancel()
        assert await one.cancel()
        with pytest.raises(RunCancelled):
            await turn
        with pytest.raises(DeadlineExceeded):
            await late
        assert asyncio.get_running_loop().time() == pytest.approx(10)
        with pytest.raises(DeadlineExceeded):
            async with axon.deadline(10):
                await two.run("two")
        await asyncio.gather(cancelled, return_exceptions=True)
        await asyncio.sleep(1)
        assert account.status().waiting == 0
        await asyncio.sleep(100)
        assert [who for _, who in provider.asked] == ["a", "b"]
        assert account.status().requests == 0
        await plain.run("c")
        assert account.status().requests == 1


async def with_deadline(agent: Agent[None, str], seconds: float) -> None:
    async with axon.deadline(seconds):
        await agent.run("late")


async def test_the_turn_that_comes_with_the_end_of_its_deadline_is_not_sent() -> None:
    account, provider = Account("p", requests_per_minute=1), Provider()
    async with agents(account, provider, "one") as (one,):
        await one.run("first")
        with pytest.raises(DeadlineExceeded):
            async with axon.deadline(60):
                await one.run("second")
        await asyncio.sleep(100)
        assert [who for _, who in provider.asked] == ["first"]


async def test_what_is_larger_than_a_whole_minute_is_refused_at_once_and_by_name() -> None:
    account, provider = Account("p", tokens_per_minute=100), Provider()
    async with agents(account, provider, "one") as (one,):
        with pytest.raises(RequestTooLarge) as refused:
            await one.run("word " * 100)
        assert (refused.value.account, refused.value.limit) == ("p", 100)
        assert refused.value.tokens == 125
        assert "tokens_per_minute=100" in str(refused.value)
        assert asyncio.get_running_loop().time() == 0
        assert provider.asked == []
        assert (await one.run("short")).output == "yes", "and its agent goes on"


async def test_a_conversation_counts_with_what_the_provider_said_of_it() -> None:
    said = ModelResponse(parts=[TextPart("x" * 4000)], usage=RequestUsage(input_tokens=70, output_tokens=5))
    agent = Agent(Provider(tokens=70).model)
    result = await agent.run("y" * 400)
    messages = [*result.all_messages()[:-1], said, result.all_messages()[0]]
    assert tokens_of(messages, None, ModelRequestParameters()) == 75 + 100
    assert tokens_of(messages, ModelSettings(max_tokens=1000), ModelRequestParameters()) == 1175
    assert tokens_of(messages[:1], None, ModelRequestParameters()) == 100


@pytest.mark.fifo("needs a thread, which a simulation refuses")
async def test_an_account_belongs_to_one_loop() -> None:
    account, provider = Account("p"), Provider()
    await Agent(account.model(provider.model)).run("here")

    async def status() -> None:
        account.status()

    with pytest.raises(WrongLoop):
        await asyncio.to_thread(lambda: asyncio.run(status()))


def test_one_whose_loop_is_closed_goes_on_in_the_next() -> None:
    account, provider = Account("p", requests_per_minute=1), Provider(tokens=7)

    async def ask() -> None:
        await Agent(account.model(provider.model)).run("x")

    for _ in range(2):
        with asyncio.Runner(loop_factory=virtual_clock) as runner:
            runner.run(ask())

    async def spent() -> int:
        return account.status().spent.responses

    with asyncio.Runner(loop_factory=virtual_clock) as runner:
        assert runner.run(spent()) == 2


@pytest.mark.parametrize(
    "options",
    [
        {"name": ""},
        {"requests_per_minute": 0},
        {"tokens_per_minute": 1.5},
        {"failures": None},
        {"failures": True},
        {"probe_every": 0},
        {"ramp": -1},
        {"retry_parked_after": 0},
        {"prices": {"gpt": 3}},
        {"prices": 3},
    ],
)
def test_bad_options_are_refused_with_their_value(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption) as refused:
        cast("Callable[..., Account]", Account)(**{"name": "p", **options})
    assert refused.value.option == next(iter(options))


def test_an_agent_takes_nothing_else_for_an_account() -> None:
    with pytest.raises(InvalidOption, match="account"):
        AgentServer(Agent(name="x"), account="openai")  # type: ignore[arg-type]
