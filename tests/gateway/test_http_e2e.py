"""The first end-to-end test of the protocol, over HTTP, server-sent events and WebSocket: also with curl."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from http_parts import client, read, said, websocket

from axon.gateway import Gateway, Modules

pytestmark = [pytest.mark.e2e, pytest.mark.real_clock, pytest.mark.slow]

TEST_AGENT = {"agent_id": "test_agent", "agent_module": "agents.example_agent", "model": "test:model"}
HELLO: dict[str, Any] = {"prompt": "Hello, agent!", "message_history": []}


async def curl(*args: str) -> str:
    """What curl prints."""
    process = await asyncio.create_subprocess_exec("curl", "-sS", "--max-time", "20", *args, stdout=-1)
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()


def is_answer(answer: dict[str, Any]) -> bool:
    return (
        set(answer) == {"result", "messages", "usage"}
        and answer["messages"][0]["parts"][0]["content"] == "Hello, agent!"
        and answer["usage"]["total_tokens"] > 0
        and answer["usage"]["request_tokens"] + answer["usage"]["response_tokens"] == answer["usage"]["total_tokens"]
    )


async def test_start_an_agent_and_send_it_a_message(modules: Modules) -> None:
    async with client(Gateway(modules=modules)) as http:
        created = await http.post("/agents", json=TEST_AGENT)
        assert (created.status_code, created.headers["location"]) == (201, "/agents/test_agent")

        answer = await http.post("/agents/test_agent/run_sync", json=HELLO)

        assert answer.status_code == 200
        assert is_answer(answer.json())
        assert (await http.get("/agents")).json()["agents"][0]["agent_id"] == "test_agent"
        assert (await http.delete("/agents/test_agent")).status_code == 204
        assert (await http.post("/agents/test_agent/run_sync", json=HELLO)).status_code == 404


async def test_the_messages_of_an_answer_are_the_history_of_the_next_request(modules: Modules) -> None:
    async with client(Gateway(modules=modules)) as http:
        await http.post("/agents", json=TEST_AGENT)
        messages = (await http.post("/agents/test_agent/run_sync", json=HELLO)).json()["messages"]
        request = {"prompt": "And now?", "message_history": messages}
        again = (await http.post("/agents/test_agent/run_sync", json=request)).json()["messages"]
        assert [message["parts"] for message in again[: len(messages)]] == [message["parts"] for message in messages]
        assert again[len(messages)]["parts"][0]["content"] == "And now?"


async def test_the_same_as_server_sent_events(modules: Modules) -> None:
    async with client(Gateway(modules=modules)) as http:
        await http.post("/agents", json=TEST_AGENT)
        *chunks, last = await read(http, "POST", "/agents/test_agent/run_stream", json=HELLO)
        assert {chunk.event for chunk in chunks} == {"chunk"}
        assert "".join(chunk.data["data"] for chunk in chunks) == last.data["result"]
        assert (last.event, last.data["status"]) == ("complete", "complete")
        assert last.data["usage"]["total_tokens"] > 0


async def test_the_same_over_a_websocket(modules: Modules) -> None:
    async with client(Gateway(modules=modules)) as http:
        await http.post("/agents", json=TEST_AGENT)
        async with websocket(http, "/agents/test_agent/run_stream") as socket:
            await socket.send(json.dumps(HELLO))
            *chunks, last = await said(socket)
            assert socket.close_code == 1000
        assert all(set(chunk) == {"status", "data"} and chunk["status"] == "chunk" for chunk in chunks)
        assert set(last) == {"status", "result", "usage"}
        assert (last["status"], last["result"]) == ("complete", "".join(chunk["data"] for chunk in chunks))


async def test_a_body_that_does_not_say_that_it_is_json_is_told_which_header_it_needs() -> None:
    async with client(Gateway()) as http:
        form = {"Content-Type": "application/x-www-form-urlencoded"}  # what `curl -d` says
        refused = await http.post("/agents/test_agent/run_sync", content=json.dumps(HELLO), headers=form)
        assert refused.status_code == 400
        assert refused.json()["details"][0]["msg"] == "Needs the header Content-Type: application/json"
        assert (await http.post("/agents/test_agent/run_sync", json=[1])).json()["details"][0]["type"] != "no_json"


async def test_the_same_with_curl(modules: Modules) -> None:
    async with client(Gateway(modules=modules)) as http:
        url, body = str(http.base_url).rstrip("/"), ["-H", "Content-Type: application/json", "-d"]
        await curl(f"{url}/agents", *body, json.dumps(TEST_AGENT))
        assert is_answer(json.loads(await curl(f"{url}/agents/test_agent/run_sync", *body, json.dumps(HELLO))))
        stream = await curl("-N", f"{url}/agents/test_agent/run_stream", *body, json.dumps(HELLO))
        assert stream.startswith("id: ")
        assert stream.rstrip().rpartition("\n")[2].startswith('data: {"status":"complete"')
