"""Agents over gRPC: the original protocol with real sockets, and what was added to it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from gateway_parts import talker
from generic_client import GenericClient
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc import insecure_channel
from grpc_parts import failing, serving
from pydantic import BaseModel
from pydantic_ai import Agent, RunContext
from pydantic_ai.models.test import TestModel

from axon.agent import AgentServer
from axon.gateway import CreateAgent, Modules
from axon.gateway.grpc import synapse_pb2
from axon.store import MemoryStore
from axon.testing.models import Say

pytestmark = [pytest.mark.real_clock, pytest.mark.usefixtures("grpc_is_over")]

TEST_AGENT = CreateAgent(agent_id="test_agent", agent_module="agents.example_agent", model="test")


def asks(prompt: str = "hello", agent_id: str = "talker", **fields: str) -> synapse_pb2.RunRequest:
    return synapse_pb2.RunRequest(agent_id=agent_id, prompt=prompt, **fields)


# -- the original protocol


@pytest.mark.e2e
@pytest.mark.slow
async def test_the_first_end_to_end_test_of_the_original_design_over_grpc(modules: Modules) -> None:
    """Start the system, start `test_agent` from `agents.example_agent`, send it a prompt with an empty history."""
    async with serving(modules=modules) as world:
        await world.gateway.agents.create(world.gateway.principal(None), TEST_AGENT)
        request = asks("Hello, agent!", "test_agent", message_history="[]")
        answer = await world.stub.Run(request)
        assert "days_between" in answer.result
        assert [message["kind"] for message in json.loads(answer.messages)] == ["request", "response"] * 2
        assert answer.usage.total_tokens == answer.usage.request_tokens + answer.usage.response_tokens > 0
        assert (answer.usage.requests, answer.usage.tool_calls) == (2, 1)

        *chunks, last = [chunk async for chunk in world.stub.RunStream(request)]
        assert "".join(chunk.data for chunk in chunks) == last.response.result == answer.result
        assert last.response.usage.total_tokens > 0


@pytest.mark.e2e
@pytest.mark.slow
async def test_a_client_that_knows_only_what_reflection_tells(modules: Modules) -> None:
    """As grpcurl does, with the very JSON of the original design's first test."""
    async with serving(modules=modules) as world:
        await world.gateway.agents.create(world.gateway.principal(None), TEST_AGENT)
        with GenericClient(insecure_channel(world.address)) as client:
            assert await client.services() == [
                "grpc.health.v1.Health",
                "grpc.reflection.v1alpha.ServerReflection",
                "synapse.AgentService",
            ]
            request = {"agent_id": "test_agent", "prompt": "Hello, agent!", "message_history": "[]"}
            (answer,) = await client.call("synapse.AgentService/Run", request)
            assert {"result", "messages", "usage"} <= answer.keys()
            assert answer["usage"]["total_tokens"] > 0
            *chunks, last = await client.call("synapse.AgentService/RunStream", request)
            assert "".join(chunk["data"] for chunk in chunks) == last["response"]["result"] == answer["result"]
            (health,) = await client.call("grpc.health.v1.Health/Check", {"service": "synapse.AgentService"})
            assert health == {"status": "SERVING"}


def original(message: str) -> Any:
    """A message class of a client that was made from the original proto."""
    text, number = descriptor_pb2.FieldDescriptorProto.TYPE_STRING, descriptor_pb2.FieldDescriptorProto.TYPE_INT32
    fields: dict[str, list[tuple[str, Any]]] = {
        "RunRequest": [("agent_id", text), ("prompt", text)],
        "Usage": [("request_tokens", number), ("response_tokens", number), ("total_tokens", number)],
        "RunResponse": [("result", text), ("usage", "Usage")],
        "RunResponseChunk": [("data", text)],
    }
    file = descriptor_pb2.FileDescriptorProto(name="synapse.proto", package="synapse", syntax="proto3")
    for name, members in fields.items():
        made = file.message_type.add(name=name)
        for place, (field, kind) in enumerate(members, 1):
            if isinstance(kind, str):
                kind_of = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE
                made.field.add(name=field, number=place, label=1, type=kind_of, type_name=f".synapse.{kind}")
            else:
                made.field.add(name=field, number=place, label=1, type=kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"synapse.{message}"))


async def test_a_client_of_the_original_proto_works() -> None:
    async with serving(talker(Say("one two three"), Say("one two three"))) as world:
        request = original("RunRequest")(agent_id="talker", prompt="hello").SerializeToString()
        run = world.unary("synapse.AgentService/Run", original("RunResponse").FromString)
        answer = await run(request)
        assert answer.result == "one two three"
        assert answer.usage.total_tokens > 0

        stream = world.stream("synapse.AgentService/RunStream", original("RunResponseChunk").FromString)
        assert [chunk.data async for chunk in stream(request)] == ["one ", "two ", "three", ""]


# -- what was added


class Stay(BaseModel):
    nights: int
    house: str


async def test_a_structured_answer_is_json_text_whole_and_in_pieces() -> None:
    clerk = Agent(TestModel(custom_output_args={"nights": 3, "house": "the Ritz"}), output_type=Stay)
    async with serving(AgentServer(clerk, name="clerk")) as world:
        answer = await world.stub.Run(asks(agent_id="clerk"))
        assert answer.structured
        assert Stay.model_validate_json(answer.result) == Stay(nights=3, house="the Ritz")
        *chunks, last = [chunk async for chunk in world.stub.RunStream(asks(agent_id="clerk"))]
        assert Stay.model_validate_json("".join(chunk.data for chunk in chunks)) == Stay(nights=3, house="the Ritz")
        assert last.response.structured


async def test_a_conversation_goes_on_from_the_messages_of_an_answer() -> None:
    agent = talker(Say("one"), Say("two"))
    async with serving(agent) as world:
        first = await world.stub.Run(asks("first"))
        assert not first.structured
        second = await world.stub.Run(asks("second", message_history=first.messages))
        said = [part["content"] for message in json.loads(second.messages) for part in message["parts"]]
        assert said == ["first", "one", "second", "two"]


async def test_an_empty_history_begins_afresh_and_none_goes_on() -> None:
    async with serving(talker(Say("one"), Say("two"), Say("three"))) as world:
        await world.stub.Run(asks("first"))
        assert len(json.loads((await world.stub.Run(asks("second"))).messages)) == 4
        assert len(json.loads((await world.stub.Run(asks("third", message_history="[]"))).messages)) == 2


async def test_settings_and_dependencies_are_those_of_the_run() -> None:
    agent = Agent(TestModel(), deps_type=dict[str, str], name="clerk")
    seen: list[Any] = []

    @agent.tool
    def house(ctx: RunContext[dict[str, str]]) -> str:
        settings: dict[str, Any] = {**(ctx.model_settings or {})}
        seen.append(settings.get("temperature"))
        return ctx.deps["house"]

    async with serving(AgentServer(agent, name="clerk", deps={"house": "the Savoy"})) as world:
        await world.stub.Run(asks(agent_id="clerk"))
        ritz = await world.stub.Run(
            asks(
                agent_id="clerk",
                message_history="[]",
                deps='{"house": "the Ritz"}',
                model_settings='{"temperature": 0.25}',
            )
        )
        assert "the Ritz" in ritz.result
        assert seen == [None, 0.25]
        async with failing("INVALID_ARGUMENT") as failed:
            await world.stub.Run(asks(agent_id="clerk", model_settings='{"extra_headers": {"x-who": "the boss"}}'))
        assert failed[0].details["BadRequest"].field_violations[0].field == "model_settings"


async def test_a_request_made_again_with_its_key_is_run_once() -> None:
    async with serving(talker(Say("once", after=0.05))) as world:
        request = asks(idempotency_key="order-7")
        both = await asyncio.gather(world.stub.Run(request), world.stub.Run(request))
        by_metadata = await world.stub.Run(asks(), metadata=(("idempotency-key", "order-7"),))
        assert [answer.result for answer in (*both, by_metadata)] == ["once"] * 3
        assert by_metadata.run_id == "talker:order-7"
        async with failing("ALREADY_EXISTS") as failed:
            await world.stub.Run(asks("something else", idempotency_key="order-7"))
        assert failed[0].details["ErrorInfo"].reason == "MESSAGE_ID_REUSED"


@pytest.mark.slow
@pytest.mark.parametrize("is_durable", [False, True])
async def test_who_comes_back_with_an_event_id_gets_what_follows_and_nothing_twice(is_durable: bool) -> None:
    words = " ".join(map(str, range(10)))
    agent = talker(Say(words, every=0.02), store=MemoryStore() if is_durable else None)
    async with serving(agent) as world:
        reading = world.stub.RunStream(asks())
        told: dict[str, Any] = dict(await reading.initial_metadata() or ())
        assert told["run-id"] == f"talker:{told['idempotency-key']}"
        seen: list[synapse_pb2.RunResponseChunk] = []
        async for chunk in reading:
            seen.append(chunk)
            if len(seen) == 3:
                break
        reading.cancel()  # which is what the server sees, too, when a connection is reset
        await asyncio.sleep(0.05)
        again = asks(idempotency_key=told["idempotency-key"], last_event_id=seen[-1].event_id)
        rest = [chunk async for chunk in world.stub.RunStream(again)]
        assert "".join(chunk.data for chunk in (*seen, *rest)) == words == rest[-1].response.result
        ids = [chunk.event_id for chunk in (*seen, *rest)]
        assert len(set(ids)) == len(ids)


async def test_of_an_answer_that_is_too_large_the_messages_are_left_out() -> None:
    async with serving(talker(Say("x" * 1500), Say("y" * 2500), Say("z" * 7000)), max_message=6000) as world:
        assert (await world.stub.Run(asks())).HasField("messages")
        second = await world.stub.Run(asks())
        assert second.result == "y" * 2500
        assert not second.HasField("messages")
        async with failing("RESOURCE_EXHAUSTED") as failed:
            await world.stub.Run(asks())
        assert failed[0].message == "the answer is larger than is taken here: at most 6000 bytes"
