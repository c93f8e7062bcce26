"""Deadlines and cancellations over gRPC, and clients that go away."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from gateway_parts import talker
from grpc import aio
from grpc_parts import World, failing, proxy, read, serving
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from axon.agent import AgentServer
from axon.gateway.grpc import synapse_pb2, synapse_pb2_grpc
from axon.store import MemoryStore, Store
from axon.testing import eventually
from axon.testing.models import Say

pytestmark = [pytest.mark.real_clock, pytest.mark.usefixtures("grpc_is_over")]


def asks(prompt: str = "hello", **fields: str) -> synapse_pb2.RunRequest:
    return synapse_pb2.RunRequest(agent_id="talker", prompt=prompt, **fields)


async def wait(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    prompt = messages[-1].parts[-1]
    assert isinstance(prompt, UserPromptPart)
    await asyncio.sleep(float(str(prompt.content)))
    return ModelResponse([TextPart("in time")])


def waiter(store: Store | None = None) -> AgentServer[Any, str]:
    """An agent that answers after as many seconds as the prompt says."""
    return AgentServer(Agent(FunctionModel(wait), name="talker"), name="talker", store=store)


async def state_of(world: World, key: str) -> str:
    """What became of the run under this key."""
    return (await world.gateway.runs.status(world.gateway.principal(None), f"talker:{key}")).state


@pytest.mark.slow
@pytest.mark.parametrize("is_durable", [False, True])
async def test_the_deadline_of_a_call_is_that_of_its_run(is_durable: bool) -> None:
    async with serving(waiter(MemoryStore() if is_durable else None)) as world:
        with pytest.raises(aio.AioRpcError) as failed:
            await world.stub.Run(asks("30", idempotency_key="k"), timeout=0.1)
        assert failed.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        await asyncio.sleep(0.05)
        assert await state_of(world, "k") == "deadline"
        assert (await world.stub.Run(asks("0"), timeout=5)).result == "in time"


async def test_the_deadline_of_a_stream_is_that_of_its_run() -> None:
    async with serving(talker(Say("one two", every=30))) as world:
        with pytest.raises(aio.AioRpcError) as failed:
            async for chunk in world.stub.RunStream(asks(idempotency_key="k"), timeout=0.1):
                assert chunk.data == "one "
        assert failed.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        await asyncio.sleep(0.05)
        assert await state_of(world, "k") == "deadline"


async def test_a_cancelled_call_ends_its_run() -> None:
    """Without a key nobody can ask for its answer any more."""
    async with serving(waiter()) as world:
        running = world.stub.Run(asks("30"))
        await eventually(lambda: world.gateway.intake.under_way == 1)
        running.cancel()
        await eventually(lambda: world.gateway.intake.under_way == 0)
        assert (await world.stub.Run(asks("0"), timeout=5)).result == "in time"


async def test_a_cancelled_call_with_a_key_does_not_end_its_run() -> None:
    async with serving(talker(Say("kept", after=0.2))) as world:
        running = world.stub.Run(asks(idempotency_key="k"))
        await eventually(lambda: world.gateway.intake.under_way == 1)
        running.cancel()
        await asyncio.sleep(0.05)
        assert await state_of(world, "k") == "running"
        assert (await world.stub.Run(asks(idempotency_key="k"))).result == "kept"


async def test_a_run_is_cancelled_by_its_key() -> None:
    async with serving(talker(Say("one two", every=30))) as world:
        reading = world.stub.RunStream(asks(idempotency_key="k"))
        await read(reading)
        wish = synapse_pb2.CancelRequest(agent_id="talker", idempotency_key="k")
        assert (await world.stub.Cancel(wish)).cancelled
        async with failing("CANCELLED") as failed:
            await read(reading)
        assert failed[0].details["ErrorInfo"].reason == "RUN_CANCELLED"
        assert not (await world.stub.Cancel(wish)).cancelled
        async with failing("NOT_FOUND") as unknown:
            await world.stub.Cancel(synapse_pb2.CancelRequest(agent_id="talker", idempotency_key="other"))
        assert unknown[0].message == "Run not found"


@pytest.mark.slow
async def test_a_client_that_dies_in_the_middle_of_a_stream_does_not_end_the_run() -> None:
    """Its socket is reset; whoever comes back with the last id has every event exactly once."""
    words = "one two three four five six seven eight"
    async with serving(talker(Say(words, every=0.04))) as world:
        async with proxy(world.address) as way, aio.insecure_channel(way.address) as channel:
            reading = synapse_pb2_grpc.AgentServiceStub(channel).RunStream(asks(idempotency_key="k"))
            seen = [await read(reading), await read(reading)]
            way.reset()
            with pytest.raises(aio.AioRpcError) as broken:
                await read(reading)
            assert broken.value.code() == grpc.StatusCode.UNAVAILABLE
        await asyncio.sleep(0.1)
        assert await state_of(world, "k") == "running"
        again = asks(idempotency_key="k", last_event_id=seen[-1].event_id)
        rest = [chunk async for chunk in world.stub.RunStream(again)]
        assert "".join(chunk.data for chunk in (*seen, *rest)) == words == rest[-1].response.result


@pytest.mark.slow
async def test_a_slow_reader_holds_nobody_back() -> None:
    """A stream that nobody reads fills up; the run goes on, and the server answers others."""
    async with serving(talker(Say(" ".join(["x" * 200_000] * 100)), Say("for others"), stream_buffer=10)) as world:
        slow = world.stub.RunStream(asks(idempotency_key="slow"))
        assert (await anext(aiter(slow))).data
        assert (await world.stub.Run(asks("and me?"), timeout=5)).result == "for others"
        assert await state_of(world, "slow") == "committed"
        async with failing("OUT_OF_RANGE") as failed:
            async for _ in slow:
                pass
        assert failed[0].details["ErrorInfo"].reason == "EVENTS_LOST"
        slow.cancel()
