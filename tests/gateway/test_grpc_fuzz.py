"""Whatever bytes come, no agent crashes, nothing hangs, and every answer has a code that says whose fault it is."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import pytest
from generic_client import Metadata
from grpc import aio
from grpc_parts import SHOP, TOKENS, World, serving
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel

import axon
from axon.agent import AgentServer
from axon.gateway import Tokens
from axon.gateway.grpc import synapse_pb2
from axon.telemetry import ProcessCrashed, attach

pytestmark = [pytest.mark.real_clock, pytest.mark.slow, pytest.mark.usefixtures("grpc_is_over")]

EXAMPLES = int(os.environ.get("AXON_EXAMPLES", "150"))
METHODS = (
    "synapse.AgentService/Run",
    "synapse.AgentService/RunStream",
    "synapse.AgentService/Cancel",
    "synapse.AgentService/Nothing",
)
HEALTH = "grpc.health.v1.Health/Check"
THEIRS = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "UNIMPLEMENTED"}
"""What may be said to a client that talks nonsense: nothing of it is the server's fault."""

texts = st.text(max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
messages = st.lists(
    st.fixed_dictionaries({"kind": st.sampled_from(["request", "response"]), "parts": st.lists(values, max_size=2)}),
    max_size=2,
)
jsons = texts | st.one_of(values, messages).map(json.dumps)
seldom = st.none() | st.just("[]") | st.none() | jsons
requests = st.builds(
    synapse_pb2.RunRequest,
    agent_id=st.just("clerk") | st.just("clerk") | texts,
    prompt=texts,
    message_history=seldom,
    model_settings=seldom,
    deps=seldom,
    idempotency_key=st.just("") | st.sampled_from(["", "k", "l", "../k"]) | texts,
    last_event_id=st.just("") | st.sampled_from(["", "1.1", "-1.0", "9.9"]) | texts,
).map(synapse_pb2.RunRequest.SerializeToString)
damaged = st.tuples(requests, st.integers(0, 200), st.binary(max_size=5)).map(
    lambda made: made[0][: made[1]] + made[2] + made[0][made[1] + len(made[2]) :]
)


async def code_of(call: Any) -> str:
    """How a call ended."""
    try:
        async for _ in call:
            pass
    except aio.AioRpcError as error:
        return error.code().name
    return "OK"


async def against(world: World, given_to: Any) -> None:
    """Run a property, which blocks, in a thread: its calls are made on the loop that the server is on."""
    loop = asyncio.get_running_loop()

    def code(path: str, request: bytes, metadata: Metadata = ()) -> str:
        made = code_of_call(world, path, request, metadata)
        return asyncio.run_coroutine_threadsafe(made, loop).result(20)

    await asyncio.to_thread(given_to, code)


async def code_of_call(world: World, path: str, request: bytes, metadata: Metadata) -> str:
    return await code_of(world.stream(path)(request, metadata=metadata, timeout=10))


async def test_no_bytes_crash_an_agent_or_hang() -> None:
    crashed: list[ProcessCrashed] = []
    detach = attach(crashed.append, ProcessCrashed)
    clerk = AgentServer(Agent(TestModel()), name="clerk")
    async with serving(clerk) as world:
        before = axon.whereis("clerk")

        def property_of(code: Any) -> None:
            @settings(max_examples=EXAMPLES)
            @given(path=st.sampled_from((*METHODS, HEALTH)), request=st.binary(max_size=200) | requests | damaged)
            def holds(path: str, request: bytes) -> None:
                assert code(path, request) in ({*THEIRS, "UNKNOWN"} if path == HEALTH else THEIRS)  # the library's

            holds()

        await against(world, property_of)
        assert axon.whereis("clerk") is before
        request = synapse_pb2.RunRequest(agent_id="clerk", prompt="are you well?")
        assert (await world.stub.Run(request, timeout=10)).result
    detach()
    assert crashed == []


async def test_no_metadata_gets_a_stranger_in() -> None:
    async with serving(AgentServer(Agent(TestModel()), name="clerk"), tokens=Tokens(TOKENS)) as world:
        good = synapse_pb2.RunRequest(agent_id="clerk", prompt="hello").SerializeToString()
        printable = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=100).map(str.strip)
        schemes = st.sampled_from(["Bearer ", "bearer", "Basic ", "", "Bearer  Bearer "])
        secrets = printable | st.sampled_from([SHOP[:-1], SHOP + "x", SHOP.upper(), f"{SHOP} {SHOP}", f"{SHOP},{SHOP}"])
        keys = st.sampled_from(["authorization", "x-authorization", "token", "cookie"])
        pairs = st.lists(st.tuples(keys, st.tuples(schemes, secrets).map("".join)), max_size=3).map(tuple)

        def property_of(code: Any) -> None:
            @settings(max_examples=EXAMPLES)
            @given(metadata=pairs)
            def holds(metadata: Metadata) -> None:
                assert code("synapse.AgentService/Run", good, metadata) == "UNAUTHENTICATED"

            holds()

        await against(world, property_of)
