"""Axon in OpenTelemetry, seen by the real SDK: spans that nest over servers, and counts of what goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from opentelemetry import baggage, context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Gauge, InMemoryMetricReader, Sum
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import StatusCode, Tracer, get_current_span
from pydantic_ai import Agent, InstrumentationSettings
from pydantic_ai.capabilities import Instrumentation
from pydantic_ai.models.test import TestModel

import axon
from axon import GenServer, Reply, Supervisor, UsageError, call, cast, child, from_thread, stream
from axon.agent import AgentServer
from axon.telemetry import bus
from axon.telemetry.opentelemetry import instrument

Work = Callable[[], Any]


class OutOfStock(Exception):
    """An error that is an answer."""


class Plain(GenServer[None]):
    """Does what it is told, in plain handlers."""

    def init(self) -> None:
        pass

    @call(timeout=None, raises=(OutOfStock,))
    def do(self, state: None, work: Work) -> object:
        return work()

    @cast
    def tell(self, state: None, work: Work) -> None:
        work()

    @stream
    async def count(self, state: None, upto: int, work: Work) -> AsyncGenerator[int]:
        for number in range(upto):
            yield number
            await asyncio.sleep(1)
            work()


class Busy(Plain):
    """The same, and awaits what it is told to do."""

    @call(timeout=None, raises=(OutOfStock,))
    async def do(self, state: None, work: Work) -> object:
        await asyncio.sleep(0)
        value = work()
        return await value if asyncio.iscoroutine(value) else value

    @cast
    async def tell(self, state: None, work: Work) -> None:
        await asyncio.sleep(0)
        value = work()
        if asyncio.iscoroutine(value):
            await value


each_kind = pytest.mark.parametrize("kind", [Plain, Busy])


class Spans:
    """What the SDK was handed."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer: Tracer = self.provider.get_tracer("tests")

    def ended(self) -> list[ReadableSpan]:
        """In the order in which they ended."""
        return list(self._exporter.get_finished_spans())

    def names(self) -> list[str]:
        return [span.name for span in self.ended()]

    def one(self, name: str) -> ReadableSpan:
        (span,) = [span for span in self.ended() if span.name == name]
        return span

    def lineage(self, name: str) -> list[str]:
        """The names from this span up to its root."""
        by_id = {span.context.span_id: span for span in self.ended() if span.context is not None}
        found: list[str] = []
        span: ReadableSpan | None = self.one(name)
        while span is not None:
            found.append(span.name)
            span = None if span.parent is None else by_id[span.parent.span_id]
        return found


class Metrics:
    """What the SDK's reader sees."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.provider = MeterProvider([self._reader])

    def read(self, name: str) -> dict[tuple[object, ...], float]:
        """The values of one metric by those of its attributes."""
        data = self._reader.get_metrics_data()
        found: dict[tuple[object, ...], float] = {}
        for resource in data.resource_metrics if data is not None else ():
            for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
                if metric.name == name:
                    assert isinstance(metric.data, Sum | Gauge)
                    for point in metric.data.data_points:
                        found[tuple((point.attributes or {}).values())] = point.value
        return found


@pytest.fixture
async def spans() -> AsyncGenerator[Spans]:
    spans = Spans()
    detach = instrument(tracer_provider=spans.provider, meter_provider=MeterProvider())
    yield spans
    detach()


@pytest.fixture
async def metrics() -> AsyncGenerator[Metrics]:
    metrics = Metrics()
    detach = instrument(tracer_provider=TracerProvider(), meter_provider=metrics.provider)
    yield metrics
    detach()


@pytest.fixture
def work_span(spans: Spans) -> Work:
    """Work that has a span of its own."""

    def work() -> None:
        with spans.tracer.start_as_current_span("work"):
            pass

    return work


# -- one span a request


@each_kind
async def test_a_call_is_a_span_named_after_its_handler(spans: Spans, kind: type[Plain]) -> None:
    server = await axon.start(kind(), name="shop")
    assert await server.do(lambda: 3) == 3
    (span,) = spans.ended()
    assert span.name == f"{kind.__name__}.do"
    assert span.status.status_code is StatusCode.UNSET
    assert dict(span.attributes or {}) == {
        "code.function.name": f"{__name__}.{kind.__name__}.do",
        "axon.message.kind": "call",
        "axon.process.path": "shop",
    }
    assert span.instrumentation_scope is not None
    assert span.instrumentation_scope.name == "axon"
    await axon.stop(server)


@each_kind
async def test_a_crash_gives_status_error_with_the_exception(spans: Spans, kind: type[Plain]) -> None:
    server = await axon.start(kind(), name="shop")
    with pytest.raises(axon.ServerDied):
        await server.do(lambda: 1 / 0)
    (span,) = spans.ended()
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == "ZeroDivisionError('division by zero')"
    assert (span.attributes or {})["error.type"] == "ZeroDivisionError"
    (event,) = span.events
    assert (event.attributes or {})["exception.type"] == "ZeroDivisionError"
    assert "in <lambda>" in str((event.attributes or {})["exception.stacktrace"])


@each_kind
async def test_a_crash_in_a_cast_too(spans: Spans, kind: type[Plain]) -> None:
    server = await axon.start(kind())
    server.tell(lambda: 1 / 0)
    await axon.wait_down(server)
    (span,) = spans.ended()
    assert (span.name, span.status.status_code) == (f"{kind.__name__}.tell", StatusCode.ERROR)


async def test_so_does_a_kill(spans: Spans) -> None:
    server = await axon.start(Busy())
    asking = asyncio.create_task(server.do(lambda: asyncio.sleep(60)))
    await asyncio.sleep(1)
    axon.exit(server, axon.kill)
    with pytest.raises(axon.ServerDied):
        await asking
    (span,) = spans.ended()
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "killed")
    assert (span.attributes or {})["error.type"] == "killed"


@each_kind
async def test_a_declared_error_is_an_answer_and_no_fault(spans: Spans, kind: type[Plain]) -> None:
    def fail() -> None:
        raise OutOfStock

    server = await axon.start(kind())
    with pytest.raises(OutOfStock):
        await server.do(fail)
    (span,) = spans.ended()
    assert span.status.status_code is StatusCode.UNSET
    assert (span.attributes or {})["error.type"] == "OutOfStock"
    await axon.stop(server)


async def test_neither_is_an_orderly_end(spans: Spans) -> None:
    def stop() -> None:
        raise axon.Stop

    server = await axon.start(Plain())
    with pytest.raises(axon.ServerDied):
        await server.do(stop)
    assert spans.one("Plain.do").status.status_code is StatusCode.UNSET


async def test_a_request_that_no_handler_began_has_no_span(spans: Spans) -> None:
    server = await axon.start(Busy())
    asking = asyncio.create_task(server.do(lambda: asyncio.sleep(60)))
    await asyncio.sleep(1)
    with pytest.raises(axon.DeadlineExceeded):
        async with axon.deadline(1):
            await server.do(lambda: None)
    server.tell(lambda: None)
    axon.exit(server, axon.kill)
    await asyncio.wait([asking])
    assert spans.names() == ["Busy.do"], "the one that was under way"


# -- whose child it is


@each_kind
async def test_the_span_of_a_handler_is_the_child_of_its_callers(
    spans: Spans, kind: type[Plain], work_span: Work
) -> None:
    server = await axon.start(kind())
    with spans.tracer.start_as_current_span("caller"):
        await server.do(work_span)
        assert get_current_span().get_span_context() != spans.one(f"{kind.__name__}.do").context
    assert spans.lineage("work") == ["work", f"{kind.__name__}.do", "caller"]
    await axon.stop(server)


@each_kind
async def test_and_of_who_casts_though_nobody_waits(spans: Spans, kind: type[Plain], work_span: Work) -> None:
    server = await axon.start(kind())
    with spans.tracer.start_as_current_span("caller"):
        server.tell(work_span)
    await axon.get_state(server)
    assert spans.lineage("work") == ["work", f"{kind.__name__}.tell", "caller"]
    await axon.stop(server)


async def test_it_goes_on_over_several_servers(spans: Spans, work_span: Work) -> None:
    first, second, third = await axon.start(Busy()), await axon.start(Busy()), await axon.start(Plain())

    def ask_third() -> Any:
        return third.do(work_span)

    def ask_second() -> Any:
        return second.do(ask_third)

    with spans.tracer.start_as_current_span("caller"):
        await first.do(ask_second)
    assert spans.lineage("work") == ["work", "Plain.do", "Busy.do", "Busy.do", "caller"]
    for server in (first, second, third):
        await axon.stop(server)


@each_kind
async def test_a_handler_leaves_no_span_behind_for_the_next_one(spans: Spans, kind: type[Plain]) -> None:
    server = await axon.start(kind())
    with spans.tracer.start_as_current_span("caller"):
        await server.do(lambda: None)
    await server.do(lambda: None)
    inside: list[bool] = []
    axon.send(server, "no request")
    await axon.replace_state(server, lambda _: inside.append(get_current_span().get_span_context().is_valid))
    first, second = [span for span in spans.ended() if span.name != "caller"]
    assert first.parent is not None
    assert second.parent is None
    assert inside == [False]
    await axon.stop(server)


async def test_nothing_else_of_the_callers_context_travels(spans: Spans) -> None:
    server = await axon.start(Plain())
    token = context.attach(baggage.set_baggage("customer", "7"))
    assert await server.do(lambda: dict(baggage.get_all())) == {}
    context.detach(token)
    await axon.stop(server)


@pytest.mark.real_clock
async def test_a_call_from_a_thread_has_the_threads_span(spans: Spans) -> None:
    server = await axon.start(Plain())

    def in_thread() -> None:
        with spans.tracer.start_as_current_span("thread"):
            from_thread.call(server.do, lambda: None)

    await asyncio.to_thread(in_thread)
    assert spans.lineage("Plain.do") == ["Plain.do", "thread"]
    await axon.stop(server)


# -- work that goes on after the handler


@each_kind
async def test_deferred_work_is_part_of_the_span_which_ends_with_the_answer(
    spans: Spans, kind: type[Plain], work_span: Work
) -> None:
    server = await axon.start(kind())

    async def later() -> str:
        await asyncio.sleep(2)
        work_span()
        return "done"

    with spans.tracer.start_as_current_span("caller"):
        asking = asyncio.create_task(server.do(lambda: asyncio.create_task(later())))
        await asyncio.sleep(1)
        assert spans.names() == []
        assert await asking == "done"
    assert spans.lineage("work") == ["work", f"{kind.__name__}.do", "caller"]
    assert spans.names() == ["work", f"{kind.__name__}.do", "caller"]
    await axon.stop(server)


async def test_deferred_work_that_fails_is_an_error(spans: Spans) -> None:
    async def fail() -> None:
        raise ValueError("paper jam")

    server = await axon.start(Plain())
    with pytest.raises(ValueError, match="paper jam"):
        await server.do(lambda: asyncio.create_task(fail()))
    assert spans.one("Plain.do").status.description == "ValueError('paper jam')"
    await axon.stop(server)


async def test_so_is_an_answer_that_never_came(spans: Spans) -> None:
    server = await axon.start(Plain())
    asking = asyncio.create_task(server.do(Reply[int]))
    await asyncio.sleep(1)
    axon.exit(server, axon.kill)
    await asyncio.wait([asking])
    assert spans.one("Plain.do").status.description == "killed"


async def test_the_span_of_a_stream_ends_with_the_stream(spans: Spans, work_span: Work) -> None:
    server = await axon.start(Plain())
    with spans.tracer.start_as_current_span("caller"):
        async for _ in server.count(2, work_span):
            assert "Plain.count" not in spans.names()
    assert spans.names()[-2:] == ["Plain.count", "caller"]
    assert spans.one("Plain.count").status.status_code is StatusCode.UNSET
    parents = {span.parent.span_id for span in spans.ended() if span.name == "work" and span.parent is not None}
    count = spans.one("Plain.count").context
    assert count is not None
    assert parents == {count.span_id}
    await axon.stop(server)


async def test_a_stream_that_its_reader_closes_is_no_error(spans: Spans) -> None:
    server = await axon.start(Plain())
    async with server.count(9, lambda: None) as numbers:
        assert await anext(numbers) == 0
    await asyncio.sleep(1)
    assert spans.one("Plain.count").status.status_code is StatusCode.UNSET
    await axon.stop(server)


async def test_a_stream_that_breaks_off_is_one(spans: Spans) -> None:
    server = await axon.start(Plain())
    with pytest.raises(ZeroDivisionError):
        async for _ in server.count(2, lambda: 1 / 0):
            pass
    assert spans.one("Plain.count").status.description == "ZeroDivisionError('division by zero')"
    with pytest.raises(axon.ServerDied):
        async for _ in server.count(2, lambda: axon.exit(server, axon.kill)):
            pass
    await asyncio.sleep(1)
    assert spans.ended()[-1].status.description == "killed"


async def test_the_spans_of_pydantic_ai_nest_below_the_agents(spans: Spans) -> None:
    def look_up(word: str) -> str:
        return "found"

    agent = Agent(
        TestModel(),
        name="writer",
        tools=[look_up],
        capabilities=[Instrumentation(settings=InstrumentationSettings(tracer_provider=spans.provider))],
    )
    async with Supervisor([child(AgentServer(agent), id="writer")]) as supervisor:
        with spans.tracer.start_as_current_span("asker"):
            await supervisor.get(AgentServer[Any, str], "writer").run("hello")
    assert spans.lineage("execute_tool look_up") == [
        "execute_tool look_up",
        "invoke_agent writer",
        "AgentServer._run",
        "asker",
    ]
    assert spans.names().count("chat test") == 2


# -- counts


async def test_crashes_restarts_and_dead_letters_are_counted(metrics: Metrics) -> None:
    async with Supervisor([Plain()], max_restarts=9) as supervisor:
        server = supervisor.get(Plain)
        for _ in range(2):
            server.tell(lambda: 1 / 0)
            server.tell(lambda: None)
            await asyncio.sleep(1)
        await supervisor.terminate_child("Plain")
        server.tell(lambda: None)
    assert metrics.read("axon.crashes") == {("ZeroDivisionError",): 2}
    assert metrics.read("axon.restarts") == {(): 2}
    assert metrics.read("axon.dead_letters") == {("died before handling it",): 2, ("no process",): 1}


async def test_zombies_are_counted(metrics: Metrics) -> None:
    async def stubborn() -> None:
        for _ in range(100):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.5)

    server = await axon.start(Busy())
    server.tell(stubborn)
    await asyncio.sleep(1)
    axon.exit(server, axon.kill)
    await asyncio.sleep(60)
    assert metrics.read("axon.zombies") == {(): 1}


async def test_requests_are_counted_by_server_and_kind(metrics: Metrics) -> None:
    plain, busy = await axon.start(Plain()), await axon.start(Busy())
    await plain.do(lambda: None)
    await plain.do(lambda: None)
    plain.tell(lambda: None)
    await busy.do(lambda: None)
    async for _ in busy.count(1, lambda: None):
        pass
    await axon.get_state(plain)
    assert metrics.read("axon.requests.handled") == {
        ("Plain", "call"): 2,
        ("Plain", "cast"): 1,
        ("Busy", "call"): 1,
        ("Busy", "stream"): 1,
    }
    await axon.stop(plain)
    await axon.stop(busy)


async def test_the_longest_mailbox_of_each_class_is_observed(metrics: Metrics) -> None:
    first, second, other = await axon.start(Busy()), await axon.start(Busy()), await axon.start(Plain())
    server: Plain
    for server, waiting in ((first, 2), (second, 4)):
        server.tell(lambda: asyncio.sleep(9))
        await asyncio.sleep(1)
        for _ in range(waiting):
            server.tell(lambda: None)
    await other.do(lambda: None)
    assert metrics.read("axon.mailbox.length") == {("Busy",): 4, ("Plain",): 0}
    for server in (first, second, other):
        await axon.stop(server)


async def test_a_server_that_is_gone_is_not_observed(metrics: Metrics) -> None:
    server = await axon.start(Plain())
    await server.do(lambda: None)
    await axon.stop(server)
    del server
    await asyncio.sleep(0)
    gc.collect()
    assert metrics.read("axon.mailbox.length") == {}


# -- on and off


async def test_nothing_is_followed_unless_instrumented() -> None:
    assert bus().tracer is None
    server = await axon.start(Plain())
    assert await server.do(lambda: get_current_span().get_span_context().is_valid) is False
    await axon.stop(server)


async def test_detaching_ends_it_and_instrumenting_again_begins_anew() -> None:
    spans, metrics = Spans(), Metrics()
    server = await axon.start(Plain())
    for _ in range(2):
        detach = instrument(spans.provider, metrics.provider)
        await server.do(lambda: None)
        detach()
        detach()
        await server.do(lambda: None)
        server.tell(lambda: None)
    assert spans.names() == ["Plain.do", "Plain.do"]
    assert metrics.read("axon.requests.handled") == {("Plain", "call"): 2}
    await axon.stop(server)


async def test_a_request_under_way_is_followed_to_its_end(spans: Spans) -> None:
    server, other = await axon.start(Busy()), Spans()
    asking = asyncio.create_task(server.do(lambda: asyncio.sleep(2)))
    await asyncio.sleep(1)
    bus().tracer = None
    detach = instrument(other.provider, MeterProvider())
    await asking
    detach()
    assert (spans.names(), other.names()) == (["Busy.do"], [])
    await axon.stop(server)


async def test_a_loop_is_instrumented_once(spans: Spans) -> None:
    with pytest.raises(UsageError, match="instrumented already"):
        instrument(spans.provider)


async def test_without_an_sdk_it_does_nothing() -> None:
    detach = instrument()
    server = await axon.start(Plain())
    assert await server.do(lambda: 3) == 3
    detach()
    await axon.stop(server)


async def test_a_server_that_knows_a_span_takes_it_along_without_an_sdk_of_its_own(spans: Spans) -> None:
    """A sampler may drop a trace: its parent still travels."""
    dropped = TracerProvider(sampler=ALWAYS_OFF).get_tracer("tests")
    server = await axon.start(Plain())
    with dropped.start_as_current_span("caller") as caller:
        inside = await server.do(lambda: get_current_span().get_span_context().trace_id)
    assert inside == caller.get_span_context().trace_id
    assert spans.names() == []
    await axon.stop(server)
