"""What a client does about refusals, broken connections and silence, before a server that does all of that."""

from __future__ import annotations

import asyncio

import pytest
from rude_server import BREAKS, HANGS, answer, error, events, rude

import axon
from axon import CallTimeout, DeadlineExceeded, InvalidOption
from axon.gateway.client import Client, ErrorAnswer, GatewayUnreachable
from axon.wire import RemoteError

pytestmark = pytest.mark.real_clock

USAGE = {
    "requests": 1,
    "request_tokens": 2,
    "response_tokens": 3,
    "total_tokens": 5,
    "input_tokens": 2,
    "output_tokens": 3,
}
DONE: dict[str, object] = {"result": "yes", "messages": [], "usage": USAGE}
COMPLETE = {"status": "complete", "result": "yes", "usage": USAGE}


def chunk(text: str) -> dict[str, str]:
    return {"status": "chunk", "data": text}


async def test_a_request_carries_its_token_and_a_key_of_its_own() -> None:
    async with rude(answer(200, DONE)) as server, Client(server.url, token="secret") as client:
        first = await client.run_sync("clerk", "Hello", message_history=[])
        await client.run_sync("clerk", "Hello", idempotency_key="mine")
    assert (first.result, first.usage.total_tokens) == ("yes", 5)
    one, two = server.asked
    assert (one.method, one.path, one.body) == (
        "POST",
        "/agents/clerk/run_sync",
        {"prompt": "Hello", "message_history": []},
    )
    assert one.headers["authorization"] == "Bearer secret"
    assert len(one.headers["idempotency-key"]) == 32
    assert two.headers["idempotency-key"] == "mine"


async def test_an_error_of_the_gateway_is_one_typed_error() -> None:
    details = [{"loc": ["prompt"], "msg": "Field required"}]
    async with rude(error(400, "ValidationError", details)) as server, Client(server.url) as client:
        with pytest.raises(ErrorAnswer, match=r"^ValidationError: no \(400\)$") as caught:
            await client.run_sync("clerk", "Hello")
    failed = caught.value
    assert isinstance(failed, RemoteError)
    assert (failed.status, failed.error_type, failed.message, failed.details, failed.retry_after) == (
        400,
        "ValidationError",
        "no",
        details,
        None,
    )
    assert len(server.asked) == 1


async def test_a_refusal_is_tried_again_after_the_pause_that_is_asked_for_with_the_same_key() -> None:
    async with (
        rude(error(503, "Draining", Retry_After="0.2"), answer(200, DONE)) as server,
        Client(server.url) as client,
    ):
        assert (await client.run_sync("clerk", "Hello")).result == "yes"
    first, second = server.asked
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert 0.2 <= second.at - first.at < 0.4


async def test_a_pause_that_is_longer_than_there_is_time_is_not_waited_for() -> None:
    async with rude(error(429, "LimitExceeded", Retry_After="30")) as server, Client(server.url, timeout=5) as client:
        with pytest.raises(ErrorAnswer) as caught:
            await client.run_sync("clerk", "Hello")
    assert (caught.value.status, caught.value.retry_after, len(server.asked)) == (429, 30, 1)


@pytest.mark.parametrize("end", ["ModelRateLimitError", "BudgetExceeded"])
async def test_what_the_run_itself_ended_with_is_not_tried_again(end: str) -> None:
    """Its key stands for that end: the same request would be told that its turn has failed."""
    async with rude(error(429, end, Retry_After="0")) as server, Client(server.url) as client:
        with pytest.raises(ErrorAnswer, match=end):
            await client.run_sync("clerk", "Hello")
    assert len(server.asked) == 1


async def test_a_broken_connection_is_no_trouble_for_what_is_named_by_a_key() -> None:
    async with rude(BREAKS, BREAKS, answer(200, DONE)) as server, Client(server.url) as client:
        assert (await client.run_sync("clerk", "Hello")).result == "yes"
    assert len({asked.headers["idempotency-key"] for asked in server.asked}) == 1
    assert len(server.asked) == 3


async def test_what_cannot_be_done_twice_is_not_sent_twice() -> None:
    async with rude(BREAKS) as server, Client(server.url) as client:
        for request in (client.steer("clerk:1", "hurry"), client.create("clerk", model="test")):
            with pytest.raises(GatewayUnreachable, match=server.url):
                await request
    assert len(server.asked) == 2


async def test_but_what_was_refused_is_since_nothing_was_done_with_it() -> None:
    async with rude(error(503, "NoProcess"), answer(200, {"status": "ok"})) as server, Client(server.url) as client:
        await client.steer("clerk:1", "hurry")
    assert len(server.asked) == 2


async def test_nobody_there_is_said_after_some_attempts() -> None:
    async with rude(BREAKS) as server:
        pass
    async with Client(server.url, attempts=3) as client:
        with pytest.raises(GatewayUnreachable) as caught:
            await client.list()
    assert caught.value.url == server.url
    assert isinstance(caught.value, ConnectionError)


async def test_each_type_of_request_has_a_timeout() -> None:
    async with rude(HANGS) as server, Client(server.url, timeout=10, timeouts={"run_sync": 0.1}) as client:
        with pytest.raises(CallTimeout, match=r"no answer from POST .*/agents/clerk/run_sync within 0.1 s"):
            await client.run_sync("clerk", "Hello")
        waiting = asyncio.create_task(client.list())
        await asyncio.sleep(0.2)
        assert not waiting.done()
        waiting.cancel()


async def test_a_deadline_around_it_goes_along() -> None:
    async with rude(HANGS) as server, Client(server.url) as client:
        with pytest.raises(DeadlineExceeded):
            async with axon.deadline(0.2):
                await client.run_sync("clerk", "Hello")
    assert 0.1 < float(server.asked[0].headers["request-timeout"]) <= 0.2


async def test_a_stream_goes_on_where_it_broke_off_and_every_piece_comes_once() -> None:
    stream = (
        BREAKS,
        events(("1.1", chunk("a")), ("1.2", chunk("b"))) + b"20\r\nevent: chunk\r\nid: 1.3",
        BREAKS,
        error(503, "NoProcess", Retry_After="0"),
        events(("1.3", chunk("c")), ("1.4", COMPLETE), ends=True),
    )
    async with rude(*stream) as server, Client(server.url) as client, client.run_stream("clerk", "Hello") as pieces:
        assert [piece async for piece in pieces] == ["a", "b", "c"]
    assert pieces.answer is not None
    assert (pieces.answer.result, pieces.answer.usage.total_tokens, pieces.last_event_id) == ("yes", 5, "1.4")
    assert [(asked.method, asked.path, asked.headers.get("last-event-id")) for asked in server.asked] == [
        *[("POST", "/agents/clerk/run_stream", None)] * 2,
        *[("GET", "/runs/clerk:1/events", "1.2")] * 3,
    ]
    assert {asked.headers["idempotency-key"] for asked in server.asked[:2]} == {pieces.idempotency_key}


async def test_an_error_in_a_stream_is_raised_behind_what_came_before_it() -> None:
    body = {"status": "error", "error_type": "UnexpectedModelBehavior", "message": "no", "details": None}
    async with rude(events(("1.1", chunk("a")), ("", body))) as server, Client(server.url) as client:
        seen = list[str]()
        with pytest.raises(ErrorAnswer, match=r"^UnexpectedModelBehavior: no$"):
            async for piece in client.run_stream("clerk", "Hello"):
                seen.append(piece)
    assert (seen, len(server.asked)) == (["a"], 1)


async def test_a_stream_that_always_breaks_is_given_up() -> None:
    async with rude(BREAKS) as server, Client(server.url, attempts=3) as client:
        with pytest.raises(GatewayUnreachable):
            await anext(client.run_stream("clerk", "Hello"))
    assert len(server.asked) == 3


def test_options_that_cannot_be_are_refused_by_name() -> None:
    with pytest.raises(InvalidOption, match=r"url must be .*, got: 'agents.example.org'"):
        Client("agents.example.org")
    with pytest.raises(InvalidOption, match="timeout must be a number of seconds > 0, or None, got: 0"):
        Client("http://x", timeout=0)
    with pytest.raises(InvalidOption, match=r"timeouts must be for types of requests: create, .*got: 'runs'"):
        Client("http://x", timeouts={"runs": 1})  # type: ignore[dict-item]
    with pytest.raises(InvalidOption, match="attempts must be a number >= 1, got: 0"):
        Client("http://x", attempts=0)
