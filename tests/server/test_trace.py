"""`trace`: one server watched at work, on and off at run time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from servers import Async, Boom, Plain, Start, each_kind, nothing, raising, settle, sleeping

import axon
from axon import GenServer, Reply, Stop, Supervisor, call, stream
from axon.server import ServerProcess
from axon.telemetry import (
    AnswerSent,
    Event,
    LifeChanged,
    MessageHandled,
    MessageTaken,
    attach,
    configure_logging,
)
from axon.testing import CapturedEvents, capture_events

Trace = CapturedEvents[Event]
KINDS: tuple[type[Event], ...] = (MessageTaken, MessageHandled, AnswerSent, LifeChanged)


@pytest.fixture
async def seen() -> AsyncGenerator[Trace]:
    with capture_events(*KINDS) as events:
        yield events


def told(events: Trace) -> list[str]:
    """The events in short, without the paths."""
    lines: list[str] = []
    for event in events:
        match event:
            case MessageTaken(kind=kind, text=text):
                lines.append(f"{kind} {text}")
            case MessageHandled(text=text, error=error):
                lines.append(f"handled {text}" if error is None else f"failed {text}: {error!r}")
            case AnswerSent(text=text, answer=answer):
                lines.append(f"answered {text}: {answer}")
            case LifeChanged(life=life, reason=reason):
                lines.append(life if reason is None else f"{life} {reason!r}")
            case _:
                lines.append(repr(event))
    events.clear()
    return lines


@each_kind
async def test_b51_each_message_in_and_each_answer_out_is_told(start: Start, seen: Trace, kind: type[Plain]) -> None:
    server = await start(kind(), name="main")
    axon.trace(server)
    assert await server.echo(3) == 3
    server.tell(nothing)
    axon.send(server, "news")
    await axon.get_state(server)
    assert {event.path for event in seen} == {"main"}
    text = next(event.text for event in seen.of(MessageTaken) if event.kind == "cast")
    assert told(seen) == [
        "call echo(3)",
        "handled echo(3)",
        "answered echo(3): 3",
        f"cast {text}",
        f"handled {text}",
        "info 'news'",
        "handled 'news'",
    ]


async def test_b51_it_is_switched_on_and_off_at_run_time(start: Start, seen: Trace) -> None:
    server = await start(Plain())
    await server.echo(1)
    for on in (True, True):
        axon.trace(server, on)
    await server.echo(2)
    axon.trace(server, on=False)
    await server.echo(3)
    assert [event.text for event in seen.of(MessageTaken)] == ["echo(2)"]


async def test_b51_others_are_not_traced_and_do_no_work_for_it(start: Start, seen: Trace) -> None:
    watched, other = await start(Plain(), name="watched"), await start(Plain(), name="other")
    axon.trace(watched)
    await other.echo(1)
    assert told(seen) == []
    assert type(axon.whereis(other)) is ServerProcess, "the very class, with nothing in it for traces"
    axon.trace(watched, on=False)
    assert type(axon.whereis(watched)) is ServerProcess


async def test_how_long_a_message_took_and_how_many_wait(start: Start, seen: Trace) -> None:
    server = await start(Async())
    axon.trace(server)
    server.tell(sleeping(2))
    server.tell(sleeping(3))
    server.tell(nothing)
    await axon.get_state(server)
    assert [event.waiting for event in seen.of(MessageTaken)] == [3, 2, 1], "with the one of get_state"
    assert [event.duration for event in seen.of(MessageHandled)] == [2.0, 3.0, 0.0]


@each_kind
async def test_the_turns_of_its_life(start: Start, seen: Trace, kind: type[Plain]) -> None:
    server = await start(kind())
    axon.trace(server)
    await axon.suspend(server)
    await axon.suspend(server)
    await axon.resume(server)
    await axon.stop(server, axon.shutdown)
    assert told(seen) == ["suspended", "running", "terminating shutdown", "ended shutdown"]


@each_kind
async def test_a_crash_is_told_to_its_end(start: Start, seen: Trace, kind: type[Plain]) -> None:
    server = await start(kind())
    axon.trace(server)
    with pytest.raises(axon.ServerDied):
        await server.do(raising(Boom("ink")))
    lines = told(seen)
    assert lines[0].startswith("call do(")
    assert lines[1].startswith("failed do(")
    assert lines[1].endswith("Boom('ink')")
    assert lines[2:] == ["terminating Boom('ink')", "ended Boom('ink')"]


async def test_so_is_a_kill_in_the_middle_of_a_message(start: Start, seen: Trace) -> None:
    server = await start(Async())
    axon.trace(server)
    server.tell(sleeping(60))
    await settle()
    axon.exit(server, axon.kill)
    await settle()
    lines = told(seen)
    assert lines[1].endswith("CancelledError()")
    assert lines[2:] == ["ended killed"]


@each_kind
async def test_a_stop_by_itself_is_no_failure(start: Start, seen: Trace, kind: type[Plain]) -> None:
    server = await start(kind())
    axon.trace(server)
    axon.send(server, raising(Stop(axon.normal)))
    await axon.wait_down(server)
    assert [line.split()[0] for line in told(seen)] == ["info", "handled", "terminating", "ended"]


class Shop(GenServer[None]):
    """Answers late, with errors, and many times."""

    def init(self) -> None:
        pass

    @call
    def later(self, state: None, answer: Reply[int]) -> asyncio.Future[int]:
        return answer

    @call(raises=(Boom,))
    def refuse(self, state: None) -> None:
        raise Boom("sold out")

    @call
    def close(self, state: None) -> str:
        axon.stop_self()
        return "bye"

    @stream
    async def count(self, state: None) -> AsyncGenerator[int]:
        yield 1


async def test_a_later_answer_is_told_when_it_comes(start: Start, seen: Trace) -> None:
    shop, answer, error = await start(Shop()), Reply[int](), Reply[int]()
    axon.trace(shop)
    first, second = asyncio.create_task(shop.later(answer)), asyncio.create_task(shop.later(error))
    await settle()
    assert [line.split()[0] for line in told(seen)] == ["call", "handled", "call", "handled"]
    answer.set_result(7)
    error.set_exception(Boom("late"))
    await asyncio.wait([first, second])
    assert isinstance(second.exception(), Boom)
    assert [event.answer for event in seen.of(AnswerSent)] == ["7", "Boom('late')"]


async def test_a_declared_error_is_how_the_message_ended(start: Start, seen: Trace) -> None:
    shop = await start(Shop())
    axon.trace(shop)
    with pytest.raises(Boom):
        await shop.refuse()
    assert told(seen) == ["call refuse()", "failed refuse(): Boom('sold out')"]


async def test_streams_and_parting_answers(start: Start, seen: Trace) -> None:
    shop = await start(Shop())
    axon.trace(shop)
    assert [number async for number in shop.count()] == [1]
    assert await shop.close() == "bye"
    lines = told(seen)
    assert lines[:2] == ["stream count()", "handled count()"]
    assert lines[2].startswith("answered count(): <async_generator")
    assert lines[3:] == [
        "call close()",
        "handled close()",
        "answered close(): 'bye'",
        "terminating normal",
        "ended normal",
    ]


async def test_a_message_that_was_under_way_is_not_half_told(start: Start, seen: Trace) -> None:
    server = await start(Async())
    server.tell(sleeping(2))
    await settle()
    axon.trace(server)
    await axon.get_state(server)
    server.tell(sleeping(2))
    await settle()
    axon.trace(server, on=False)
    await axon.get_state(server)
    axon.trace(server)
    await server.echo(5)
    lines = told(seen)
    assert lines[0].startswith("cast tell(")
    assert lines[1:] == ["call echo(5)", "handled echo(5)", "answered echo(5): 5"]


async def test_a_server_may_trace_itself_and_those_it_calls(start: Start, seen: Trace) -> None:
    server, other = await start(Plain(), name="server"), await start(Plain(), name="other")
    await server.do(lambda _: axon.trace("server"))
    await server.do(lambda _: axon.trace(other))
    await other.echo(1)
    assert [event.path for event in seen.of(MessageTaken)] == ["server", "other"]


async def test_a_restarted_server_is_not_traced(seen: Trace) -> None:
    """As in OTP, where the debug options go with the process."""
    async with Supervisor([Plain()]) as sup:
        server = sup.get(Plain)
        axon.trace(server)
        server.tell(raising(Boom()))
        await settle()
        assert [event.life for event in seen.of(LifeChanged)] == ["terminating", "ended"]
        seen.clear()
        await server.echo(1)
        assert told(seen) == []


async def test_a_traced_server_works_as_any_other(start: Start) -> None:
    """With nobody who listens, too."""
    server = await start(Async())
    axon.trace(server)
    assert await server.echo(1) == 1
    busy = asyncio.create_task(server.do(sleeping(7)))
    await settle()
    with pytest.raises(axon.CallTimeout):
        await server.echo(2)
    await busy
    assert await server.echo(3) == 3
    assert axon.statistics(server).handled == 4


async def test_it_is_logged_for_programs_that_log(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    server = await start(Plain(), name="main")
    axon.trace(server)
    await server.echo(3)
    logger = logging.getLogger("axon")
    logger.handlers = [h for h in logger.handlers if not hasattr(h, "_axon")]
    logger.setLevel(logging.NOTSET)
    printed = capsys.readouterr().err
    for word in ("message taken", "message handled", "answer sent", "echo(3)", "path=main"):
        assert word in printed


@pytest.mark.parametrize("on", [None, 1, "yes"])
async def test_on_is_true_or_false(start: Start, on: Any) -> None:
    with pytest.raises(axon.InvalidOption, match="on"):
        axon.trace(await start(Plain()), on)


async def test_only_a_living_server_can_be_traced(start: Start) -> None:
    server = await start(Plain())
    await axon.stop(server)
    with pytest.raises(axon.NoProcess):
        axon.trace(server)
    process = axon.process.spawn(asyncio.sleep, 1)
    with pytest.raises(axon.InvalidOption, match="inbox loop"):
        axon.trace(process)
    axon.exit(process, axon.kill)


async def test_listeners_hear_of_it_in_the_servers_turn(start: Start) -> None:
    order: list[str] = []
    attach(lambda event: order.append(event.text), MessageTaken)
    server = await start(Plain())
    axon.trace(server)
    await server.do(lambda _: order.append("handler"))
    assert order[1] == "handler"
