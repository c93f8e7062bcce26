"""What is told of a request in another process belongs to the trace and the log of the one that made it."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from port_servers import Counter, Doomed, Traced

import axon
from axon.port import isolated, port_status

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_the_trace_of_a_program_goes_to_its_children_by_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As https://opentelemetry.io/docs/specs/otel/context/env-carriers/ has it."""
    monkeypatch.setenv("TRACEPARENT", PARENT)
    monkeypatch.setenv("TRACESTATE", "vendor=1")
    counter = await axon.start(isolated(Counter()))
    environment = await counter.environment()
    assert (environment["TRACEPARENT"], environment["TRACESTATE"]) == (PARENT, "vendor=1")
    await axon.stop(counter)


async def test_the_trace_of_a_request_goes_along_whatever_its_kind(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where a handler has waited; and none is left for the next request."""
    provider = TracerProvider()
    end = axon.telemetry.opentelemetry.instrument(provider)
    traced = await axon.start(isolated(Traced()))
    file = tmp_path / "trace"
    for name in ("first", "second"):
        with provider.get_tracer("test").start_as_current_span(name) as span:
            mine = span.get_span_context().trace_id
            assert await traced.trace() == mine
            assert await traced.trace_after_a_while() == mine
            assert [trace async for trace in traced.traces()] == [mine, mine]
            traced.note_trace(str(file))
            assert await traced.trace() == mine
            assert file.read_text() == str(mine)
    end()
    assert caplog.records == [], "OpenTelemetry complains by its log about a context that is not given back"
    await axon.stop(traced)


async def test_a_log_line_over_there_has_its_context_here(caplog: pytest.LogCaptureFixture) -> None:
    """What structlog has bound, and whose process it was."""
    traced = await axon.start(isolated(Traced()), name="talker")
    pid = port_status(traced).pid
    await traced.log_by_structlog(7)
    async with asyncio.timeout(5):
        while not (found := [record for record in caplog.records if record.name == "their.structlog"]):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    (record,) = found
    assert (record.levelno, record.getMessage()) == (logging.WARNING, "they said")
    assert (vars(record)["order"], vars(record)["path"], vars(record)["pid"]) == (7, "talker", pid)
    await axon.stop(traced)


async def test_a_crash_is_told_of_once_with_the_path_of_its_server(caplog: pytest.LogCaptureFixture) -> None:
    doomed = await axon.start(isolated(Doomed()), name="doomed")
    with pytest.raises(axon.ServerDied):
        await doomed.crash("lost")
    crashes = [record for record in caplog.records if record.getMessage().startswith("crashed")]
    assert [vars(record)["path"] for record in crashes] == ["doomed"]
