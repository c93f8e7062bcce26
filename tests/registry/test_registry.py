"""Values of processes under keys. The rules E1 to E17 are those of Elixir's Registry."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from workers import Boom, Start, Worker, end, process_of, seen, settle, spawn_inbox

import axon
from axon import ExitReason, Registry
from axon.registry import Entry, Registered, Unregistered

BOTH = pytest.mark.parametrize("keys", ["unique", "duplicate"])


def unique() -> Registry[str, int]:
    return Registry[str, int]("sessions")


def duplicate() -> Registry[str, int]:
    return Registry[str, int]("events", keys="duplicate")


# -- unique keys


async def test_e1_a_process_registers_itself_under_a_key_with_a_value(start: Start) -> None:
    registry, worker = unique(), await start(Worker())
    await worker.do(registry.register, "ann", 1)
    assert registry.lookup("ann") == [(process_of(worker), 1)]
    [(process, value)] = registry.lookup("ann")
    assert (process, value) == (process_of(worker), 1)


async def test_e1_a_key_has_one_holder_and_its_value_stays(start: Start) -> None:
    """For the holder itself, too."""
    registry, one, two = unique(), await start(Worker()), await start(Worker())
    await one.do(registry.register, "ann", 1)
    for worker in (one, two):
        with pytest.raises(axon.NameTaken, match=r"sessions\['ann'\]") as caught:
            await worker.do(registry.register, "ann", 2)
        assert caught.value.holder == process_of(one).path
    assert registry.lookup("ann") == [(process_of(one), 1)]


async def test_e1_a_process_may_hold_many_keys(start: Start) -> None:
    registry, worker = unique(), await start(Worker())
    for value, key in enumerate(["ann", "bob"]):
        await worker.do(registry.register, key, value)
    assert registry.keys(worker) == ["ann", "bob"]


async def test_e1_a_value_may_be_left_out_where_there_is_none(start: Start) -> None:
    registry, worker = Registry[str, None]("members"), await start(Worker())
    await worker.do(registry.register, "ann")
    assert registry.lookup("ann") == [Entry(process_of(worker), None)]


# -- duplicate keys


async def test_e2_a_duplicate_key_has_any_number_of_entries_in_the_order_registered(start: Start) -> None:
    """Several by one process, too."""
    registry, one, two = duplicate(), await start(Worker()), await start(Worker())
    for worker, value in ((one, 1), (two, 2), (one, 3), (one, 1)):
        await worker.do(registry.register, "tick", value)
    first, second = process_of(one), process_of(two)
    assert registry.lookup("tick") == [(first, 1), (second, 2), (first, 3), (first, 1)]
    assert registry.count() == 4


# -- deaths


@BOTH
@pytest.mark.parametrize("reason", [axon.normal, axon.shutdown, axon.kill, Boom()], ids=repr)
async def test_e3_all_entries_of_a_process_vanish_however_it_dies(
    start: Start, keys: axon.registry.Keys, reason: ExitReason
) -> None:
    registry, one, two = Registry[str, int]("all", keys=keys), await start(Worker()), await start(Worker())
    for key in ("a", "b"):
        await one.do(registry.register, key, 1)
    await two.do(registry.register, "c", 2)
    if reason == axon.kill:
        axon.exit(one, reason)
    else:
        await axon.stop(one, reason)
    assert registry.items() == [("c", (process_of(two), 2))]
    assert registry.keys(one) == []


async def test_e4_nobody_who_hears_of_a_death_finds_an_entry_of_the_dead() -> None:
    """Different, and better: in Elixir `lookup` may still show it after its `DOWN`, more often than not."""
    registry, found = unique(), list[object]()

    async def holder() -> None:
        registry.register("ann", 1)
        await axon.process.receive()

    async def watcher(process: axon.Process) -> None:
        axon.monitor(process)
        await axon.process.receive()
        found.append(registry.lookup("ann"))
        registry.register("ann", 2)

    for _ in range(50):
        process = axon.process.spawn(holder)
        axon.process.spawn(watcher, process)
        await settle()
        axon.exit(process, axon.shutdown)
        await settle()
        assert registry.count() == 0  # the watcher has ended, too
    assert found == [[]] * 50


async def test_e3_a_process_that_is_killed_before_its_first_step_leaves_nothing() -> None:
    registry = Registry[str, None]("started")
    process, _ = spawn_inbox()
    axon.register(registry.via("ann"), process)
    axon.exit(process, axon.kill)
    assert registry.lookup("ann") == []
    await settle()


# -- giving up


@BOTH
async def test_e5_unregister_gives_up_all_that_the_caller_holds_under_a_key(
    start: Start, keys: axon.registry.Keys
) -> None:
    registry, one, two = Registry[str, int]("all", keys=keys), await start(Worker()), await start(Worker())
    for worker, key in ((one, "a"), (one, "b"), (two, "c")):
        await worker.do(registry.register, key, 1)
    if keys == "duplicate":
        await one.do(registry.register, "a", 2)
    await one.do(registry.unregister, "a")
    assert (registry.keys(one), registry.keys(two)) == (["b"], ["c"])


@BOTH
async def test_e5_only_the_owner_can_unregister_and_holding_nothing_is_no_error(
    start: Start, keys: axon.registry.Keys
) -> None:
    registry, one, two = Registry[str, int]("all", keys=keys), await start(Worker()), await start(Worker())
    await one.do(registry.register, "a", 1)
    await two.do(registry.unregister, "a")
    await two.do(registry.unregister, "never seen")
    assert registry.lookup("a") == [(process_of(one), 1)]


async def test_e6_an_unknown_key_has_no_entries() -> None:
    """That a registry itself is unknown cannot happen: it is an object, and not a name."""
    assert unique().lookup("nobody") == duplicate().lookup("nobody") == []
    assert unique().values("nobody", "nobody") == []
    assert unique().keys("nobody") == []


# -- values


async def test_e9_update_value_replaces_ones_own_value_and_returns_both(start: Start) -> None:
    registry, worker = unique(), await start(Worker())
    await worker.do(registry.register, "ann", 1)
    assert await worker.do(registry.update_value, "ann", lambda value: value + 1) == (2, 1)
    assert registry.lookup("ann") == [(process_of(worker), 2)]


async def test_e9_of_another_ones_key_or_an_unknown_one_nothing_is_called(start: Start) -> None:
    registry, one, two = unique(), await start(Worker()), await start(Worker())
    called: list[int] = []
    await one.do(registry.register, "ann", 1)

    def change(value: int) -> int:
        called.append(value)
        return value

    for key in ("ann", "nobody"):
        assert await two.do(registry.update_value, key, change) is None
    assert (called, registry.lookup("ann")) == ([], [(process_of(one), 1)])


async def test_e9_what_the_change_raises_reaches_the_caller_and_the_value_stays(start: Start) -> None:
    registry, worker = unique(), await start(Worker())
    await worker.do(registry.register, "ann", 1)

    def fail(value: int) -> int:
        raise Boom(value)

    with pytest.raises(Boom):
        await worker.do(registry.update_value, "ann", fail)
    assert registry.lookup("ann") == [(process_of(worker), 1)]


async def test_e9_duplicate_keys_have_no_value_to_update(start: Start) -> None:
    registry, worker = duplicate(), await start(Worker())
    with pytest.raises(axon.InvalidOption, match=r"'unique' for update_value\(\), got: 'duplicate'"):
        await worker.do(registry.update_value, "tick", lambda value: value)


# -- dispatch


async def test_e10_dispatch_calls_with_all_entries_here_and_now(start: Start) -> None:
    registry, one, two = duplicate(), await start(Worker()), await start(Worker())
    for worker, value in ((one, 1), (two, 2)):
        await worker.do(registry.register, "tick", value)

    def send_value(entries: list[Entry[int]]) -> None:
        for process, value in entries:
            axon.send(process, value)

    registry.dispatch("tick", send_value)
    assert (await seen(one), await seen(two)) == ([1], [2])


async def test_e10_it_calls_nobody_for_a_key_without_entries() -> None:
    def fail(entries: list[Entry[int]]) -> None:
        raise Boom

    duplicate().dispatch("tick", fail)


async def test_e10_what_the_function_raises_reaches_the_caller(start: Start) -> None:
    registry, worker = duplicate(), await start(Worker())
    await worker.do(registry.register, "tick", 1)

    def fail(entries: list[Entry[int]]) -> None:
        raise Boom(len(entries))

    with pytest.raises(Boom, match="1"):
        registry.dispatch("tick", fail)


async def test_e10_the_function_may_end_those_it_is_called_with(start: Start) -> None:
    registry, one, two = duplicate(), await start(Worker()), await start(Worker())
    for worker in (one, two):
        await worker.do(registry.register, "tick", 1)

    def kill_them(entries: list[Entry[int]]) -> None:
        for process, _ in entries:
            axon.exit(process, axon.kill)

    registry.dispatch("tick", kill_them)
    assert registry.count() == 0


# -- questions


async def test_e11_keys_values_count_and_items_tell_what_is_there(start: Start) -> None:
    """The keys of a duplicate registry are repeated."""
    registry, one, two = duplicate(), await start(Worker()), await start(Worker())
    for worker, key, value in ((one, "a", 1), (two, "a", 2), (one, "b", 3), (one, "a", 4)):
        await worker.do(registry.register, key, value)
    first, second = process_of(one), process_of(two)
    assert sorted(registry.keys(one)) == ["a", "a", "b"]
    assert registry.values("a", one) == [1, 4]
    assert registry.values("b", two) == []
    assert registry.count() == 4
    assert registry.items() == [("a", (first, 1)), ("a", (second, 2)), ("a", (first, 4)), ("b", (first, 3))]


async def test_e11_match_finds_entries_by_their_values(start: Start) -> None:
    registry, worker = duplicate(), await start(Worker())
    for value in range(4):
        await worker.do(registry.register, "tick", value)
    assert [value for _, value in registry.match("tick", lambda value: value % 2)] == [1, 3]
    assert registry.match("nothing", lambda value: True) == []


async def test_e11_unregister_match_gives_up_ones_own_entries_by_their_values(start: Start) -> None:
    registry, one, two = duplicate(), await start(Worker()), await start(Worker())
    for worker in (one, two):
        for value in (1, 2, 2, 3):
            await worker.do(registry.register, "tick", value)
    await one.do(registry.unregister_match, "tick", lambda value: value == 2)
    assert (registry.values("tick", one), registry.values("tick", two)) == ([1, 3], [1, 2, 2, 3])


async def test_e12_keys_are_compared_as_in_a_dict(start: Start) -> None:
    """Different: in Elixir 1 and 1.0 are two keys."""
    registry, one, two = Registry[float, str]("numbers"), await start(Worker()), await start(Worker())
    await one.do(registry.register, 1, "one")
    assert registry.lookup(1.0) == registry.lookup(True) == registry.lookup(1)
    with pytest.raises(axon.NameTaken, match=r"numbers\[1.0\]"):
        await two.do(registry.register, 1.0, "one point nothing")


async def test_a_key_is_anything_hashable(start: Start) -> None:
    registry, worker = Registry[tuple[str, int] | None, int]("any"), await start(Worker())
    await worker.do(registry.register, ("room", 7), 1)
    await worker.do(registry.register, None, 2)
    assert [value for _, value in registry.lookup(("room", 7)) + registry.lookup(None)] == [1, 2]


# -- listeners and meta


async def test_e13_listeners_are_told_who_registers_and_who_gives_up(start: Start) -> None:
    by_name, by_handle, worker = await start(Worker(), name="listener"), await start(Worker()), await start(Worker())
    registry = Registry[str, int]("sessions", listeners=["listener", by_handle])
    await worker.do(registry.register, "ann", 1)
    await worker.do(registry.unregister, "nobody")
    await worker.do(registry.unregister, "ann")
    news = [
        Registered(registry, "ann", process_of(worker), 1),
        Unregistered(registry, "ann", process_of(worker)),
    ]
    assert (await seen(by_name), await seen(by_handle)) == (news, news)


async def test_e13_a_death_is_not_told_to_listeners(start: Start) -> None:
    listener = await start(Worker())
    registry = Registry[str, int]("sessions", listeners=[listener])
    spare = await start(Worker(), name=registry.via("ann", 1))
    process = process_of(spare)
    await end(spare)
    assert await seen(listener) == [Registered(registry, "ann", process, 1)]


async def test_e13_what_a_listener_that_is_not_there_misses_is_a_dead_letter(start: Start) -> None:
    registry, worker = Registry[str, int]("sessions", listeners=["nobody"]), await start(Worker())
    await worker.do(registry.register, "ann", 1)
    assert axon.process.runtime().dead_letters == 1


async def test_e14_meta_belongs_to_the_registry(start: Start) -> None:
    """Different: it is a plain dict."""
    registry = unique()
    registry.meta["limit"] = 10
    assert registry.meta == {"limit": 10}
    assert unique().meta == {}


async def test_e15_and_e16_a_registry_is_linked_to_nobody(start: Start) -> None:
    """Different: it is no process, so nothing has to be started before its users, and it never ends them."""
    registry, worker = unique(), await start(Worker())
    await worker.do(registry.register, "ann", 1)
    assert not process_of(worker).links
    await worker.do(registry.unregister, "ann")
    assert not process_of(worker).at_death


# -- what is refused


async def test_only_a_process_can_register() -> None:
    registry = unique()
    attempts: list[Callable[[], object]] = [
        lambda: registry.register("ann", 1),
        lambda: registry.unregister("ann"),
        lambda: registry.update_value("ann", lambda value: value),
        lambda: registry.unregister_match("ann", lambda value: True),
    ]
    for attempt in attempts:
        with pytest.raises(axon.NotInProcess, match=r"Registry\.\w+\(\) acts for the calling process"):
            attempt()
    assert registry.items() == []


async def test_a_key_that_is_not_hashable_is_refused(start: Start) -> None:
    registry, worker = Registry[Any, int]("any"), await start(Worker())
    attempts: list[Callable[[], object]] = [
        lambda: registry.register(["ann"], 1),
        lambda: registry.unregister(["ann"]),
        lambda: registry.lookup(["ann"]),
        lambda: registry.values(["ann"], worker),
        lambda: registry.dispatch(["ann"], len),
        lambda: registry.via(["ann"]),
    ]
    for attempt in attempts:
        with pytest.raises(axon.InvalidOption, match=r"key must be hashable, got: \['ann'\]"):
            await worker.do(attempt)


def test_wrong_options_are_shown_with_their_values() -> None:
    with pytest.raises(axon.InvalidOption, match="keys must be 'unique' or 'duplicate', got: 'double'"):
        Registry[str, int]("sessions", keys="double")  # type: ignore[arg-type]
    with pytest.raises(axon.InvalidOption, match="name must be a text that is not empty, got: ''"):
        Registry[str, int]("")
    with pytest.raises(axon.InvalidOption, match="listeners must be"):
        Registry[str, int]("sessions", listeners="main")
    with pytest.raises(axon.InvalidOption, match="listeners must be"):
        Registry[str, int]("sessions", listeners=[3])  # type: ignore[list-item]


def test_a_registry_belongs_to_the_loop_of_its_first_use() -> None:
    """It may be made before there is one."""
    registry = unique()

    async def use() -> None:
        assert registry.lookup("ann") == []

    async def use_elsewhere() -> None:
        with pytest.raises(axon.WrongLoop, match="Registry sessions"):
            registry.lookup("ann")

    with asyncio.Runner() as first, asyncio.Runner() as second:
        first.run(use())
        second.run(use_elsewhere())
        with pytest.raises(axon.WrongLoop, match="from_thread"):
            registry.items()


async def test_from_a_thread_a_registry_is_refused_by_name(start: Start) -> None:
    """Though `to_thread` takes the context of the process along."""
    registry, refused = unique(), list[Exception]()

    def use() -> None:
        try:
            registry.register("ann", 1)
        except axon.WrongLoop as error:
            refused.append(error)

    async def from_a_thread() -> None:
        await asyncio.to_thread(use)

    await axon.wait_down(axon.process.spawn(from_a_thread))
    assert len(refused) == 1
    assert registry.count() == 0
