"""A bounded mailbox: what happens at the limit, and what passes all the same."""

from __future__ import annotations

import asyncio

import pytest
from servers import Async, Plain, Start, State, each_kind, note, nothing, now, reason_of, seen, settle, sleeping

import axon
from axon import cast, child
from axon.process import runtime
from axon.telemetry import DeadLetter, attach
from axon.testing import explore


async def filled(start: Start, kind: type[Plain], limit: int, seconds: float = 1) -> tuple[Plain, asyncio.Task[object]]:
    """A server that is busy for `seconds`, and whose mailbox is at its limit."""
    server = await start(kind(), name="bounded", mailbox=limit)
    busy = asyncio.create_task(server.do(sleeping(seconds)))
    await settle()
    for number in range(limit):
        server.tell(note(number))
    return server, busy


@each_kind
async def test_at_the_limit_a_call_raises_with_its_message(start: Start, kind: type[Plain]) -> None:
    server, busy = await filled(start, kind, 2)
    with pytest.raises(axon.MailboxFull, match="mailbox=2") as caught:
        await server.echo("important")
    assert caught.value.limit == 2
    assert caught.value.message == "echo('important')"
    assert caught.value.target == "bounded"
    await busy
    assert await seen(server) == [0, 1]
    assert await server.echo("again") == "again"


@each_kind
async def test_at_the_limit_a_cast_is_dead_lettered_and_counted_and_never_raises(
    start: Start, kind: type[Plain]
) -> None:
    letters: list[DeadLetter] = []
    attach(letters.append, DeadLetter)
    server, busy = await filled(start, kind, 2)
    server.tell(nothing)
    server.tell(nothing)
    await busy
    assert [(letter.path, letter.why) for letter in letters] == [("bounded", "mailbox full")] * 2
    assert runtime().dead_letters == 2
    assert await seen(server) == [0, 1]


@each_kind
async def test_only_what_waits_counts_and_not_what_is_handled(start: Start, kind: type[Plain]) -> None:
    server = await start(kind(), mailbox=1)
    busy = asyncio.create_task(server.do(sleeping(1)))
    await settle()
    waiting = asyncio.create_task(server.echo("waits"))
    await settle()
    assert axon.statistics(server).queued == 1
    await busy
    assert await waiting == "waits"


@each_kind
async def test_system_messages_and_signals_are_never_refused(start: Start, kind: type[Plain]) -> None:
    server, busy = await filled(start, kind, 1)
    axon.send_after(0, server, "from a timer")
    await settle()
    looking = asyncio.create_task(axon.get_state(server))
    await settle()
    stopping = asyncio.create_task(axon.stop(server))
    await asyncio.wait([busy, looking])
    assert looking.result() == [0, "from a timer"]
    await stopping


async def test_an_exit_signal_passes_too(start: Start) -> None:
    server, busy = await filled(start, Async, 1, seconds=100)
    axon.exit(server, axon.shutdown)
    assert await reason_of(server) == axon.shutdown
    await asyncio.wait([busy])


# -- offer


@each_kind
async def test_offer_waits_for_room(start: Start, kind: type[Plain]) -> None:
    server, busy = await filled(start, kind, 2)
    await axon.offer(server.tell, note("offered"))
    assert now() == pytest.approx(1, abs=0.01)
    await busy
    assert await seen(server) == [0, 1, "offered"]


@each_kind
async def test_offer_is_just_the_cast_while_there_is_room_or_no_limit(start: Start, kind: type[Plain]) -> None:
    for limit in (None, 1):
        server = await start(kind(), mailbox=limit)
        await axon.offer(server.tell, note("offered"))
        assert await seen(server) == ["offered"]
    assert now() == 0


@each_kind
async def test_a_flush_that_empties_the_mailbox_makes_room(start: Start, kind: type[Plain]) -> None:
    server, other = await start(kind(), mailbox=1), await start(Plain())

    async def await_and_flush() -> None:
        monitor = axon.monitor(other)
        axon.exit(other, axon.kill)
        await asyncio.sleep(1)
        axon.demonitor(monitor, flush=True)

    busy = asyncio.create_task(server.do(lambda state: await_and_flush()))
    await settle()
    assert axon.statistics(server).queued == 1
    await axon.offer(server.tell, note("offered"))
    await busy
    assert await seen(server) == ["offered"]


async def test_those_who_offer_get_room_in_the_order_they_came(start: Start) -> None:
    server, busy = await filled(start, Async, 1)
    offers: list[asyncio.Task[None]] = []
    for name in "abc":
        offers.append(asyncio.create_task(axon.offer(server.tell, note(name))))
        await settle()
    await asyncio.wait(offers)
    await busy
    assert await seen(server) == [0, "a", "b", "c"]


def test_nobody_is_overtaken_in_that_line_under_any_schedule() -> None:
    async def offer_in_turn() -> None:
        server = await axon.start(Async(), mailbox=2)
        server.tell(sleeping(1))
        offers: list[asyncio.Task[None]] = []
        for number in range(7):
            offers.append(asyncio.create_task(axon.offer(server.tell, note(number))))
            await asyncio.sleep(0.2)
        await asyncio.wait(offers)
        assert await seen(server) == list(range(7))
        await axon.stop(server)

    explore(offer_in_turn, range(50))


async def test_a_plain_cast_may_be_faster_and_then_the_first_in_line_waits_on(start: Start) -> None:
    class Filler(Async):
        @cast
        async def fill(self, state: State) -> None:
            """In the very step that gives its room to the first in line."""
            server.tell(note("cast"))
            await asyncio.sleep(1)

    server = await start(Filler(), mailbox=1)
    server.tell(sleeping(1))
    await settle()
    server.fill()
    offers: list[asyncio.Task[None]] = []
    for name in "ab":
        offers.append(asyncio.create_task(axon.offer(server.tell, note(name))))
        await settle()
    await asyncio.wait(offers)
    assert await seen(server) == ["cast", "a", "b"]


async def test_an_offer_that_is_refused_as_a_cycle_leaves_the_line(start: Start) -> None:
    async def offer_myself(state: State) -> None:
        await asyncio.sleep(1)
        with pytest.raises(axon.CallCycle):
            await axon.offer(server.tell, note("myself"))
        await asyncio.sleep(1)

    server = await start(Async(), mailbox=1)
    busy = asyncio.create_task(server.do(offer_myself))
    await settle()
    server.tell(note(0))
    await asyncio.sleep(1.5)
    await asyncio.wait([asyncio.create_task(axon.offer(server.tell, note(1)))], timeout=10)
    await busy
    assert await seen(server) == [0, 1]


@each_kind
async def test_a_thousand_offers_never_exceed_the_limit(start: Start, kind: type[Plain]) -> None:
    server = await start(kind(), mailbox=3)

    async def offer_all(name: str) -> None:
        for number in range(100):
            await axon.offer(server.tell, note((name, number)))
            assert axon.statistics(server).queued <= 3

    await asyncio.gather(*(offer_all(name) for name in "abc"))
    taken = await seen(server)
    for name in "abc":
        offered = [(name, number) for number in range(100)]
        assert [item for item in taken if item in offered] == offered
    assert runtime().dead_letters == 0


async def test_room_for_somebody_who_gives_up_in_that_instant_goes_to_the_next(start: Start) -> None:
    server = await start(Plain(), mailbox=1)
    busy = asyncio.create_task(server.do(sleeping(1)))
    await settle()
    server.tell(lambda _: first.cancel())  # room is made when this is taken out of the mailbox
    first = asyncio.create_task(axon.offer(server.tell, note("first")))
    second = asyncio.create_task(axon.offer(server.tell, note("second")))
    await busy
    _, waiting = await asyncio.wait([first, second], timeout=10)
    assert not waiting
    assert first.cancelled()
    assert await seen(server) == ["second"]


@pytest.mark.parametrize("turns", range(6))
async def test_room_is_never_lost_whenever_somebody_gives_up(start: Start, turns: int) -> None:
    server, busy = await filled(start, Async, 1)
    offers = [asyncio.create_task(axon.offer(server.tell, note(name))) for name in ("first", "second")]
    await busy
    for _ in range(turns):
        await asyncio.sleep(0)
    offers[0].cancel()
    _, waiting = await asyncio.wait(offers, timeout=10)
    assert not waiting
    assert "second" in await seen(server)


async def test_the_room_of_a_system_message_that_a_suspended_server_took_is_given(start: Start) -> None:
    server = await start(Plain(), mailbox=1)
    await axon.suspend(server)
    looking = asyncio.create_task(axon.get_state(server))
    offering = asyncio.create_task(axon.offer(server.tell, note("offered")))
    await asyncio.wait([looking, offering], timeout=10)
    assert offering.done()
    await axon.resume(server)
    assert await seen(server) == ["offered"]


async def test_the_room_of_a_down_that_was_flushed_is_given(start: Start) -> None:
    async def fill_and_flush(state: State) -> None:
        monitor = axon.monitor("nobody")  # its Down comes at once
        await asyncio.sleep(1)
        axon.demonitor(monitor, flush=True)

    server = await start(Async(), mailbox=1)
    busy = asyncio.create_task(server.do(fill_and_flush))
    await settle()
    offering = asyncio.create_task(axon.offer(server.tell, note("offered")))
    await asyncio.wait([busy, offering], timeout=10)
    assert offering.done()
    assert await seen(server) == ["offered"]


async def test_who_waits_for_room_hears_of_the_death(start: Start) -> None:
    server, busy = await filled(start, Async, 1, seconds=100)
    offering = asyncio.create_task(axon.offer(server.tell, note(1)))
    await settle()
    axon.exit(server, axon.kill)
    await asyncio.wait([offering, busy])
    assert isinstance(offering.exception(), axon.NoProcess)


async def test_only_a_cast_can_be_offered(start: Start) -> None:
    server = await start(Plain())
    for wrong in (server.echo, print, lambda: None):
        with pytest.raises(axon.InvalidOption) as caught:
            await axon.offer(wrong)  # type: ignore[arg-type]
        assert caught.value.option == "method"
    with pytest.raises(axon.NotStarted):
        await axon.offer(Plain().tell, nothing)


@pytest.mark.parametrize("wrong", [0, -1, True, 1.5, "10"])
async def test_a_wrong_limit_is_refused(start: Start, wrong: int) -> None:
    for use in (lambda: child(Plain(), mailbox=wrong), None):
        with pytest.raises(axon.InvalidOption) as caught:
            use() if use is not None else await start(Plain(), mailbox=wrong)
        assert (caught.value.option, caught.value.value) == ("mailbox", wrong)


@each_kind
async def test_at_the_limit_a_plain_message_is_dead_lettered_too(start: Start, kind: type[Plain]) -> None:
    server, busy = await filled(start, kind, 2)
    for number in range(10):
        axon.send(server, number)
    assert axon.statistics(server).queued == 2
    assert runtime().dead_letters == 10
    await busy


@each_kind
async def test_an_offer_ends_with_the_deadline_around_it(start: Start, kind: type[Plain]) -> None:
    server, busy = await filled(start, kind, 2)
    with pytest.raises(axon.DeadlineExceeded):
        async with axon.deadline(0.5):
            await axon.offer(server.tell, note("offered"))
    assert now() == pytest.approx(0.5, abs=0.01)
    await busy
    assert await seen(server) == [0, 1]
