"""What agents spend, and that nobody tries again behind the account's back."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import pytest
from genai_prices.types import ModelPrice
from pydantic_ai import Agent, ModelMessage, ModelResponse, ModelSettings, UsageLimitExceeded, UsageLimits
from pydantic_ai.messages import TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.usage import RequestUsage

import axon
from axon.agent import AgentServer
from axon.provider import Account, PriceBook, Spent

OWN = {"house": ModelPrice(input_mtok=Decimal(2), output_mtok=Decimal(10))}
MILLION = RequestUsage(input_tokens=1_000_000, output_tokens=100_000)


def priced(name: str, usage: RequestUsage = MILLION) -> FunctionModel:
    async def respond(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=[TextPart("yes")], usage=dataclasses.replace(usage), model_name=name)

    return FunctionModel(respond, model_name=name)


def response(name: str | None, usage: RequestUsage = MILLION, provider: str | None = "openai") -> ModelResponse:
    return ModelResponse(parts=[], usage=usage, model_name=name, provider_name=provider)


def test_a_known_model_costs_what_genai_prices_says() -> None:
    assert PriceBook().cost_of(response("gpt-4o-mini")) == Decimal("0.15") + Decimal("0.06")


def test_ones_own_prices_come_first() -> None:
    cheap = PriceBook({"gpt-4o-mini": ModelPrice(input_mtok=Decimal("0.10"))})
    assert cheap.cost_of(response("gpt-4o-mini")) == Decimal("0.10")


def test_a_model_is_found_by_the_name_it_was_asked_by_too() -> None:
    assert PriceBook(OWN).cost_of(response("house-2026-11-25", provider=None), "house") == Decimal(3)


@pytest.mark.parametrize(
    "unknown",
    [
        response("nobody's", provider=None),
        response(None),
        response("gpt-4o-mini", RequestUsage(unmeasured_requests=1)),
    ],
)
def test_what_nobody_knows_costs_none_and_not_nothing(unknown: ModelResponse) -> None:
    assert PriceBook().cost_of(unknown) is None


def test_what_the_provider_says_it_cost_counts() -> None:
    assert PriceBook().cost_of(response("x", RequestUsage(input_tokens=1, cost=Decimal(7)))) == Decimal(7)


async def test_an_account_adds_up_what_each_agent_spends() -> None:
    account = Account("p", prices=OWN)
    agent = Agent[object, str](name="asker")
    rich = await axon.start(AgentServer(agent, name="rich", model=priced("house"), account=account))
    odd = await axon.start(AgentServer(agent, name="odd", model=priced("nobody's"), account=account))
    await rich.run("hello")
    result = await rich.run("hello")
    assert result.usage.cost == Decimal(3), "the run knows it, so that limits of cost do, too"
    await odd.run("hello")
    status = account.status()
    assert status.spent == Spent(responses=3, tokens=3_300_000, cost=Decimal(6), unpriced=1)
    assert status.agents == {
        "rich": Spent(responses=2, tokens=2_200_000, cost=Decimal(6)),
        "odd": Spent(responses=1, tokens=1_100_000, unpriced=1),
    }
    await axon.stop(rich)
    await axon.stop(odd)


async def test_a_limit_of_cost_goes_by_ones_own_prices() -> None:
    account = Account("p", prices=OWN)
    with pytest.raises(UsageLimitExceeded):
        await Agent(account.model(priced("house"))).run("hello", usage_limits=UsageLimits(cost_limit=Decimal(2)))


async def test_streams_are_paid_for_alike() -> None:
    account = Account("p", prices={"test": ModelPrice(input_mtok=Decimal(1_000_000))})
    writer = await axon.start(AgentServer(Agent[object, str](name="w"), model=TestModel(), account=account))
    pieces = [piece async for piece in writer.run_stream("hello")]
    assert pieces
    spent = account.status().spent
    assert (spent.responses, spent.unpriced) == (1, 0)
    assert spent.cost > 0
    await axon.stop(writer)


async def test_the_retries_of_the_providers_own_client_are_off() -> None:
    """Whatever the agent's settings say; and not for a model that has none to turn off, which would warn."""
    seen: list[ModelSettings | None] = []

    class Client(FunctionModel):
        unsupported_settings = frozenset()

    async def respond(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        seen.append(info.model_settings)
        return ModelResponse(parts=[TextPart("yes")])

    account = Account("p")
    agent = Agent(account.model(Client(respond)))
    await agent.run("hello", model_settings=ModelSettings(max_retries=5, temperature=0.5))
    assert seen == [{"max_retries": 0, "temperature": 0.5}]
    await Agent(account.model(TestModel())).run("hello")
