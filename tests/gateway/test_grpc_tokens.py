"""Who may ask for what over gRPC."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from gateway_parts import talker
from generic_client import GenericClient
from grpc import aio, insecure_channel
from grpc_parts import DESK, READER, SHOP, TOKENS, bearer, failing, read, serving

from axon import InvalidOption
from axon.gateway import Gateway, Token, Tokens
from axon.gateway.grpc import GRPCServer, synapse_pb2
from axon.testing.models import Say

pytestmark = [pytest.mark.real_clock, pytest.mark.usefixtures("grpc_is_over")]


def asks(prompt: str = "hello", **fields: str) -> synapse_pb2.RunRequest:
    return synapse_pb2.RunRequest(agent_id="talker", prompt=prompt, **fields)


async def test_nobody_gets_in_without_a_token_that_is_known() -> None:
    async with serving(talker(Say("welcome")), tokens=Tokens(TOKENS)) as world:
        for metadata in ((), bearer("shop-secret-9876543210"), (("authorization", f"Basic {SHOP}"),), bearer("")):
            for name in ("Run", "RunStream", "Cancel"):
                ask = world.unary(f"synapse.AgentService/{name}")
                async with failing("UNAUTHENTICATED") as failed:
                    await ask(asks().SerializeToString(), metadata=metadata)
                assert failed[0].details["ErrorInfo"].reason == "INVALID_TOKEN"
        assert (await world.stub.Run(asks(), metadata=bearer(SHOP))).result == "welcome"


async def test_two_tokens_in_one_call_are_none() -> None:
    """A proxy in front may have looked at the other one."""
    async with serving(talker(Say("welcome")), tokens=Tokens(TOKENS)) as world, failing("UNAUTHENTICATED"):
        await world.stub.Run(asks(), metadata=(*bearer("another"), *bearer(SHOP)))


async def test_health_and_reflection_need_none() -> None:
    async with serving(tokens=Tokens(TOKENS)) as world:
        assert await world.health("synapse.AgentService") == "SERVING"
        with GenericClient(insecure_channel(world.address)) as client:
            assert "synapse.AgentService" in await client.services()


async def test_a_token_is_for_what_its_scopes_say() -> None:
    async with serving(talker(), tokens=Tokens(TOKENS)) as world:
        async with failing("PERMISSION_DENIED") as failed:
            await world.stub.Run(asks(), metadata=bearer(READER))
        assert failed[0].details["Error"].details == '{"scope": "run"}'
        async with failing("PERMISSION_DENIED"):
            async for _ in world.stub.RunStream(asks(), metadata=bearer(READER)):
                pass
        async with failing("PERMISSION_DENIED"):
            await world.stub.Cancel(
                synapse_pb2.CancelRequest(agent_id="talker", idempotency_key="k"), metadata=bearer(READER)
            )


async def test_another_token_neither_joins_nor_ends_a_run_whose_key_it_knows() -> None:
    async with serving(talker(Say("for the shop", after=0.1), Say("for the desk")), tokens=Tokens(TOKENS)) as world:
        shop = asyncio.ensure_future(_run(world.stub.Run(asks(idempotency_key="order-7"), metadata=bearer(SHOP))))
        await asyncio.sleep(0.05)
        wish = synapse_pb2.CancelRequest(agent_id="talker", idempotency_key="order-7")
        async with failing("NOT_FOUND"):
            await world.stub.Cancel(wish, metadata=bearer(DESK))
        desk = await world.stub.Run(asks(idempotency_key="order-7"), metadata=bearer(DESK))
        assert ((await shop).result, desk.result) == ("for the shop", "for the desk")


async def _run(call: Any) -> synapse_pb2.RunResponse:
    answer: synapse_pb2.RunResponse = await call
    return answer


@pytest.mark.parametrize("key", ["shop/order", "../desk/order", "a b", "x" * 121, "é", "-"])
async def test_a_forged_key_is_refused(key: str) -> None:
    async with serving(talker(), tokens=Tokens(TOKENS)) as world, failing("INVALID_ARGUMENT") as failed:
        await world.stub.Run(asks(idempotency_key=key), metadata=bearer(SHOP))
    assert failed[0].details["BadRequest"].field_violations[0].field == "idempotency_key"


async def test_a_token_has_its_limits() -> None:
    token = Token(name="shop", secret=SHOP, requests_per_minute=1)
    async with serving(talker(Say("once")), tokens=Tokens([token])) as world:
        await world.stub.Run(asks(), metadata=bearer(SHOP))
        async with failing("RESOURCE_EXHAUSTED") as failed:
            await world.stub.Run(asks(), metadata=bearer(SHOP))
        assert 58 < failed[0].details["RetryInfo"].retry_delay.seconds + 1 <= 60


async def test_only_so_many_calls_are_under_way_at_once() -> None:
    async with serving(talker(Say("one two", every=30)), max_calls=2) as world:
        streams = [world.stub.RunStream(asks(idempotency_key="k")) for _ in range(2)]
        for stream in streams:
            await read(stream)
        async with failing("RESOURCE_EXHAUSTED") as failed:
            await world.stub.Run(asks())
        assert failed[0].details["ErrorInfo"].reason == "TOO_MANY_CALLS"
        assert failed[0].message == "as many calls are under way as there may be (max_calls=2)"
        assert failed[0].details["RetryInfo"].retry_delay.seconds == 1
        assert await world.health() == "SERVING"
        wish = synapse_pb2.CancelRequest(agent_id="talker", idempotency_key="k")
        streams[0].cancel()
        await asyncio.sleep(0.05)
        assert (await world.stub.Cancel(wish)).cancelled


async def test_what_a_stranger_sends_is_not_even_read() -> None:
    """A request without a good token takes no memory, however large it is."""
    async with serving(talker(), tokens=Tokens(TOKENS)) as world:
        run = world.unary("synapse.AgentService/Run")
        with pytest.raises(aio.AioRpcError) as failed:
            await run(b"\xff" * 4_000_000)
        assert failed.value.code().name == "UNAUTHENTICATED"


def test_anywhere_but_on_loopback_it_needs_tokens_and_tls() -> None:
    with pytest.raises(InvalidOption, match="host must be one of loopback while the gateway has no tokens"):
        GRPCServer(Gateway(), host="0.0.0.0")
    with pytest.raises(InvalidOption, match="host must be one of loopback without tls= or behind_tls=True"):
        GRPCServer(Gateway(tokens=Tokens(TOKENS)), host="0.0.0.0")
    assert GRPCServer(Gateway(tokens=Tokens(TOKENS)), host="0.0.0.0", behind_tls=True).behind_tls


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("gateway", None),
        ("host", ""),
        ("port", -1),
        ("port", 65536),
        ("tls", "server.pem"),
        ("max_calls", 0),
        ("max_message", 0),
        ("drain", -1),
        ("runner", "run_fast"),
    ],
)
def test_an_option_that_cannot_be(option: str, value: object) -> None:
    options: dict[str, Any] = {"gateway": Gateway(), option: value}
    with pytest.raises(InvalidOption, match=option):
        GRPCServer(**options)
