"""The weather of an account: what opens and parks it, who notices, what is said, and how it comes back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic_ai import Agent, ModelMessage, ModelResponse
from pydantic_ai import exceptions as raised
from pydantic_ai.exceptions import (
    ModelConnectionError,
    ModelHTTPError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestTimeout,
    ModelServerError,
)
from pydantic_ai.messages import TextPart
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import AgentInfo, FunctionModel

import axon
from axon import Supervisor, child
from axon.agent import AgentServer, FirstTokenTimeout
from axon.errors import DeadlineExceeded
from axon.provider import (
    Account,
    AccountParked,
    BreakerClosed,
    BreakerHalfOpened,
    BreakerOpened,
    Kind,
    RampEnded,
    kind_of,
)
from axon.store import MemoryStore
from axon.telemetry import Event, attach
from axon.testing.models import Fail, Say, ScriptedModel, Stall

LIMIT = ModelRateLimitError("m", "slow down")
QUOTA = ModelQuotaExceededError("m", "no more")
EVENTS = (BreakerOpened, BreakerHalfOpened, BreakerClosed, RampEnded, AccountParked)


@dataclass
class Provider:
    """Answers in a second, or fails with `error` after as long; `asked` is when."""

    error: Exception | None = None
    asked: list[float] = field(default_factory=list[float])

    def model(self, name: str = "m") -> FunctionModel:
        return FunctionModel(self._answer, model_name=name)

    async def _answer(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        self.asked.append(now())
        await asyncio.sleep(1)
        if self.error is not None:
            raise self.error
        return ModelResponse(parts=[TextPart("yes")])


def now() -> float:
    return asyncio.get_running_loop().time()


def heard() -> list[Event]:
    events: list[Event] = []
    attach(events.append, *EVENTS)
    return events


def names(events: Sequence[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


@asynccontextmanager
async def one_agent(account: Account, model: Any, **options: Any) -> AsyncGenerator[AgentServer[object, str], None]:
    """Under a supervisor that takes no restart."""
    server = AgentServer(Agent[object, str](name="asker"), name="asker", model=model, account=account, **options)
    async with Supervisor([child(server, id="asker")], max_restarts=0) as top:
        yield top.get(AgentServer[object, str], "asker")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (LIMIT, "limit"),
        (ModelHTTPError.for_category(raised.ModelRateLimitError, status_code=429, model_name="m"), "limit"),
        (ModelHTTPError(429, "m"), "limit"),
        (raised.ModelOverloadedError("m", "x"), "limit"),
        (ModelHTTPError(529, "m"), "limit"),
        (raised.ModelUnavailableError("m", "x"), "failure"),
        (ModelServerError("m", "x"), "failure"),
        (ModelHTTPError(500, "m"), "failure"),
        (ModelHTTPError(408, "m"), "failure"),
        (ModelConnectionError("m", "x"), "failure"),
        (raised.ModelTimeoutError("m", "x"), "failure"),
        (ModelRequestTimeout("m", 3), "failure"),
        (raised.ModelAPIError("m", "the body is no JSON"), "failure"),
        (ModelQuotaExceededError("m", "x"), "quota"),
        (raised.ModelAuthenticationError("m", "x"), "auth"),
        (ModelHTTPError(400, "m"), "own"),
        (ModelHTTPError(409, "m"), "own"),
        (raised.ModelNotFoundError("m", "x"), "own"),
        (raised.ModelContextWindowExceededError("m", "x"), "own"),
        (raised.UsageLimitExceeded("x"), "own"),
        (raised.UnexpectedModelBehavior("x"), "own"),
        (raised.UserError("x"), "own"),
        (ValueError("x"), "own"),
        (ExceptionGroup("all models failed", [ModelHTTPError(400, "a"), ModelServerError("b", "x")]), "failure"),
        (ExceptionGroup("all models failed", [ModelQuotaExceededError("a", "x")]), "own"),
    ],
)
def test_the_kinds(error: BaseException, kind: Kind) -> None:
    assert kind_of(error) == kind


@pytest.mark.parametrize("store", [False, True])
async def test_an_agent_sits_out_an_outage_and_nobody_notices(store: bool) -> None:
    """Neither a restart nor an attempt is used up, whatever the outage takes; with a store and without."""
    account, provider = Account("p"), Provider(ModelServerError("m", "broken"))
    events = heard()
    options = {"store": MemoryStore()} if store else {}
    async with one_agent(account, provider.model(), **options) as agent:
        run = asyncio.create_task(agent.run("hello"))
        await asyncio.sleep(3600)
        assert not run.done()
        while account.status().state == "half_open":  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        status = await agent.status()
        assert (status.state, status.error) == ("throttled", "ModelServerError: broken")
        assert status.seconds < 7
        assert status.resumes_in is not None
        assert 0 < status.resumes_in <= 5.5
        assert account.status().state == "open"
        provider.error = None
        result = await run
        assert (result.output, result.usage.requests) == ("yes", 1)
        assert len(result.all_messages()) == 2, "the history knows nothing of it"
        await asyncio.sleep(30)
    assert names(events)[0] == "BreakerOpened"
    assert names(events)[-2:] == ["BreakerClosed", "RampEnded"]


async def test_failures_of_one_request_in_good_weather_are_its_own() -> None:
    """As without an account: the first two of three failures are raised, and the agent does what its table says."""
    account, provider = Account("p"), Provider(ModelServerError("m", "broken"))
    plain = Agent(account.model(provider.model()))
    for _ in range(2):
        with pytest.raises(ModelServerError):
            await plain.run("hello")
    assert account.status().state == "closed"
    third = asyncio.create_task(plain.run("hello"))
    await asyncio.sleep(2)
    assert account.status().state == "open"
    provider.error = None
    assert (await third).output == "yes"


@pytest.mark.parametrize("error", [ModelHTTPError(400, "m"), raised.ModelNotFoundError("m", "x"), ValueError("bug")])
async def test_what_is_wrong_with_one_agent_is_not_the_accounts(error: Exception) -> None:
    account, provider = Account("p"), Provider(error)
    async with one_agent(account, provider.model()) as agent:
        for _ in range(10):
            with pytest.raises(type(error)):
                await agent.run("hello")
    assert account.status().state == "closed"
    assert len(provider.asked) == 10


async def test_a_bad_request_as_the_probe_is_raised_and_the_next_probe_is_anothers() -> None:
    account, provider = Account("p"), Provider(LIMIT)
    plain = Agent(account.model(provider.model()))
    runs = [asyncio.create_task(plain.run("hello")) for _ in range(2)]
    await asyncio.sleep(2)
    provider.error = ModelHTTPError(400, "m")
    await asyncio.sleep(6)
    assert account.status().state == "open"
    provider.error = None
    await asyncio.wait(runs)
    assert sorted(str(run.exception() or run.result().output)[:11] for run in runs) == ["status_code", "yes"]
    assert account.status().state == "ramp"


async def test_a_retry_after_holds_everybody_and_is_never_undercut() -> None:
    account, provider = Account("p"), Provider(ModelRateLimitError("m", "slow down", retry_after=90))
    plain = Agent(account.model(provider.model()))
    runs = [asyncio.create_task(plain.run("hello")) for _ in range(5)]
    await asyncio.sleep(10)
    runs.append(asyncio.create_task(plain.run("later")))
    await asyncio.sleep(0.1)
    status = account.status()
    assert (status.state, status.waiting) == ("open", 6)
    assert status.resumes_in is not None
    assert 81 <= status.resumes_in <= 90
    provider.error = None
    await asyncio.gather(*runs)
    assert len([at for at in provider.asked if at < 91]) == 5
    assert 91 <= min(at for at in provider.asked if at > 10) <= 100


async def test_agents_do_not_come_back_in_a_herd() -> None:
    """After the recovery they are let through more and more quickly; at the full rate there is no queue any more."""
    account, provider = Account("p"), Provider(LIMIT)
    plain = Agent(account.model(provider.model()))
    runs = [asyncio.create_task(plain.run("hello")) for _ in range(100)]
    await asyncio.sleep(60)
    provider.error, back = None, now()
    await asyncio.gather(*runs)
    assert now() - back <= 30
    asked = [at for at in provider.asked if at >= back]
    assert max(sum(at <= other < at + 1 for other in asked) for at in asked) <= 11


async def test_its_deadline_still_holds() -> None:
    account, provider = Account("p"), Provider(LIMIT)
    async with one_agent(account, provider.model()) as agent:
        began = now()
        with pytest.raises(DeadlineExceeded):
            async with axon.deadline(100):
                await agent.run("hello")
        assert now() - began == 100
        await asyncio.sleep(0.1)
        assert (await agent.status()).state == "idle"
        assert account.status().waiting == 0


async def test_a_request_that_hangs_is_the_provider_standing_still() -> None:
    """Each try has the whole `request_timeout`, and waiting does not count."""
    account = Account("p")
    model = ScriptedModel(*[Stall()] * 8, [Stall(100), Say("at last")])
    async with one_agent(account, model) as agent:
        run = asyncio.create_task(agent.run("hello"))
        await asyncio.sleep(3 * 120 + 10)
        assert account.status().state in ("open", "half_open")
        assert (await run).output == "at last"
        assert model.is_done


@pytest.mark.parametrize("beginning", [[], [Say("so far")]])
async def test_a_stream_that_stands_still_is_the_provider_standing_still(beginning: list[Say]) -> None:
    """Also without a store, and the readers see what the new try says; while it waits no limit of a stream runs."""
    account = Account("p", failures=1, retry_parked_after=None)
    model = ScriptedModel(
        [*beginning, Stall()], Fail(LIMIT), Fail(ModelRateLimitError("m", "x", retry_after=300)), Say("done")
    )
    events = heard()
    async with one_agent(account, model) as agent:
        pieces = [piece async for piece in agent.run_stream("hello")]
        assert "".join(pieces).endswith("done")
        assert now() > 360
    assert names(events)[0] == "BreakerOpened"
    assert isinstance(events[0], BreakerOpened)
    assert events[0].error == "its answers stand still"


async def test_without_an_account_nothing_is_different() -> None:
    model = ScriptedModel(Fail(LIMIT), Stall())
    server = await axon.start(AgentServer(Agent[object, str](name="asker"), model=model))
    with pytest.raises(ModelRateLimitError):
        await server.run("hello")
    with pytest.raises(FirstTokenTimeout):
        _ = [piece async for piece in server.run_stream("hello")]
    await axon.stop(server)


async def test_the_end_of_the_money_parks_everybody_until_somebody_resumes() -> None:
    account, provider = Account("p"), Provider(ModelQuotaExceededError("m", "You exceeded your current quota"))
    events = heard()
    async with one_agent(account, provider.model()) as agent:
        run = asyncio.create_task(agent.run("hello"))
        await asyncio.sleep(86_400)
        assert provider.asked == [0]
        status = await agent.status()
        assert (status.state, status.resumes_in) == ("parked", None)
        assert status.seconds == 86_399
        assert status.error == "ModelQuotaExceededError: You exceeded your current quota"
        assert account.status().state == "parked"
        account.resume()
        await asyncio.sleep(2)
        assert account.status().state == "parked", "there still is none"
        await asyncio.sleep(100)
        assert len(provider.asked) == 2
        provider.error = None
        account.resume()
        assert (await run).output == "yes"
    assert names(events) == [
        *("AccountParked", "BreakerHalfOpened", "AccountParked"),
        *("BreakerHalfOpened", "BreakerClosed"),
    ]


async def test_a_parked_account_is_tried_again_when_it_says_when() -> None:
    """The provider's word comes before the option."""
    account, provider = Account("p", retry_parked_after=3600), Provider(ModelQuotaExceededError("m", "no more"))
    plain = Agent(account.model(provider.model()))
    run = asyncio.create_task(plain.run("hello"))
    await asyncio.sleep(10)
    resumes_in = account.status().resumes_in
    assert resumes_in is not None
    assert 3580 <= resumes_in <= 3951
    provider.error = ModelQuotaExceededError("m", "no more", retry_after=60)
    account.resume()
    await asyncio.sleep(20)
    assert account.status().state == "parked"
    provider.error = None
    assert (await run).output == "yes"
    assert 70 <= provider.asked[-1] <= 80


async def test_what_a_request_of_before_says_is_not_the_reason() -> None:
    """It went out before the account was parked, and fails for something else long after."""
    account = Account("p")
    model = ScriptedModel([Stall(50), Fail(ModelServerError("m", "broken"))], Fail(QUOTA), Say("a"), Say("b"))
    plain = Agent(account.model(model))
    runs = [asyncio.create_task(plain.run("hello")) for _ in range(2)]
    await asyncio.sleep(60)
    status = account.status()
    assert (status.state, status.error, status.waiting) == ("parked", "ModelQuotaExceededError: no more", 2)
    account.resume()
    await asyncio.gather(*runs)


def refused(status: int, model: str) -> ModelHTTPError:
    return ModelHTTPError.for_category(raised.ModelAuthenticationError, status_code=status, model_name=model)


async def test_a_key_that_is_refused_parks_the_account() -> None:
    account, provider = Account("p"), Provider(refused(401, "m"))
    run = asyncio.create_task(Agent(account.model(provider.model())).run("hello"))
    await asyncio.sleep(60)
    assert account.status().state == "parked"
    provider.error = None
    account.resume()
    await run


async def test_a_model_that_the_account_never_had_is_no_reason_to_park_it() -> None:
    """A 403 may be about one model; one that was answered before, or the only one, says that access is gone."""
    account, provider = Account("p"), Provider()
    await Agent(account.model(provider.model("allowed"))).run("hello")
    provider.error = refused(403, "secret")
    with pytest.raises(raised.ModelAuthenticationError):
        await Agent(account.model(provider.model("secret"))).run("hello")
    assert account.status().state == "closed"
    provider.error = refused(403, "allowed")
    run = asyncio.create_task(Agent(account.model(provider.model("allowed"))).run("hello"))
    await asyncio.sleep(10)
    assert account.status().state == "parked"
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)


async def test_a_probe_that_is_given_up_makes_room_for_the_next() -> None:
    account, provider = Account("p"), Provider(LIMIT)
    plain = Agent(account.model(provider.model()))
    first = asyncio.create_task(plain.run("hello"))
    await asyncio.sleep(4)
    second = asyncio.create_task(plain.run("hello"))
    provider.error = None
    while account.status().state != "half_open":  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    first.cancel()
    await asyncio.sleep(0.1)
    assert account.status().state == "open"
    assert (await second).output == "yes"
    await asyncio.gather(first, return_exceptions=True)


async def test_a_fallback_within_an_account_of_each_model_falls_back_in_good_weather() -> None:
    bad, good = Provider(ModelServerError("bad", "x")), Provider()
    one, other = Account("one"), Account("other")
    model = FallbackModel(one.model(bad.model()), other.model(good.model()))
    assert (await Agent(model).run("hello")).output == "yes"


async def test_what_happens_to_an_account_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    account, provider = Account("openai"), Provider(LIMIT)
    with caplog.at_level(logging.INFO, "axon"):
        run = asyncio.create_task(Agent(account.model(provider.model())).run("hello"))
        await asyncio.sleep(3)
        provider.error = ModelQuotaExceededError("m", "no more")
        await asyncio.sleep(10)
        provider.error = None
        account.resume()
        await run
        await asyncio.sleep(30)
    lines = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert [(level, line.split(" path=")[0]) for level, line in lines] == [
        ("WARNING", "provider account open"),
        ("INFO", "provider account half-open"),
        ("ERROR", "provider account parked"),
        ("INFO", "provider account half-open"),
        ("WARNING", "provider account closed, ramp begins"),
        ("INFO", "provider account at full rate"),
    ]
    parked = lines[2][1]
    assert "account=openai" in parked
    assert "error=ModelQuotaExceededError: no more" in parked
    assert "call resume() of the account" in parked
