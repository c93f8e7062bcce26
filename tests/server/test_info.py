"""Plain messages: what is no request comes to `handle_info`, and what nobody expected does no harm."""

from __future__ import annotations

import asyncio

import pytest
from servers import Plain, Start, each_kind, reason_of, seen, settle

import axon
from axon import Down, Exit, GenServer, call
from axon.telemetry import UnexpectedMessage, attach


class Deaf(GenServer[int]):
    """Has no handle_info."""

    trap_exit = True

    def init(self) -> int:
        return 1

    @call
    def get(self, state: int) -> int:
        return state


@pytest.mark.parametrize("message", ["text", None, 3, ("a", "tuple"), object(), Exit(None, axon.shutdown), {"k": 1}])
@each_kind
async def test_any_value_comes_to_handle_info(start: Start, kind: type[Plain], message: object) -> None:
    server = await start(kind())
    axon.send(server, message)
    assert await seen(server) == [message]


async def test_b30_an_unexpected_message_is_reported_and_survived(start: Start) -> None:
    unexpected: list[UnexpectedMessage] = []
    attach(unexpected.append, UnexpectedMessage)
    server = await start(Deaf(), name="deaf")
    axon.send(server, {"what": "is this"})
    axon.exit(server, axon.shutdown)
    assert await server.get() == 1
    await settle()
    assert unexpected == [
        UnexpectedMessage(path="deaf", text="{'what': 'is this'}"),
        UnexpectedMessage(path="deaf", text="Exit(sender=None, reason=shutdown)"),
    ]


class Unreadable:
    def __repr__(self) -> str:
        raise ValueError


async def test_b30_also_one_that_cannot_be_shown(start: Start) -> None:
    unexpected: list[UnexpectedMessage] = []
    attach(unexpected.append, UnexpectedMessage)
    server = await start(Deaf())
    axon.send(server, Unreadable())
    await settle()
    assert await server.get() == 1
    assert "Unreadable" in unexpected[0].text


async def test_b30_a_long_one_is_cut(start: Start) -> None:
    unexpected: list[UnexpectedMessage] = []
    attach(unexpected.append, UnexpectedMessage)
    server = await start(Deaf())
    axon.send(server, "x" * 10_000)
    await settle()
    assert len(unexpected[0].text) < 200


@each_kind
async def test_a_server_may_watch_others(start: Start, kind: type[Plain]) -> None:
    watcher, server = await start(kind()), await start(kind())
    process = axon.whereis(server)
    monitor = await watcher.do(lambda _: axon.monitor(server))
    assert isinstance(monitor, axon.Monitor)
    axon.exit(server, axon.kill)
    await settle()
    assert await seen(watcher) == [Down(monitor, process, axon.killed)]


@each_kind
async def test_links_of_servers_that_do_not_trap_share_their_fate(start: Start, kind: type[Plain]) -> None:
    first, second = await start(kind()), await start(kind())
    await first.do(lambda _: axon.link(second))
    ending = asyncio.create_task(reason_of(second))
    await settle()
    axon.exit(first, axon.shutdown("together"))
    assert await ending == axon.shutdown("together")
