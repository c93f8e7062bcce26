"""Runs over HTTP: begun, asked for, steered, decided and ended; keys and deadlines by header; errors with their status."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from gateway_parts import talker
from http_parts import ADA, BOB, TOKENS, bearer, client, said, websocket
from pydantic_ai import Agent, BinaryContent, CallDeferred, ModelHTTPError
from pydantic_ai.exceptions import ModelRateLimitError
from pydantic_ai.messages import ModelMessagesTypeAdapter, ModelRequest, UserPromptPart

import axon
from axon.agent import AgentServer
from axon.gateway import Gateway, RequestBroke, RequestServed
from axon.store import MemoryStore
from axon.testing import capture_events, eventually
from axon.testing.models import CallTool, Fail, Say, ScriptedModel, Stall

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

HI = {"prompt": "hi"}


def careful(*script: Any) -> AgentServer[Any, Any]:
    """An agent that asks before it books, and has its bills paid by somebody else."""
    agent = Agent(ScriptedModel(*script))

    @agent.tool_plain(requires_approval=True)
    def book(room: int) -> str:
        return f"booked {room}"

    @agent.tool_plain
    def pay(amount: int) -> str:
        raise CallDeferred

    return AgentServer(agent, name="clerk", store=MemoryStore())


async def test_a_run_is_begun_and_asked_for_later() -> None:
    gateway = Gateway()
    async with client(gateway) as http:
        await gateway.serve(talker(Say("one two", after=0.1)))
        begun = await http.post("/agents/talker/run", json=HI)
        assert begun.status_code == 202
        run_id = begun.json()["run_id"]
        assert begun.headers["location"] == f"/runs/{run_id}"
        running = (await http.get(f"/runs/{run_id}")).json()
        assert (running["status"], running["doing"]["state"], running["agent_id"]) == ("running", "thinking", "talker")
        assert (await http.get(f"/runs/{run_id}/result")).json()["result"] == "one two"
        assert (await http.get(f"/runs/{run_id}")).json()["status"] == "committed"


async def test_a_request_made_again_with_its_key_has_the_same_answer() -> None:
    gateway = Gateway()
    async with client(gateway) as http:
        await gateway.serve(talker(Say("once")))
        key = {"Idempotency-Key": "order-7"}
        answers = [await http.post("/agents/talker/run_sync", json=HI, headers=key) for _ in range(2)]
        assert [answer.json()["result"] for answer in answers] == ["once", "once"]
        assert answers[0].headers["run-id"] == "talker:order-7"
        other = await http.post("/agents/talker/run_sync", json={"prompt": "no"}, headers=key)
        assert (other.status_code, other.json()["error_type"]) == (409, "MessageIdReused")


async def test_a_key_in_the_request_is_as_good() -> None:
    gateway = Gateway()
    async with client(gateway) as http:
        await gateway.serve(talker(Say("once")))
        for _ in range(2):
            answer = await http.post("/agents/talker/run_sync", json=HI | {"idempotency_key": "order-7"})
            assert answer.headers["run-id"] == "talker:order-7"


async def test_a_deadline_ends_the_run_and_is_told_as_504() -> None:
    gateway = Gateway()
    async with client(gateway) as http:
        agent = await gateway.serve(talker(Stall(), Say("quick")))
        late = await http.post("/agents/talker/run_sync", json=HI, headers={"Request-Timeout": "0.1"})
        assert (late.status_code, late.json()["error_type"]) == (504, "DeadlineExceeded")
        await eventually(lambda: _is_idle(agent))
        assert (await http.post("/agents/talker/run_sync", json=HI)).json()["result"] == "quick"


async def _is_idle(agent: AgentServer[Any, Any]) -> bool:
    return (await agent.status()).state == "idle"


async def test_who_waits_for_a_result_no_longer_does_not_end_the_run() -> None:
    gateway = Gateway()
    async with client(gateway) as http:
        await gateway.serve(talker(Say("slow", after=0.3)))
        run_id = (await http.post("/agents/talker/run", json=HI)).json()["run_id"]
        late = await http.get(f"/runs/{run_id}/result", headers={"Request-Timeout": "0.05"})
        assert late.status_code == 504
        assert (await http.get(f"/runs/{run_id}/result")).json()["result"] == "slow"


async def test_a_run_is_steered_and_cancelled() -> None:
    gateway = Gateway()
    async with client(gateway) as http:
        await gateway.serve(talker(Stall()))
        run_id = (await http.post("/agents/talker/run", json=HI)).json()["run_id"]
        waiting = asyncio.create_task(http.get(f"/runs/{run_id}/result"))
        assert (await http.post(f"/runs/{run_id}/steer", json={"message": "be quick"})).json() == {"steered": True}
        assert (await http.post(f"/runs/{run_id}/cancel")).json() == {"cancelled": True}
        assert ((await waiting).status_code, (await waiting).json()["error_type"]) == (499, "RunCancelled")
        assert (await http.get(f"/runs/{run_id}")).json()["status"] == "cancelled"
        assert (await http.post(f"/runs/{run_id}/cancel")).json() == {"cancelled": False}


async def test_a_tool_call_is_approved_or_denied_by_run() -> None:
    gateway = Gateway()
    async with client(gateway) as http:
        await gateway.serve(careful(CallTool("book", {"room": 7}), CallTool("book", {"room": 8}), Say("done")))
        run_id = (await http.post("/agents/clerk/run", json=HI)).json()["run_id"]

        async def asked(room: int) -> bool:
            approvals = (await http.get(f"/runs/{run_id}")).json()["approvals"]
            return [(one["tool"], one["args"]) for one in approvals] == [("book", {"room": room})]

        await eventually(lambda: asked(7))
        approved = await http.post(f"/runs/{run_id}/approve", json={})
        assert approved.status_code == 200, approved.text
        await eventually(lambda: asked(8))
        assert (await http.post(f"/runs/{run_id}/deny", json={"message": "not that one"})).status_code == 200
        messages = (await http.get(f"/runs/{run_id}/result")).text
        assert "booked 7" in messages
        assert "not that one" in messages
        assert (await http.post(f"/runs/{run_id}/approve", json={})).status_code == 404


async def test_who_has_the_scope_decides_for_runs_of_others() -> None:
    gateway = Gateway(tokens=TOKENS)
    async with client(gateway, ADA) as http:
        await gateway.serve(careful(CallTool("book", {"room": 7}), Say("done")))
        run_id = (await http.post("/agents/clerk/run", json=HI)).json()["run_id"]

        async def asked() -> list[Any]:
            found: list[Any] = (await http.get("/agents/clerk/approvals", headers=bearer(BOB))).json()["approvals"]
            return found

        [approval] = await eventually(asked)
        by_bob: dict[str, Any] = {"json": {"id": approval["id"]}, "headers": bearer(BOB)}
        assert (await http.post(f"/runs/{run_id}/approve", **by_bob)).status_code == 404
        assert (await http.post("/agents/clerk/approve", **by_bob)).status_code == 200
        assert (await http.get(f"/runs/{run_id}/result")).json()["result"] == "done"


async def test_the_result_of_a_call_that_somebody_else_carries_out_goes_back_by_its_id() -> None:
    gateway = Gateway()
    async with client(gateway) as http:
        await gateway.serve(careful(CallTool("pay", {"amount": 9}), Say("paid")))
        run_id = (await http.post("/agents/clerk/run", json=HI)).json()["run_id"]

        async def asked() -> list[Any]:
            found: list[Any] = (await http.get(f"/runs/{run_id}")).json()["approvals"]
            return found

        [call] = await eventually(asked)
        assert call["kind"] == "external"
        refused = await http.post(f"/runs/{run_id}/approve", json={})
        assert refused.status_code == 400
        unknown = await http.post("/agents/clerk/tool_call", json={"request_id": "nobody's", "result": 1})
        assert unknown.status_code == 404
        known = await http.post("/agents/clerk/tool_call", json={"request_id": call["id"], "result": "receipt 12"})
        assert known.json() == {"status": "ok", "request_id": call["id"], "result": "receipt 12"}
        assert "receipt 12" in (await http.get(f"/runs/{run_id}/result")).text
        log = (await http.get("/agents/clerk/log")).json()["entries"]
        assert log[-1]["event"] == "result of an unknown tool call"


async def test_a_tool_is_called_by_hand() -> None:
    gateway = Gateway()
    async with client(gateway) as http:
        await gateway.serve(careful())
        needs = await http.post("/agents/clerk/tool_call", json={"tool_name": "book", "args": {"room": 7}})
        assert (needs.status_code, needs.json()["error_type"]) == (422, "ToolFailed")
        unfit = await http.post("/agents/clerk/tool_call", json={"name": "pay", "arguments": {"amount": "much"}})
        assert (unfit.status_code, unfit.json()["error_type"]) == (400, "ValidationError")
        nothing = await http.post("/agents/clerk/tool_call", json={})
        assert nothing.status_code == 400


async def test_binary_content_of_a_history_is_base64() -> None:
    gateway = Gateway()
    async with client(gateway) as http:
        model = ScriptedModel(Say("a cat"))
        await gateway.serve(AgentServer(Agent(model), name="viewer"))
        picture = BinaryContent(b"\x00\xff", media_type="image/png")
        shown = ModelRequest(parts=[UserPromptPart([picture])])
        history = json.loads(ModelMessagesTypeAdapter.dump_json([shown]))
        answer = await http.post("/agents/viewer/run_sync", json=HI | {"message_history": history})
        assert answer.json()["messages"][0]["parts"] == history[0]["parts"]
        first = model.asked[0][0].parts[0]
        assert isinstance(first, UserPromptPart)
        assert not isinstance(first.content, str)
        [seen] = first.content
        assert isinstance(seen, BinaryContent)
        assert seen.data == picture.data


@pytest.mark.parametrize(
    ("error", "status", "error_type"),
    [
        (ValueError("no such room"), 500, "ValueError"),
        (ModelHTTPError(401, "m"), 500, "ModelHTTPError"),
        (ModelHTTPError.for_category(ModelRateLimitError, status_code=429, model_name="m"), 429, "ModelRateLimitError"),
    ],
)
async def test_an_agents_own_error_is_told_as_the_protocol_says(error: Exception, status: int, error_type: str) -> None:
    gateway = Gateway()
    async with client(gateway) as http:
        await gateway.serve(talker(Fail(error), Fail(error)))
        answer = await http.post("/agents/talker/run_sync", json=HI)
        assert (answer.status_code, answer.json()["error_type"]) == (status, error_type)
        assert ("retry-after" in answer.headers) == (status == 429)
        async with websocket(http, "/agents/talker/run_stream") as socket:
            await socket.send(json.dumps(HI))
            [frame] = await said(socket)
            assert (frame["status"], frame["error_type"]) == ("error", error_type)
            assert socket.close_code == (1011 if status == 500 else 1008)


async def test_while_it_drains_it_is_not_ready_and_takes_nothing_new() -> None:
    gateway = Gateway()
    async with client(gateway) as http:
        await gateway.serve(talker(Say("done", after=0.2)))
        run_id = (await http.post("/agents/talker/run", json=HI)).json()["run_id"]
        assert (await http.get("/readyz")).json() == {"status": "ready"}
        gateway.intake.close()
        for path, body in (("/agents/talker/run_sync", HI), ("/agents", {"agent_id": "a", "model": "test"})):
            refused = await http.post(path, json=body)
            assert (refused.status_code, refused.json()["error_type"]) == (503, "Draining")
            assert refused.headers["retry-after"] == "5"
        assert (await http.get("/readyz")).status_code == 503
        assert (await http.get("/livez")).json() == {"status": "ok"}
        assert (await http.get(f"/runs/{run_id}/result")).json()["result"] == "done"


async def test_an_agent_that_is_being_restarted_is_told_as_503() -> None:
    gateway = Gateway()
    async with client(gateway) as http:
        agent = await gateway.serve(talker())
        axon.exit(agent, axon.kill)
        await asyncio.sleep(0)
        refused = await http.post("/agents/talker/run_sync", json=HI)
        assert refused.status_code in (200, 503)
        if refused.status_code == 503:
            assert int(refused.headers["retry-after"]) >= 0


async def test_each_request_is_told_to_telemetry_by_its_route_and_its_error() -> None:
    gateway = Gateway()
    async with client(gateway) as http:
        await gateway.serve(talker(Say("hi"), Fail(ValueError("no"))))
        with capture_events(RequestServed, RequestBroke) as events:
            for path in ("/agents/talker/run_sync", "/agents/talker/run_sync", "/agents/nobody/run_sync"):
                await http.post(path, json=HI)
            async with websocket(http, "/agents/nobody/run_stream") as ws:
                await ws.send(json.dumps(HI))
                await said(ws)
        served = [(one.route, one.status, one.error_type) for one in events.of(RequestServed)]
        assert served == [
            ("POST /agents/{agent_id}/run_sync", 200, ""),
            ("POST /agents/{agent_id}/run_sync", 500, "ValueError"),
            ("POST /agents/{agent_id}/run_sync", 404, "AgentNotFound"),
            ("WEBSOCKET /agents/{agent_id}/run_stream", 101, "AgentNotFound"),
        ]
        assert [str(one.error) for one in events.of(RequestBroke)] == ["no"]
