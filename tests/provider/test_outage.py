"""Two hundred agents, one account, the real client of OpenAI: what an outage of the provider does to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal

import httpx2
import pytest
from openai import AsyncOpenAI
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from sky import Fleet, Sky, until

import axon
from axon.agent import AgentServer
from axon.provider import Account, AccountParked, BreakerClosed, BreakerOpened, RampEnded
from axon.telemetry import ChildRestarted, Event, ProcessCrashed, attach

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.usefixtures("own_provider")]

AGENTS = 200


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The times of a test, in seconds: how long a minute of the outage is, and what is not shortened with it."""

    minute: float
    rest: float
    """Of each agent between two questions."""
    request_timeout: float
    is_exact: bool
    """Whether the clock is; on a real one requests come a little later than they were sent."""

    def s(self, seconds: float) -> float:
        return seconds * self.minute / 60


@asynccontextmanager
async def in_process(sky: Sky) -> AsyncGenerator[AsyncOpenAI]:
    """The real client over a transport without sockets, which takes half a second for an answer."""

    async def respond(request: httpx2.Request) -> httpx2.Response:
        answer = sky.answer()
        if answer is None:
            await asyncio.sleep(3600)
            raise AssertionError("nobody waits for an hour")
        await asyncio.sleep(0.5)
        return httpx2.Response(answer.status, headers=answer.headers, content=answer.content)

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(respond)) as client:
        yield AsyncOpenAI(api_key="none", base_url="http://provider.test/v1", http_client=client)


@asynccontextmanager
async def on_the_loopback(sky: Sky) -> AsyncGenerator[AsyncOpenAI]:
    """The real client over real sockets."""
    stalled = set[asyncio.StreamWriter]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:")
                await reader.readexactly(length)
                answer = sky.answer()
                if answer is None:
                    stalled.add(writer)
                    await reader.read(1)  # until the client gives up
                    return
                headers = {**answer.headers, "content-type": "application/json"}
                lines = [f"HTTP/1.1 {answer.status} X", *(f"{name}: {value}" for name, value in headers.items())]
                lines += [f"content-length: {len(answer.content)}", "", ""]
                writer.write("\r\n".join(lines).encode() + answer.content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    limits = httpx2.Limits(max_connections=AGENTS, max_keepalive_connections=AGENTS)
    async with server:
        async with httpx2.AsyncClient(limits=limits) as client:
            yield AsyncOpenAI(api_key="none", base_url=f"http://127.0.0.1:{port}/v1", http_client=client)
        server.close()
        await asyncio.sleep(0.05)  # for the server's side of the connections to end


async def an_outage(sky: Sky, client: AsyncOpenAI, scale: Scale, account: Account) -> None:
    """Ten minutes of rate limits, then errors, stalls, and the end of the money."""
    s, loop = scale.s, asyncio.get_running_loop()
    events: list[Event] = []
    attach(events.append, BreakerOpened, BreakerClosed, RampEnded, AccountParked, ChildRestarted, ProcessCrashed)
    model = OpenAIChatModel("gpt-4o-mini", provider=OpenAIProvider(openai_client=client))
    fleet = Fleet(account, model, AGENTS, rest=scale.rest, request_timeout=scale.request_timeout)

    def probes_keep_within(a_minute: int, since: float) -> None:
        minutes = (loop.time() - since) / scale.minute
        assert len(sky.hits_between(since, loop.time())) <= a_minute * minutes + 2  # the first, and one on its way
        if scale.is_exact:
            assert sky.most_in(scale.minute, since, loop.time()) <= a_minute

    async def recovers() -> None:
        """Whoever waited is served, and the rate is the full one, within 30 s; and nobody comes in a herd."""
        back, waited = sky.becomes("fine"), account.status().waiting
        await until(lambda: (account.status().state, account.status().waiting) == ("closed", 0), s(0.1))
        await until(lambda: sum(at >= back for at in fleet.answered) >= waited, s(0.1))
        assert loop.time() - back < 30
        if scale.is_exact:
            assert sky.most_in(1.0, back, loop.time()) <= 30, "of all who waited"

    async with AsyncExitStack() as stack:
        await fleet.start(stack)
        await until(lambda: len(fleet.answered) >= AGENTS, s(1))

        # Rate limits: everybody waits as long as the provider says, and a few ask whether it is over.
        began = sky.becomes("limit with retry-after")
        await until(lambda: not account.is_well, s(0.1))
        first = await until(lambda: account.status().in_flight <= 1, s(0.1))  # those on their way when it opened
        await asyncio.sleep(began + s(300) - loop.time())
        probes_keep_within(3, first)
        without = sky.becomes("limit")
        await asyncio.sleep(s(300))
        probes_keep_within(12, without)
        assert len(sky.hits_between(without, loop.time())) >= (50 if scale.is_exact else 5), "and yet it asks"
        await fleet.all_are("throttled", but=1)  # which may be the probe

        broken = sky.becomes("broken")
        await asyncio.sleep(s(60))
        probes_keep_within(12, broken)
        if scale.is_exact:
            await recovers()

        # Stalls: nothing comes any more. Whoever has asked hangs until the limit of a request, then all wait.
        sky.becomes("stall")
        still = await until(lambda: not account.is_well, s(0.1))
        await asyncio.sleep(s(90))
        probes_keep_within(12, still)
        await recovers()

        # No money: nobody asks, and everybody is told so.
        sky.becomes("quota")
        await until(lambda: account.status().state == "parked", s(0.1))
        await fleet.all_are("parked", but=0)
        empty = loop.time()
        await asyncio.sleep(s(120))
        assert sky.hits_between(empty, loop.time()) == []
        one = await fleet.agents[0].status()
        assert one.resumes_in is None
        assert one.error is not None
        assert "insufficient_quota" in one.error
        sky.weather = "fine"
        account.resume()
        await recovers()
        assert fleet.failed == []
    assert [event for event in events if isinstance(event, ChildRestarted | ProcessCrashed)] == []
    told = [type(event).__name__ for event in events]
    outage, parking = ["BreakerOpened", "BreakerClosed", "RampEnded"], ["AccountParked", "BreakerClosed", "RampEnded"]
    if scale.is_exact:
        assert told == [*outage, *outage, *parking]
    else:  # on a loaded machine even the loopback may stand still now and then
        assert (told[0], told.count("AccountParked"), told[-1]) == ("BreakerOpened", 1, "RampEnded")


async def test_two_hundred_agents_sit_out_ten_minutes_and_more() -> None:
    """On virtual time, at full scale."""
    sky, scale = Sky(), Scale(minute=60, rest=30, request_timeout=30, is_exact=True)
    async with in_process(sky) as client:
        await an_outage(sky, client, scale, Account("openai"))


@pytest.mark.real_clock
async def test_two_hundred_agents_over_real_sockets() -> None:
    """The same with a minute of 0.3 s, and one recovery less; agents take the time they take."""
    scale = Scale(minute=0.3, rest=4.0, request_timeout=5.0, is_exact=False)
    sky = Sky(retry_after=scale.s(20))
    account = Account("openai", probe_every=scale.s(5), ramp=2.0)
    async with on_the_loopback(sky) as client:
        await an_outage(sky, client, scale, account)


CHUNKS = (
    '{"id":"1","object":"chat.completion.chunk","created":1,"model":"gpt-4o-mini","choices":[{"index":0,"delta":{"role":"assistant","content":"Do"},"finish_reason":null}]}',
    '{"id":"1","object":"chat.completion.chunk","created":1,"model":"gpt-4o-mini","choices":[{"index":0,"delta":{"content":"ne."},"finish_reason":"stop"}]}',
    '{"id":"1","object":"chat.completion.chunk","created":1,"model":"gpt-4o-mini","choices":[],"usage":{"prompt_tokens":20,"completion_tokens":5,"total_tokens":25}}',
    "[DONE]",
)


async def test_streams_of_the_real_client_wait_and_are_paid_for_alike() -> None:
    """Refused before it began, then broken off in the middle, and at last whole."""
    asked: list[float] = []

    async def respond(request: httpx2.Request) -> httpx2.Response:
        asked.append(asyncio.get_running_loop().time())
        if len(asked) == 1:
            return httpx2.Response(429, headers={"retry-after": "30"}, json={"error": {"message": "Slow down"}})
        chunks = [f"data: {chunk}\n\n".encode() for chunk in CHUNKS]

        async def body() -> AsyncGenerator[bytes]:
            yield chunks[0]
            await asyncio.sleep(1)
            if len(asked) == 2:
                raise httpx2.ReadError("reset")
            for chunk in chunks[1:]:
                yield chunk

        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body())

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(respond)) as http:
        client = AsyncOpenAI(api_key="none", base_url="http://provider.test/v1", http_client=http)
        model = OpenAIChatModel("gpt-4o-mini", provider=OpenAIProvider(openai_client=client))
        account = Account("openai", failures=1)
        server = await axon.start(AgentServer(Agent[object, str](name="w"), name="w", model=model, account=account))
        pieces = [piece async for piece in server.run_stream("Work")]
        assert "".join(pieces).endswith("Done.")
        assert len(asked) == 3
        assert 30 <= asked[1] - asked[0] <= 33
        spent = account.status().agents["w"]
        assert (spent.tokens, spent.unpriced) == (25, 0)
        assert spent.cost == Decimal("0.000006")
        assert (await server.usage()).cost == spent.cost
        await axon.stop(server)
