import asyncio

import pytest
from fakes import FakeLedger
from pydantic_ai import ModelAPIError, ModelHTTPError, ModelRequestTimeout
from pydantic_ai.messages import ToolReturnPart
from seller import seller
from shop import Stock

import axon
from axon.agent import AgentServer
from axon.testing.models import CallTool, Fail, Say, ScriptedModel, Stall


async def test_the_seller_reserves_and_says_so() -> None:
    stock = await axon.start(Stock(FakeLedger()))
    model = ScriptedModel(CallTool("reserve", {"customer": "ann"}), Say("It is yours."))
    agent = await axon.start(AgentServer(seller, model=model, deps=stock))
    assert (await agent.run("A bicycle for Ann, please")).output == "It is yours."
    assert await stock.left() == 0
    [answer] = [part for part in model.asked[1][-1].parts if isinstance(part, ToolReturnPart)]
    assert answer.content == "reserved"
    assert model.is_done


async def test_an_answer_comes_word_by_word() -> None:
    model = ScriptedModel(Say("It is yours.", after=3, every=0.5))
    agent = await axon.start(AgentServer(seller, model=model))
    loop = asyncio.get_running_loop()
    seen = [(loop.time(), text) async for text in agent.run_stream("Please")]
    assert seen == [(3.0, "It "), (3.5, "is "), (4.0, "yours.")]


@pytest.mark.parametrize(
    "error",
    [
        ModelHTTPError(429, "m", {"error": {"code": "rate_limit_exceeded"}}),
        ModelHTTPError(401, "m", {"error": {"code": "invalid_api_key"}}),
        ModelHTTPError(400, "m", {"error": {"code": "context_length_exceeded"}}),
        ModelHTTPError(529, "m", {"error": {"type": "overloaded_error"}}),
        ModelAPIError("m", "connection reset"),
    ],
    ids=["rate limit", "key", "too long", "overloaded", "network"],
)
async def test_a_failing_provider_fails_the_run_and_not_the_agent(error: Exception) -> None:
    model = ScriptedModel(Fail(error, after=2), Say("Hello again."))
    agent = await axon.start(AgentServer(seller, model=model))
    with pytest.raises(type(error)):
        await agent.run("Hello")
    assert (await agent.run("Hello")).output == "Hello again."


async def test_a_stream_breaks_off() -> None:
    model = ScriptedModel([Say("It is "), Fail(ConnectionError("reset"))])
    agent = await axon.start(AgentServer(seller, model=model))
    heard = ""
    with pytest.raises(ConnectionError):
        async for piece in agent.run_stream("Please"):
            heard += piece
    assert heard == "It is "


async def test_a_model_that_stalls_is_given_up_after_two_minutes() -> None:
    agent = await axon.start(AgentServer(seller, model=ScriptedModel([Say("It is "), Stall()])))
    with pytest.raises(ModelRequestTimeout):
        await agent.run("Please")
    assert asyncio.get_running_loop().time() == 120
