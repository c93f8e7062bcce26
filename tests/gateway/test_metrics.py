"""What Prometheus reads of a gateway: it follows what telemetry says, and forgets agents that were deleted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic_ai import Agent

import axon
from axon import Supervisor, child
from axon.agent import AgentServer
from axon.gateway._events import AgentDeleted, RequestServed
from axon.gateway._metrics import Metrics
from axon.testing.models import Fail, Say, ScriptedModel


@pytest.fixture
async def metrics() -> AsyncIterator[Metrics]:
    metrics = Metrics(lambda: [("test_agent", 3)])
    yield metrics
    metrics.close()


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


async def test_requests_errors_and_latency_by_route(metrics: Metrics) -> None:
    route = "POST /agents/{agent_id}/run_sync"
    for status, error, seconds in ((200, "", 0.02), (200, "", 0.2), (429, "MailboxFull", 0.001)):
        axon.telemetry.emit(RequestServed(edge="http", route=route, status=status, error_type=error, seconds=seconds))
    assert value(metrics, "axon_requests_total", edge="http", route=route, status="200") == 2
    assert value(metrics, "axon_requests_total", edge="http", route=route, status="429") == 1
    assert value(metrics, "axon_errors_total", edge="http", error_type="MailboxFull", status="429") == 1
    assert value(metrics, "axon_request_seconds_bucket", edge="http", route=route, le="0.025") == 2
    assert value(metrics, "axon_request_seconds_count", edge="http", route=route) == 3


async def test_turns_tokens_and_times_of_each_agent(metrics: Metrics) -> None:
    spec = AgentServer(Agent(), model=ScriptedModel(Say("yes", after=2), Fail(ValueError("no"), after=2)))
    async with Supervisor([child(spec, id="clerk")]) as tree:
        agent = tree.get(AgentServer[None, str], "clerk")
        first, second = asyncio.create_task(agent.run("a")), asyncio.create_task(agent.run("b"))
        await asyncio.sleep(1)
        assert value(metrics, "axon_turns_queued", agent="clerk") == 1
        result = await first
        with pytest.raises(ValueError, match="no"):
            await second
    assert value(metrics, "axon_turns_queued", agent="clerk") == 0
    assert value(metrics, "axon_turns_total", agent="clerk", outcome="answered") == 1
    assert value(metrics, "axon_turn_errors_total", agent="clerk", error_type="ValueError") == 1
    assert value(metrics, "axon_tokens_total", agent="clerk", direction="input") == result.usage.input_tokens
    assert value(metrics, "axon_tokens_total", agent="clerk", direction="output") == result.usage.output_tokens
    assert value(metrics, "axon_queue_seconds_sum", agent="clerk") == 2
    assert value(metrics, "axon_turn_seconds_sum", agent="clerk") == 2 + 4


async def test_restarts_and_crashes_by_process(metrics: Metrics) -> None:
    async with Supervisor([child(AgentServer(Agent()), id="clerk")]) as tree:
        axon.exit(tree.get(AgentServer[None, str], "clerk"), axon.kill)
        await asyncio.sleep(1)
        path = "Supervisor/clerk"
        assert value(metrics, "axon_restarts_total", process=path) == 1
        assert value(metrics, "axon_crashes_total", process=path) == 1
        axon.telemetry.emit(AgentDeleted(path=path, agent="clerk"))
        assert value(metrics, "axon_restarts_total", process=path) is None


async def test_an_agent_that_was_deleted_is_forgotten(metrics: Metrics) -> None:
    async with Supervisor([child(AgentServer(Agent(), model="test"), id="clerk")]) as tree:
        await tree.get(AgentServer[None, str], "clerk").run("a")
    assert b'agent="clerk"' in metrics.exposition()[0]
    axon.telemetry.emit(AgentDeleted(path="Supervisor/clerk", agent="clerk"))
    assert b'agent="clerk"' not in metrics.exposition()[0]


async def test_mailboxes_are_asked_when_somebody_looks(metrics: Metrics) -> None:
    body, content_type = metrics.exposition()
    assert b'axon_mailbox_length{agent="test_agent"} 3.0' in body
    assert content_type.startswith("text/plain")
    assert metrics.exposition("application/openmetrics-text")[1].startswith("application/openmetrics-text")
    for nonsense in ("text/plain;version=a.b.c", ";;=,", "text/plain;version=1.0.0;escaping=x"):
        assert metrics.exposition(nonsense)[1].startswith("text/plain")


async def test_nothing_is_counted_once_it_is_closed(metrics: Metrics) -> None:
    metrics.close()
    axon.telemetry.emit(RequestServed(edge="grpc", route="x", status=200, error_type="", seconds=1))
    assert value(metrics, "axon_requests_total", edge="grpc", route="x", status="200") is None
