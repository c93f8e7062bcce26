"""Names that a registry keeps: a key is usable wherever a name is. Rules B55, E7 and E8."""

from __future__ import annotations

import asyncio

import pytest
from workers import Boom, Other, Start, Worker, end, process_of, seen, settle, spawn_inbox

import axon
from axon import Down, GenServer, NameTaken, Process, Registry, Supervisor, child, lookup
from axon.process import Via


def sessions() -> Registry[str, int]:
    return Registry[str, int]("sessions")


class Toy(Via):
    """The smallest registry there can be: one name, and nobody told it of deaths."""

    holder: Process | None = None

    def whereis(self) -> Process | None:
        return self.holder

    def register(self, process: Process) -> None:
        if axon.whereis(self) is not None and self.holder is not None:
            raise NameTaken("toy", self.holder.path, process.path)
        self.holder = process

    def unregister(self, process: Process) -> None:
        if self.holder is process:
            self.holder = None


@pytest.fixture(params=["registry", "toy"])
def name(request: pytest.FixtureRequest) -> Via:
    """A name of Axon's own registry, or of one that a program brings along."""
    return sessions().via("ann") if request.param == "registry" else Toy()


async def test_b55_a_server_is_started_under_the_name_and_found_by_it(start: Start, name: Via) -> None:
    server = await start(Worker(), name=name)
    assert axon.whereis(name) is process_of(server)
    assert lookup(Worker, name) == server
    assert await lookup(Worker, name).do(axon.current) is process_of(server)
    lookup(Worker, name).tell("cast")
    axon.send(name, "send")
    assert await axon.get_state(name) == ["cast", "send"]
    await axon.stop(name)
    assert axon.whereis(name) is None


async def test_b55_the_name_is_no_text_among_the_registered(start: Start, name: Via) -> None:
    server = await start(Worker(), name=name)
    assert axon.registered() == []
    axon.register("main", server)
    assert axon.whereis("main") is axon.whereis(name)


async def test_b55_it_is_a_target_of_links_monitors_signals_and_timers(start: Start, name: Via) -> None:
    server, watcher = await start(Worker(), name=name), await start(Worker())
    process = process_of(server)
    monitor = await watcher.do(axon.monitor, name)
    assert monitor.target is name
    await watcher.do(axon.link, name)
    await watcher.do(axon.unlink, name)
    axon.exit(name, axon.kill)
    assert await seen(watcher) == [Down(monitor, process, axon.killed)]
    assert (await axon.wait_down(name)).reason == axon.noproc


async def test_b55_who_holds_the_name_is_looked_up_when_a_timer_fires(start: Start, name: Via) -> None:
    axon.send_after(1, name, "nobody")
    await asyncio.sleep(2)
    axon.send_after(1, name, "first")
    axon.send_after(3, name, "second")
    first = await start(Worker(), name=name)
    await asyncio.sleep(2)
    assert await seen(first) == ["first"]
    await end(first)
    second = await start(Worker(), name=name)
    await asyncio.sleep(2)
    assert await seen(second) == ["second"]


async def test_e7_a_second_start_under_the_name_fails_before_init(start: Start, name: Via) -> None:
    holder = await start(Worker(), name=name)

    class Fails(GenServer[None]):
        def init(self) -> None:
            raise Boom

    with pytest.raises(NameTaken) as caught:
        await axon.start(Fails(), name=name)
    assert caught.value.holder == process_of(holder).path


async def test_e7_a_death_frees_the_name_for_an_immediate_successor(start: Start, name: Via) -> None:
    for _ in range(20):
        server = await start(Worker(), name=name)
        axon.exit(server, axon.kill)
        assert axon.whereis(name) is None


async def test_e7_the_name_carries_a_value(start: Start) -> None:
    registry = sessions()
    server = await start(Worker(), name=registry.via("ann", 7))
    assert registry.lookup("ann") == [(process_of(server), 7)]
    assert registry.keys(server) == ["ann"]


async def test_e7_a_supervised_server_has_its_name_again_after_a_restart() -> None:
    registry = sessions()
    async with Supervisor([child(Worker(), name=registry.via("ann", 7))]) as sup:
        found = lookup(Worker, registry.via("ann"))
        assert found == sup.get(Worker)
        first = process_of(found)
        axon.exit(registry.via("ann"), axon.kill)
        assert registry.lookup("ann") == []
        await settle()
        assert registry.lookup("ann") == [(process_of(found), 7)]
        assert process_of(found) is not first


async def test_e7_a_taken_name_fails_a_childs_start() -> None:
    registry = sessions()
    children = [child(Worker(), id=id, name=registry.via("ann")) for id in ("one", "two")]
    with pytest.raises(axon.StartFailed) as caught:
        async with Supervisor(children):
            pass
    assert isinstance(caught.value.__cause__, axon.StartFailed | NameTaken)
    assert registry.count() == 0


async def test_e7_duplicate_keys_are_no_names() -> None:
    with pytest.raises(axon.InvalidOption, match=r"'unique' for via\(\), got: 'duplicate'"):
        Registry[str, int]("events", keys="duplicate").via("tick")


async def test_e8_sending_to_a_name_that_nobody_holds_raises() -> None:
    """So does everything that needs somebody; an exit signal to nobody is no error, as with any name."""
    name = sessions().via("nobody")
    with pytest.raises(axon.NoProcess, match=r"no process at sessions\['nobody'\]"):
        axon.send(name, "mail")
    with pytest.raises(axon.NoProcess, match=r"sessions\['nobody'\]: nobody holds this name"):
        lookup(Worker, name)  # different: in Elixir a cast by name is swallowed; here it takes a handle
    with pytest.raises(axon.NoProcess, match=r"sessions\['nobody'\]"):
        await axon.stop(name)
    with pytest.raises(axon.NoProcess, match=r"sessions\['nobody'\]"):
        await axon.get_state(name)
    with pytest.raises(axon.NoProcess, match=r"sessions\['nobody'\]"):
        axon.unregister(name)
    axon.exit(name, axon.kill)


async def test_any_live_process_can_be_given_the_name_and_lose_it() -> None:
    registry, (process, messages) = sessions(), spawn_inbox()
    axon.register(registry.via("ann", 3), process)
    assert registry.lookup("ann") == [(process, 3)]
    axon.send(registry.via("ann"), "mail")
    await settle()
    assert messages == ["mail"]
    axon.unregister(registry.via("ann"))
    assert registry.lookup("ann") == []
    await end(process)
    with pytest.raises(axon.NoProcess):
        axon.register(registry.via("ann", 3), process)


async def test_a_process_may_hold_many_keys_and_one_text(start: Start) -> None:
    registry = sessions()
    server = await start(Worker(), name=registry.via("ann"))
    axon.register(registry.via("bob"), server)
    axon.register("main", server)
    assert registry.keys(server) == ["ann", "bob"]
    with pytest.raises(axon.InvalidOption, match="'main'"):
        axon.register("second", server)
    axon.unregister("main")
    axon.register("second", server)
    assert (axon.whereis("main"), axon.whereis("second")) == (None, process_of(server))


async def test_a_handle_is_of_the_class_that_was_asked_for(start: Start) -> None:
    name = sessions().via("ann")
    server = await start(Worker(), name=name)
    with pytest.raises(axon.WrongServer, match=r"sessions\['ann'\]"):
        lookup(Other, name)
    assert lookup(Worker, process_of(server)) == server
    await end(server)
    with pytest.raises(axon.NoProcess):
        lookup(Worker, server)


class Slow(GenServer[None]):
    """Its init hangs, and holds on to its life."""

    async def init(self) -> None:
        while axon.current().exit_requested != axon.killed:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                await asyncio.sleep(0.5)
                raise


async def test_a_start_that_was_given_up_frees_the_name_at_once(start: Start, name: Via) -> None:
    """However long its end takes."""
    with pytest.raises(axon.StartFailed, match="init took longer than 1 s"):
        await axon.start(Slow(), name=name, timeout=1)
    server = await start(Worker(), name=name)
    await asyncio.sleep(2)
    assert axon.whereis(name) is process_of(server)


async def test_the_path_of_a_server_shows_the_key_it_was_started_under(start: Start) -> None:
    server = await start(Worker(), name=sessions().via("ann"))
    assert process_of(server).path == "sessions['ann']"
    assert repr(server) == "<Worker sessions['ann']>"


@pytest.mark.parametrize("wrong", [3, b"ann", ("sessions", "ann")])
async def test_a_wrong_name_is_refused(wrong: str) -> None:
    with pytest.raises(axon.InvalidOption, match="name"):
        await axon.start(Worker(), name=wrong)
    with pytest.raises(axon.InvalidOption, match="name"):
        child(Worker(), name=wrong)


async def test_a_key_is_no_id() -> None:
    with pytest.raises(axon.InvalidOption, match="id"):
        child(Worker(), id=sessions().via("ann"))  # type: ignore[arg-type]
