"""`span`: one event when work starts, exactly one when it is over; and a program's own events."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from dataclasses import FrozenInstanceError, dataclass
from typing import Any

import pytest

import axon
from axon import GenServer, InvalidOption, call
from axon.telemetry import (
    Event,
    ListenerFailed,
    ProcessStarted,
    SpanFailed,
    SpanStarted,
    SpanStopped,
    attach,
    bus,
    emit,
    span,
    wants,
)
from axon.testing import capture_events


@dataclass(frozen=True)
class OrderPlaced(Event):
    order: int


@dataclass(frozen=True)
class RushOrderPlaced(OrderPlaced):
    pass


class Shop(GenServer[None]):
    def init(self) -> None:
        pass

    @call
    async def sell(self, state: None, order: int) -> None:
        with span("sale", order=order):
            await asyncio.sleep(2)
        emit(OrderPlaced(order))

    @call
    def fail(self, state: None) -> None:
        with span("sale"):
            raise ValueError("sold out")


async def test_g17_a_span_is_a_start_and_one_stop_with_its_duration() -> None:
    with capture_events(SpanStarted, SpanStopped, SpanFailed) as events:
        before = time.time()
        await asyncio.sleep(3)
        with span("payment", order=7):
            await asyncio.sleep(1.5)
    start, stop = events
    assert isinstance(start, SpanStarted)
    assert isinstance(stop, SpanStopped)
    assert (start.name, start.metadata, start.monotonic_time) == ("payment", {"order": 7}, 3.0)
    assert before <= start.system_time <= time.time()
    assert (stop.name, stop.monotonic_time, stop.duration) == ("payment", 4.5, 1.5)


async def test_g17_an_error_ends_the_span_as_failed_and_goes_on() -> None:
    error = ValueError("no money")
    with (
        capture_events(SpanStarted, SpanStopped, SpanFailed) as events,
        pytest.raises(ValueError, match="no money") as caught,
        span("payment", order=7),
    ):
        await asyncio.sleep(1)
        raise error
    assert caught.value is error
    _, failed = events
    assert isinstance(failed, SpanFailed)
    assert (failed.kind, failed.error, failed.duration) == ("error", error, 1.0)
    assert failed.error.__traceback__ is not None


async def test_g17_a_cancellation_ends_the_span_as_an_exit() -> None:
    async def work() -> None:
        with span("work"):
            await asyncio.sleep(9)

    with capture_events(SpanStarted, SpanStopped, SpanFailed) as events:
        task = asyncio.create_task(work())
        await asyncio.sleep(2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    _, failed = events
    assert isinstance(failed, SpanFailed)
    assert (failed.kind, failed.duration) == ("exit", 2.0)
    assert isinstance(failed.error, asyncio.CancelledError)


async def test_g17_a_killed_server_leaves_no_span_open() -> None:
    with capture_events(SpanStarted, SpanStopped, SpanFailed) as events:
        shop = await axon.start(Shop(), name="shop")
        selling = asyncio.create_task(shop.sell(1))
        await events.until(SpanStarted)
        axon.exit(shop, axon.kill)
        with pytest.raises(axon.ServerDied):
            await selling
        failed = await events.until(SpanFailed)
    assert (failed.path, failed.kind) == ("shop", "exit")
    assert len(events) == 2


async def test_g17_so_is_a_span_around_the_yield_of_a_generator_that_is_closed() -> None:
    async def numbers() -> AsyncGenerator[int]:
        with span("numbers"):
            yield 1

    with capture_events(SpanStarted, SpanStopped, SpanFailed) as events:
        generator = numbers()
        assert await anext(generator) == 1
        await generator.aclose()
    assert [type(event) for event in events] == [SpanStarted, SpanFailed]
    assert [failed.kind for failed in events.of(SpanFailed)] == ["exit"]


async def test_g18_the_events_of_a_span_share_its_number_and_its_metadata() -> None:
    with capture_events(SpanStarted, SpanStopped, SpanFailed) as events:
        with span("outer", order=7) as notes, span("inner"):
            notes["paid"] = True
        with pytest.raises(ValueError), span("failing", order=8) as notes:
            notes["tried"] = 2
            raise ValueError
    (outer, inner, failing), (inner_stop, outer_stop) = events.of(SpanStarted), events.of(SpanStopped)
    (failed,) = events.of(SpanFailed)
    assert len({outer.span, inner.span, failing.span}) == 3
    assert (outer_stop.span, inner_stop.span, failed.span) == (outer.span, inner.span, failing.span)
    assert outer.metadata == {"order": 7}, "as it was when it started"
    assert outer_stop.metadata == {"order": 7, "paid": True}
    assert (failing.metadata, failed.metadata) == ({"order": 8}, {"order": 8, "tried": 2})


async def test_g19_durations_are_seconds_of_the_monotonic_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wall clock may jump: no duration does."""
    with capture_events(SpanStopped) as events, span("work"):
        await asyncio.sleep(2)
        monkeypatch.setattr(time, "time", lambda: 0.0)
    assert [event.duration for event in events] == [2.0]


@pytest.mark.real_clock
async def test_g19_on_a_real_loop_too() -> None:
    with capture_events(SpanStopped) as events:
        began = time.monotonic()
        with span("work"):
            await asyncio.sleep(0.01)
    assert 0.01 <= events[0].duration <= time.monotonic() - began


async def test_spans_and_events_say_in_which_process_they_happened() -> None:
    with capture_events(SpanStarted, SpanStopped, OrderPlaced) as events:
        shop = await axon.start(Shop(), name="shop")
        await shop.sell(3)
        with span("outside"):
            pass
        await axon.stop(shop)
    assert [(type(event), event.path) for event in events] == [
        (SpanStarted, "shop"),
        (SpanStopped, "shop"),
        (OrderPlaced, "shop"),
        (SpanStarted, ""),
        (SpanStopped, ""),
    ]


async def test_while_nobody_listens_no_event_of_a_span_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*args: object, **fields: object) -> None:
        pytest.fail(f"built with {fields}")

    for kind in ("SpanStarted", "SpanStopped", "SpanFailed"):
        monkeypatch.setattr(f"axon.telemetry._span.{kind}", type(kind, (Event,), {"__init__": build}))
    with span("work") as notes:
        assert notes == {}
    with pytest.raises(ValueError), span("work"):
        raise ValueError


def test_without_an_event_loop_a_span_is_only_its_body() -> None:
    with span("script", order=1) as notes:
        assert notes == {"order": 1}


@pytest.mark.parametrize("name", ["", None, 3])
async def test_a_span_wants_a_name(name: Any) -> None:
    with pytest.raises(InvalidOption, match="name"):
        span(name)


# -- events of a program


async def test_a_program_emits_events_of_its_own() -> None:
    heard: list[OrderPlaced] = []
    detach = attach(heard.append, OrderPlaced)
    assert wants(OrderPlaced)
    emit(OrderPlaced(3))
    emit(OrderPlaced(4, path="elsewhere"))
    detach()
    emit(OrderPlaced(5))
    assert [(event.order, event.path) for event in heard] == [(3, ""), (4, "elsewhere")]
    with pytest.raises(FrozenInstanceError):
        heard[0].order = 9  # type: ignore[misc]


@pytest.mark.parametrize("event", [None, "paid", OrderPlaced, Event(path="app")])
async def test_what_is_no_event_is_refused(event: Any) -> None:
    with pytest.raises(InvalidOption, match="event"):
        emit(event)


def test_there_are_events_only_in_a_loop() -> None:
    with pytest.raises(RuntimeError, match="event loop"):
        emit(OrderPlaced(1))


async def test_g14_listeners_run_in_the_emitters_turn() -> None:
    heard: list[int] = []
    for _ in range(3):
        attach(lambda event: heard.append(event.order), OrderPlaced)
    emit(OrderPlaced(7))
    assert heard == [7, 7, 7]


async def test_g14_a_kind_is_exactly_that_class() -> None:
    """Neither the classes it derives from nor those derived from it: as names are in Elixir's telemetry."""
    heard: list[str] = []
    attach(lambda _: heard.append("order"), OrderPlaced)
    attach(lambda _: heard.append("rush"), RushOrderPlaced)
    emit(RushOrderPlaced(1))
    emit(OrderPlaced(2))
    assert heard == ["rush", "order"]


@pytest.mark.parametrize("error", [ValueError("deaf"), SystemExit(3), asyncio.CancelledError()])
async def test_g15_a_listener_that_raises_is_detached_from_all_its_kinds(error: BaseException) -> None:
    def deaf(event: Event) -> None:
        raise error

    with capture_events(OrderPlaced, ListenerFailed) as events:
        attach(deaf, OrderPlaced, ProcessStarted)
        emit(OrderPlaced(1))
        emit(OrderPlaced(2))
        assert bus().listeners.get(ProcessStarted) is None
    failures = events.of(ListenerFailed)
    assert [(failure.kind, failure.error) for failure in failures] == [(OrderPlaced, error)]
    assert "deaf" in failures[0].listener
    assert [event.order for event in events.of(OrderPlaced)] == [1, 2], "the others hear it all the same"


@pytest.mark.real_clock
def test_g15_an_interrupt_that_comes_while_a_listener_runs_is_not_lost() -> None:
    ended: list[object] = []

    def interrupted(event: Event) -> None:
        raise KeyboardInterrupt

    async def main() -> None:
        attach(interrupted, OrderPlaced)
        emit(OrderPlaced(1))
        ended.append("the emitter went on")
        await asyncio.Event().wait()

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    assert ended == ["the emitter went on"]


async def test_g16_detaching_again_is_no_error_and_attachments_are_independent() -> None:
    heard: list[OrderPlaced] = []
    first, second = attach(heard.append, OrderPlaced), attach(heard.append, OrderPlaced)
    emit(OrderPlaced(1))
    first()
    first()
    emit(OrderPlaced(2))
    second()
    emit(OrderPlaced(3))
    assert [event.order for event in heard] == [1, 1, 2]


async def test_what_a_listener_attaches_or_detaches_counts_from_the_next_event_on() -> None:
    heard: list[str] = []

    def first(event: OrderPlaced) -> None:
        heard.append(f"first {event.order}")
        detach()
        attach(lambda event: heard.append(f"second {event.order}"), OrderPlaced)

    detach = attach(first, OrderPlaced)
    emit(OrderPlaced(1))
    emit(OrderPlaced(2))
    assert heard == ["first 1", "second 2"]


async def test_a_programs_own_events_are_not_logged() -> None:
    assert logging.getLogger("axon").isEnabledFor(logging.ERROR)
    assert not wants(OrderPlaced)
