"""`statistics`: what a server has done and what waits for it, without disturbing it."""

from __future__ import annotations

import asyncio

from servers import Plain, Start, each_kind, nothing, settle, sleeping

import axon
from axon import GenServer, Reply, cast


class Desk(GenServer[None]):
    def init(self) -> None: ...

    @cast
    def book(self, state: None, room: int, *, nights: int) -> None: ...


@each_kind
async def test_b51_a_fresh_server_has_done_nothing(start: Start, kind: type[Plain]) -> None:
    server = await start(kind())
    assert axon.statistics(server) == axon.Statistics(handled=0, queued=0, pending=0, recent=())


@each_kind
async def test_b51_handled_messages_are_counted_and_the_last_eight_shown(start: Start, kind: type[Plain]) -> None:
    server = await start(kind())
    for number in range(10):
        await server.echo(number)
    axon.send(server, {"foreign": "message"})
    await axon.get_state(server)
    statistics = axon.statistics(server)
    assert statistics.handled == 11, "a system message is none"
    assert statistics.recent == (*(f"echo({number})" for number in range(3, 10)), "{'foreign': 'message'}")


@each_kind
async def test_b51_what_waits_and_what_is_under_way(start: Start, kind: type[Plain]) -> None:
    server = await start(kind())
    later = asyncio.create_task(server.do(lambda _: Reply[int]()))
    await settle()
    busy = asyncio.create_task(server.do(sleeping(1)))
    await settle()
    server.tell(nothing)
    server.tell(nothing)
    statistics = axon.statistics(server)
    assert (statistics.handled, statistics.queued, statistics.pending) == (2, 2, 1)
    assert not busy.done()
    await busy
    await axon.get_state(server)
    assert axon.statistics(server).queued == 0
    axon.exit(server, axon.kill)
    await asyncio.wait([later])
    assert isinstance(later.exception(), axon.ServerDied)


async def test_long_arguments_are_cut(start: Start) -> None:
    server = await start(Plain())
    await server.echo("x" * 10_000)
    [shown] = axon.statistics(server).recent
    assert len(shown) < 200
    assert shown.startswith("echo('xxx")


async def test_keyword_arguments_are_shown_by_name(start: Start) -> None:
    desk = await start(Desk())
    desk.book(3, nights=2)
    await settle()
    assert axon.statistics(desk).recent == ("book(3, nights=2)",)


@each_kind
async def test_a_burst_is_counted_message_by_message(start: Start, kind: type[Plain]) -> None:
    server = await start(kind())
    seen: list[axon.Statistics] = []
    for number in range(30):
        server.tell(lambda _: seen.append(axon.statistics(server)))
        if number % 10 == 5:
            asking = asyncio.create_task(server.echo(number))
            await asyncio.sleep(0)
            await asking
    await settle()
    counts = [statistics.handled for statistics in seen]
    assert counts == sorted(counts)
    assert len(set(counts)) == 30
    assert all(len(statistics.recent) == min(8, statistics.handled) for statistics in seen)
    last = axon.statistics(server)
    assert (last.handled, last.queued) == (33, 0)
    assert [text.partition("(")[0] for text in last.recent] == ["tell"] * 3 + ["echo"] + ["tell"] * 4


class Unreadable:
    def __repr__(self) -> str:
        raise ValueError


async def test_an_argument_that_cannot_be_shown_does_no_harm(start: Start) -> None:
    server = await start(Plain())
    await server.echo(Unreadable())
    assert axon.statistics(server).recent[0].startswith("echo(<Unreadable instance")
