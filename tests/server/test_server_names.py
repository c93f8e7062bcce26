"""Names of servers: found while they live, free before anybody hears of their death."""

from __future__ import annotations

import asyncio

import pytest
from servers import Async, Boom, Plain, Start, State, each_kind, raising, reason_of, settle

import axon
from axon import ExitReason, Supervisor, child


@each_kind
async def test_b54_a_name_leads_to_its_server(start: Start, kind: type[Plain]) -> None:
    server = await start(kind(), name="main")
    assert axon.whereis("main") is axon.whereis(server)
    assert axon.lookup(kind, "main") == server
    assert await axon.lookup(kind, "main").echo(1) == 1
    assert axon.registered() == ["main"]


async def test_b54_nobody_holds_an_unknown_name() -> None:
    assert axon.whereis("nobody") is None
    with pytest.raises(axon.NoProcess, match="nobody"):
        axon.lookup(Plain, "nobody")


async def test_a_name_of_a_server_of_another_class_is_refused(start: Start) -> None:
    await start(Plain(), name="main")
    with pytest.raises(axon.WrongServer, match="main"):
        axon.lookup(Async, "main")


async def test_a_name_found_as_a_base_class_leads_to_the_subclass(start: Start) -> None:
    server = await start(Async(), name="main")
    assert axon.lookup(Plain, "main") == server


@each_kind
@pytest.mark.parametrize("reason", [axon.shutdown, axon.kill, Boom()], ids=repr)
async def test_b53_the_name_is_free_when_a_watcher_hears_of_the_death(
    start: Start, kind: type[Plain], reason: ExitReason
) -> None:
    server, watcher = await start(kind(), name="main"), await start(Plain())
    found: list[object] = []

    def look(state: State) -> None:
        found.append(axon.whereis("main"))

    await watcher.do(lambda _: axon.monitor("main"))
    axon.exit(server, reason)
    axon.send(watcher, look)
    assert await reason_of(server) == axon.noproc
    await axon.get_state(watcher)
    assert found == [None]


@each_kind
async def test_b53_a_restart_under_the_same_name_never_races(start: Start, kind: type[Plain]) -> None:
    for _ in range(50):
        server = await start(kind(), name="main")
        server.tell(raising(Boom()))
        await axon.wait_down(server)
        assert axon.whereis("main") is None


async def test_b53_callers_hear_of_the_death_when_the_name_is_free(start: Start) -> None:
    server = await start(Async(), name="main")
    with pytest.raises(axon.ServerDied):
        await server.do(raising(Boom()))
    assert axon.whereis("main") is None


async def test_a_supervised_server_has_its_name_again_after_a_restart() -> None:
    async with Supervisor([child(Plain(), name="main")]) as sup:
        found = axon.lookup(Plain, "main")
        assert found == sup.get(Plain)
        axon.exit("main", axon.kill)
        await settle()
        assert await found.echo(1) == 1
        assert axon.whereis("main") is axon.whereis(found)


async def test_a_running_server_may_be_given_a_name(start: Start) -> None:
    server = await start(Plain())
    axon.register("later", server)
    assert axon.lookup(Plain, "later") == server
    with pytest.raises(axon.InvalidOption):
        axon.register("second", server)
    axon.unregister("later")
    assert axon.whereis("later") is None
    assert await server.echo(1) == 1


@pytest.mark.parametrize("wrong", ["", 3, b"main"])
async def test_a_wrong_name_is_refused(start: Start, wrong: str) -> None:
    with pytest.raises(axon.InvalidOption) as caught:
        await start(Plain(), name=wrong)
    assert (caught.value.option, caught.value.value) == ("name", wrong)


async def test_messages_to_a_name_reach_who_holds_it_when_they_are_sent(start: Start) -> None:
    first = await start(Plain(), name="main")
    axon.send("main", "to the first")
    await axon.stop(first)
    second = await start(Plain(), name="main")
    axon.send("main", "to the second")
    await asyncio.sleep(0)
    assert await axon.get_state(second) == ["to the second"]


def test_each_event_loop_has_names_of_its_own() -> None:
    async def main(*others: Plain) -> Plain:
        assert axon.whereis("main") is None
        server = await axon.start(Plain(), name="main")
        for other in others:
            with pytest.raises(axon.WrongLoop):
                other.tell(raising(Boom()))
        return server

    with asyncio.Runner() as first, asyncio.Runner() as second:
        second.run(main(first.run(main())))
