"""The security table of the gateway over HTTP: who is let in, to what, and what an attack costs others."""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest
import websockets
from gateway_parts import talker
from http_parts import ADA, BOB, EVE, TOKENS, at, bearer, client, websocket

from axon import InvalidOption
from axon.gateway import Gateway, Modules, Token, Tokens
from axon.gateway.http import HTTPServer, application, bind
from axon.gateway.http._protocol import MAX_HEAD, PatientProtocol
from axon.testing.models import Say

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

HI = {"prompt": "hi"}
NEW = {"agent_id": "new", "agent_module": "agents.example_agent", "model": "test"}


def operations(app: Any) -> Iterator[tuple[str, str, bool]]:
    """Every route, for an agent and a run that are there, and whether OpenAPI says that it needs a token."""
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path.format(agent_id="talker", run_id="talker:k"), "security" in operation


async def test_without_a_good_token_no_route_does_anything() -> None:
    gateway = Gateway(tokens=TOKENS)
    app = application(gateway)
    routes = await asyncio.to_thread(lambda: list(operations(app)))
    assert {path for _, path, needs_token in routes if not needs_token} == {"/livez", "/readyz"}
    asked = {(method, path) for method, path, needs_token in routes if needs_token}
    assert len(asked) > 18
    async with client(gateway) as http:
        await gateway.serve(talker())
        await http.post("/agents/talker/run", json=HI, headers=bearer(ADA) | {"Idempotency-Key": "k"})
        wrong: list[dict[str, str]] = [
            {},
            bearer("wrong"),
            bearer(ADA[:-1]),
            {"Authorization": f"Basic {ADA}"},
            {"Authorization": ADA},
        ]
        for method, path in sorted(asked):
            for headers in wrong if path == "/agents" else wrong[:2]:
                refused = await http.request(method, path, headers=headers, json=HI)
                assert (refused.status_code, refused.json()["error_type"]) == (401, "InvalidToken"), (method, path)
                assert refused.headers["www-authenticate"] == "Bearer"
                assert ADA not in refused.text


NOT_FOR: list[tuple[str, str, str, Any]] = [
    (BOB, "POST", "/agents", NEW),
    (BOB, "DELETE", "/agents/talker", None),
    (EVE, "POST", "/agents", NEW),
    (EVE, "DELETE", "/agents/talker", None),
    (EVE, "POST", "/agents/talker/run_sync", HI),
    (EVE, "POST", "/agents/talker/run", HI),
    (EVE, "POST", "/agents/talker/run_stream", HI),
    (EVE, "POST", "/agents/talker/tool_call", {"tool_name": "x"}),
    (EVE, "POST", "/agents/talker/log", {"message": "x"}),
    (EVE, "GET", "/agents/talker/approvals", None),
    (EVE, "POST", "/agents/talker/approve", {}),
    (EVE, "POST", "/agents/talker/deny", {}),
    (EVE, "POST", "/runs/talker:k/cancel", None),
    (EVE, "POST", "/runs/talker:k/steer", {"message": "x"}),
    (EVE, "POST", "/runs/talker:k/approve", {}),
]


async def test_a_token_does_what_its_scopes_are_for_and_no_more() -> None:
    gateway = Gateway(tokens=TOKENS)
    async with client(gateway) as http:
        await gateway.serve(talker())
        for secret, method, path, body in NOT_FOR:
            refused = await http.request(method, path, json=body, headers=bearer(secret))
            assert (refused.status_code, refused.json()["error_type"]) == (403, "Forbidden"), (method, path)
        assert len((await http.get("/agents", headers=bearer(EVE))).json()["agents"]) == 1
        assert gateway.intake.under_way == 0


async def test_a_token_asks_only_so_often_and_the_others_are_not_held_up() -> None:
    hasty = Token(name="hasty", secret="hasty's secret of some length", requests_per_minute=3)
    gateway = Gateway(tokens=Tokens([hasty, Token(name="calm", secret=ADA)]))
    async with client(gateway, hasty.secret) as http:
        statuses = [(await http.get("/agents")).status_code for _ in range(5)]
        assert statuses == [200, 200, 200, 429, 429]
        assert 0 < int((await http.get("/agents")).headers["retry-after"]) <= 60
        assert (await http.get("/agents", headers=bearer(ADA))).status_code == 200


async def test_a_module_that_is_not_on_the_list_is_not_imported(modules: Modules) -> None:
    async with client(Gateway(modules=modules)) as http:
        for module in ("os", "axon.cli", "agents", "agents/../os", "agents.example_agent;x", "../../etc/x"):
            refused = await http.post("/agents", json=NEW | {"agent_module": module})
            assert (refused.status_code, refused.json()["error_type"]) == (403, "ModuleNotAllowed")


PATHS = [
    "/agents/..%2f..%2fetc%2fpasswd",
    "/agents/%2e%2e/%2e%2e/etc/passwd",
    "/agents/../../../etc/passwd",
    "/runs/..%2fadmin",
    "/runs/talker:..%2f..%2fbob%2fk",
    "/runs/talker:%00",
    "//etc/passwd",
    "/agents/talker%0d%0aX-Evil:1",
]


async def test_a_path_leads_to_agents_and_runs_and_nowhere_else() -> None:
    gateway = Gateway()
    async with client(gateway) as http:
        await gateway.serve(talker())
        for path in PATHS:
            request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            status, head, body = await raw(http, request)
            assert status in (400, 404), path
            assert json.loads(body)["status"] == "error"
            assert "x-evil" not in head.lower()


async def raw(http: httpx2.AsyncClient, request: str | bytes) -> tuple[int, str, str]:
    """The status, head and body that come back for bytes on a socket."""
    reader, writer = await asyncio.open_connection(*at(http))
    writer.write(request.encode() if isinstance(request, str) else request)
    async with asyncio.timeout(20):
        answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition("\r\n\r\n")
    return int(head.split(" ")[1]), head, body


async def test_a_body_bomb_is_refused_however_it_is_sent() -> None:
    gateway = Gateway()
    async with client(gateway, max_body=10_000) as http:
        await gateway.serve(talker())

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b" " * 1000

        json_body = {"Content-Type": "application/json"}
        contents: list[bytes | AsyncIterator[bytes]] = [b" " * 100_000, chunks()]
        for content in contents:
            refused = await http.post("/agents/talker/run_sync", content=content, headers=json_body)
            assert (refused.status_code, refused.json()["error_type"]) == (413, "TooLarge")
        deep = b'{"prompt": ' + b"[" * 9000
        refused = await http.post("/agents/talker/run_sync", content=deep, headers=json_body)
        assert (refused.status_code, refused.json()["error_type"]) == (400, "ValidationError")
        lies = "POST /agents/talker/run_sync HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        status, _, _ = await raw(
            http, f"{lies}Content-Length: 999999999999\r\nConnection: close\r\n\r\n" + " " * 20_000
        )
        assert status == 413
        assert gateway.intake.under_way == 0


async def test_a_header_bomb_is_refused() -> None:
    async with client(Gateway()) as http:
        for head in ("X-Bomb: " + "x" * 2 * MAX_HEAD, "\r\n".join(f"X-{n}: {n}" for n in range(20_000))):
            try:
                status, _, _ = await raw(http, f"GET /livez HTTP/1.1\r\nHost: localhost\r\n{head}")
            except ConnectionResetError:
                continue  # it was cut off while there was more to come
            assert status == 431
        assert (await http.get("/livez")).status_code == 200


async def test_what_follows_a_body_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trailers of a chunked body are headers that come when nobody counts headers any more."""
    kept, is_over = list[int](), asyncio.Event()
    connection_lost = PatientProtocol.connection_lost

    def lost(self: PatientProtocol, error: Exception | None) -> None:
        kept.append(len(self.headers))
        is_over.set()
        connection_lost(self, error)

    monkeypatch.setattr(PatientProtocol, "connection_lost", lost)
    async with client(Gateway(tokens=TOKENS)) as http:
        head = "POST /agents HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        reader, writer = await asyncio.open_connection(*at(http))
        writer.write(f"{head}0\r\n".encode())
        writer.write(b"X-Bomb: x\r\n" * 50_000 + b"\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 401")
        await is_over.wait()
        writer.transport.abort()
    assert max(kept) < 10


async def test_a_request_with_no_end_of_mistakes_is_told_so_and_not_of_each() -> None:
    """Told of one by one they were a hundred times as large as the request, and held everybody up for as long."""
    gateway = Gateway()
    async with client(gateway) as http:
        await gateway.serve(talker())
        json_body = {"Content-Type": "application/json"}
        parts = b'[{"kind": "request", "parts": [' + b"0," * 100_000 + b"0]}]"
        fields = b"".join(b', "f%d": 0' % n for n in range(100_000))
        for wrong in (b'{"prompt": "x", "message_history": ' + parts + b"}", b'{"prompt": "x"' + fields + b"}"):
            refused = await http.post("/agents/talker/run_sync", content=wrong, headers=json_body)
            assert (refused.status_code, refused.json()["error_type"]) == (400, "ValidationError")
            assert len(refused.content) < 10_000


async def test_a_head_that_does_not_arrive_is_waited_for_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("axon.gateway.http._protocol.HEAD_TIME", 0.1)
    async with client(Gateway()) as http:
        for begin in ("", "GET /livez HTT"):
            assert (await raw(http, begin))[0] == 408
        whole = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
        assert (await raw(http, whole + "GET /liv"))[0] == 200  # and then the second one is closed


async def test_a_body_that_does_not_arrive_is_waited_for_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("axon.gateway.http._route.ARRIVAL", 0.1)
    async with client(Gateway()) as http:
        head = "POST /agents HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
        status, _, body = await raw(http, f'{head}Content-Length: 100\r\n\r\n{{"agent_')
        assert (status, json.loads(body)["error_type"]) == (408, "RequestTimeout")


async def test_a_thousand_half_open_connections_do_not_stop_others() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    gateway = Gateway()
    async with client(gateway) as http:
        await gateway.serve(talker(Say("here")))
        slow = await asyncio.gather(*(asyncio.open_connection(*at(http)) for _ in range(1000)))
        for _, writer in slow:
            writer.write(b"POST /agents/talker/run_sync HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        try:
            async with asyncio.timeout(5):
                assert (await http.post("/agents/talker/run_sync", json=HI)).json()["result"] == "here"
        finally:
            for _, writer in slow:
                writer.transport.abort()


async def test_an_oversized_history_is_refused() -> None:
    gateway = Gateway(max_history=3)
    async with client(gateway) as http:
        await gateway.serve(talker())
        message = {"kind": "request", "parts": [{"part_kind": "user-prompt", "content": "x"}]}
        refused = await http.post("/agents/talker/run_sync", json=HI | {"message_history": [message] * 4})
        assert (refused.status_code, refused.json()["error_type"]) == (413, "TooLarge")


async def test_forged_ids_of_messages_reach_no_run_of_another_token() -> None:
    gateway = Gateway(tokens=TOKENS)
    async with client(gateway, BOB) as http:
        agent = await gateway.serve(talker(Say("ada's"), Say("bob's")))
        ada = bearer(ADA) | {"Idempotency-Key": "k"}
        assert (await http.post("/agents/talker/run_sync", json=HI, headers=ada)).json()["result"] == "ada's"
        for key in ("ada/k", "../ada/k", "ada%2fk", "k/../../ada/k"):
            refused = await http.post("/agents/talker/run_sync", json=HI, headers={"Idempotency-Key": key})
            assert refused.status_code == 400
            assert (await http.get(f"/runs/talker:{key}/result")).status_code == 404
        for field in ("message_id", "run_id", "owner", "principal"):
            assert (await http.post("/agents/talker/run_sync", json=HI | {field: "ada/k"})).status_code == 400
        mine = await http.post("/agents/talker/run_sync", json=HI, headers={"Idempotency-Key": "k"})
        assert mine.json()["result"] == "bob's"
        assert (await agent.turn_of("bob/k")).state == "committed"


async def test_a_page_of_another_site_is_refused_also_over_a_websocket() -> None:
    gateway = Gateway()
    async with client(gateway) as http:
        evil = {"Origin": "https://evil.example"}
        for method, path in (("GET", "/agents"), ("POST", "/runs/a:k/cancel"), ("OPTIONS", "/agents")):
            refused = await http.request(method, path, headers=evil)
            assert (refused.status_code, refused.json()["error_type"]) == (403, "OriginNotAllowed")
            assert not any(name.startswith("access-control") for name in refused.headers)
        with pytest.raises(websockets.InvalidStatus, match="403"):
            async with websocket(http, "/agents/talker/run_stream", evil):
                pass
        own = {"Origin": str(http.base_url).rstrip("/")}
        assert (await http.get("/agents", headers=own)).status_code == 200


@pytest.mark.parametrize("origin", ["http://[", "null", "http://]:80", "//", "http://127.0.0.1:1"])
async def test_an_origin_that_is_none_is_another_one(origin: str) -> None:
    async with client(Gateway()) as http:
        refused = await http.get("/livez", headers={"Origin": origin})
        assert (refused.status_code, refused.json()["error_type"]) == (403, "OriginNotAllowed")


async def test_two_tokens_in_one_request_are_none() -> None:
    """A proxy in front may have looked at the other one."""
    async with client(Gateway(tokens=TOKENS)) as http:
        for both in ((ADA, "another"), ("another", ADA), (ADA, ADA)):
            refused = await http.get("/agents", headers=[("Authorization", f"Bearer {secret}") for secret in both])
            assert refused.status_code == 401


async def test_nobody_is_sent_to_where_a_request_says_it_is_from() -> None:
    async with client(Gateway(tokens=TOKENS), ADA) as http:
        answer = await http.get("/agents/", headers={"Host": "evil.example"})
        assert (answer.status_code, "location" in answer.headers) == (404, False)


async def test_a_name_that_was_pointed_to_this_machine_is_refused_where_no_token_is_needed() -> None:
    async with client(Gateway()) as http:
        for host, status in (
            ("evil.example", 403),
            ("127.0.0.1.evil.example:80", 403),
            ("localhost:80", 200),
            ("[::1]", 200),
        ):
            assert (await http.get("/livez", headers={"Host": host})).status_code == status


async def test_sites_that_are_named_may_ask() -> None:
    async with client(Gateway(), origins=["https://app.example"]) as http:
        asks = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
        allowed = await http.options("/agents", headers=asks)
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, "https://app.example")
        assert (await http.get("/agents", headers={"Origin": "https://other.example"})).status_code == 403


@pytest.mark.parametrize("options", [{"max_body": 0}, {"origins": "https://app.example"}, {"origins": ["app.example"]}])
def test_options_that_cannot_be_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption):
        application(Gateway(), **options)


def test_off_loopback_it_needs_tokens_and_tls() -> None:
    listener = bind("0.0.0.0", 0)
    try:
        with pytest.raises(InvalidOption, match="no tokens"):
            HTTPServer(Gateway(), listener)
        with pytest.raises(InvalidOption, match="without tls="):
            HTTPServer(Gateway(tokens=TOKENS), listener)
        HTTPServer(Gateway(tokens=TOKENS), listener, behind_tls=True)
    finally:
        listener.close()
