"""The life of a gRPC server: it listens, says how it is, lets calls under way end, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from gateway_parts import talker
from grpc import aio
from grpc_parts import World, failing, proxy, read, serving

import axon
from axon import StartFailed
from axon.gateway import RequestServed
from axon.gateway.grpc import GRPCServer, _call, _server, synapse_pb2, synapse_pb2_grpc
from axon.telemetry import attach
from axon.testing import eventually
from axon.testing.models import Say

pytestmark = [pytest.mark.real_clock, pytest.mark.usefixtures("grpc_is_over")]


def asks(prompt: str = "hello", **fields: str) -> synapse_pb2.RunRequest:
    return synapse_pb2.RunRequest(agent_id="talker", prompt=prompt, **fields)


async def test_it_serves_until_the_gateway_takes_nothing_new() -> None:
    """Who watches it is told; a call under way ends in its own time, and a new one is refused for now."""
    async with serving(talker(Say("one two three", every=0.1))) as world:
        watching = world.healths("synapse.AgentService")
        assert await anext(watching) == "SERVING"
        reading = world.stub.RunStream(asks())
        await read(reading)
        world.gateway.intake.close()
        assert await anext(watching) == "NOT_SERVING"
        assert [await world.health(name) for name in ("", "synapse.AgentService")] == ["NOT_SERVING"] * 2
        async with failing("UNAVAILABLE") as failed:
            await world.stub.Run(asks())
        assert failed[0].details["ErrorInfo"].reason == "DRAINING"
        assert failed[0].details["RetryInfo"].retry_delay.seconds == 5
        rest = [await read(reading) for _ in range(3)]
        assert rest[-1].response.result == "one two three"
        await watching.aclose()


@pytest.mark.slow
async def test_when_it_is_stopped_calls_under_way_end_first() -> None:
    async with serving(talker(Say("one two three", every=0.1))) as world:
        watching = world.healths()
        assert await anext(watching) == "SERVING"
        reading = world.stub.RunStream(asks())
        await read(reading)
        stopping = asyncio.ensure_future(world.supervisor.terminate_child("grpc"))
        assert await anext(watching) == "NOT_SERVING"
        async with failing("UNAVAILABLE"):
            await world.stub.Run(asks())
        rest = [await read(reading) for _ in range(3)]
        assert rest[-1].response.result == "one two three"
        await stopping
        await watching.aclose()


@pytest.mark.slow
async def test_what_takes_longer_than_the_drain_is_cut_off_and_its_run_goes_on() -> None:
    async with serving(talker(Say("kept", after=0.3)), drain=0.05) as world:
        running = asyncio.ensure_future(_answer(world))
        await eventually(lambda: world.gateway.intake.under_way == 1)
        await world.supervisor.terminate_child("grpc")
        with pytest.raises(aio.AioRpcError):
            await running
        assert world.gateway.intake.under_way == 1
        assert await world.gateway.intake.drained(5)


async def _answer(world: World) -> str:
    return (await world.stub.Run(asks())).result


async def test_a_killed_one_is_started_again_and_listens_on_the_same_port() -> None:
    """Nothing of the dead one goes on, not even its hold on the port."""
    async with serving(talker(Say("one"), Say("two")), port=_free_port()) as world:
        assert (await world.stub.Run(asks())).result == "one"
        server = world.supervisor.get(GRPCServer, "grpc")
        died = axon.whereis(server)
        assert died is not None
        axon.exit(died, axon.kill)
        await eventually(lambda: axon.whereis(server) not in (None, died))
        assert await server.address() == world.address
        assert (await world.stub.Run(asks(), wait_for_ready=True, timeout=5)).result == "two"


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


async def test_a_port_that_is_taken_is_refused_and_not_shared() -> None:
    async with serving() as world:
        port = int(world.address.rpartition(":")[2])
        second = asyncio.create_task(axon.start(GRPCServer(world.gateway, port=port)))
        await asyncio.wait({second})
        error = second.exception()
        assert isinstance(error, StartFailed)
        assert f"host and port must be an address to listen on, and not taken, got: '127.0.0.1:{port}'" in str(error)


async def test_many_calls_go_over_one_connection_at_once() -> None:
    agents = [talker(Say("done", after=0.1), name=f"talker-{number}") for number in range(20)]
    async with serving(*agents) as world:
        requests = [synapse_pb2.RunRequest(agent_id=f"talker-{n}", prompt="hello") for n in range(20)]
        answers = await asyncio.gather(*(_result(world.stub, request) for request in requests))
        assert answers == ["done"] * 20


async def _result(stub: synapse_pb2_grpc.AgentServiceStub, request: synapse_pb2.RunRequest) -> str:
    return (await stub.Run(request)).result


@pytest.mark.slow
async def test_a_client_that_died_without_a_word_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No packet of it ever comes again, as when its machine has lost its power."""
    monkeypatch.setattr(_server, "KEEPALIVE", 0.1)
    served: list[RequestServed] = []
    detach = attach(served.append, RequestServed)
    async with (
        serving(talker(Say("one two", every=30))) as world,
        proxy(world.address) as way,
        aio.insecure_channel(way.address) as channel,
    ):
        reading = synapse_pb2_grpc.AgentServiceStub(channel).RunStream(asks())
        await read(reading)
        way.is_dead = True
        await eventually(lambda: served, within=5)
        reading.cancel()
    detach()
    assert [event.status for event in served] == [499]


@pytest.mark.slow
async def test_connections_that_say_nothing_do_not_stop_others() -> None:
    async with serving(talker(Say("hello"))) as world:
        host, _, port = world.address.rpartition(":")
        silent = [await asyncio.open_connection(host, int(port)) for _ in range(300)]
        assert (await world.stub.Run(asks(), timeout=5)).result == "hello"
        for _, writer in silent:
            writer.close()
            await writer.wait_closed()


async def test_a_request_that_never_arrives_does_not_hold_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_call, "ARRIVAL", 0.1)
    async with serving(talker(Say("hello")), max_calls=1) as world:
        channel: Any = world.channel
        begun = channel.stream_stream("/synapse.AgentService/Run")()
        async with failing("DEADLINE_EXCEEDED") as failed:
            await begun.read()
        assert failed[0].message == "the request took too long to arrive"
        assert (await world.stub.Run(asks())).result == "hello"


async def test_metadata_larger_than_is_taken_is_refused() -> None:
    async with serving(talker(Say("hello"))) as world:
        with pytest.raises(aio.AioRpcError) as failed:
            await world.stub.Run(asks(), metadata=(("x", "x" * 100_000),))
        assert failed.value.code().name == "RESOURCE_EXHAUSTED"
        assert (await world.stub.Run(asks())).result == "hello"


async def test_without_reflection_nobody_is_told_what_there_is() -> None:
    async with serving(with_reflection=False) as world:
        ask = world.stream("grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
        with pytest.raises(aio.AioRpcError) as failed:
            async for _ in ask(b""):
                pass
        assert failed.value.code().name == "UNIMPLEMENTED"
