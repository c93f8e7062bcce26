"""Agents over gRPC: the original protocol with real sockets, and what was added to it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from generic_client import GenericClient
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc import insecure_channel
from grpc_parts import serving

from axon.gateway import CreateAgent, Gateway, Modules, Principal
from axon.gateway.grpc import synapse_pb2

pytestmark = pytest.mark.real_clock

HELLO = synapse_pb2.RunRequest(agent_id="test_agent", prompt="Hello, agent!", message_history="[]")
TEST_AGENT = CreateAgent(agent_id="test_agent", agent_module="agents.example_agent", model="test")


@pytest.mark.e2e
async def test_the_first_end_to_end_test_of_the_original_design() -> None:
    """Start the system, start `test_agent` from `agents.example_agent`, send it a prompt with an empty history."""
    async with serving() as world:
        await world.gateway.agents.create(world.gateway.principal(None), TEST_AGENT)
        answer = await world.stub.Run(HELLO)
        assert "days_between" in answer.result
        assert [message["kind"] for message in json.loads(answer.messages)] == ["request", "response"] * 2
        assert answer.usage.total_tokens == answer.usage.request_tokens + answer.usage.response_tokens > 0
        assert (answer.usage.requests, answer.usage.tool_calls) == (2, 1)
