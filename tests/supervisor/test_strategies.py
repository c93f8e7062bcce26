"""What one exit does to the siblings, by strategy."""

from __future__ import annotations

import pytest
from parts import Boom, Log, at, crash, end, ignores_on, part, settle, statuses

import axon
from axon import Supervisor, SupervisorDied, kill
from axon.supervisor import Strategy


async def test_a36_one_for_one_leaves_the_siblings_alone() -> None:
    log = Log()
    async with Supervisor([part(label, log) for label in "abc"], strategy="one_for_one") as sup:
        log.clear()
        await crash(at(sup, "b"))
        assert log.take() == ["stop b Boom", "start b"]
        assert [await at(sup, label).number() for label in "abc"] == [1, 2, 1]


async def test_a37_one_for_all_stops_the_others_in_reverse_and_starts_all_in_order() -> None:
    log = Log()
    async with Supervisor([part(label, log) for label in "abc"], strategy="one_for_all") as sup:
        log.clear()
        await crash(at(sup, "b"))
        stops = ["stop b Boom", "stop c shutdown", "stop a shutdown"]
        assert log.take() == [*stops, "start a", "start b", "start c"]


async def test_a38_rest_for_one_does_so_from_the_dead_one_on() -> None:
    log = Log()
    async with Supervisor([part(label, log) for label in "abcd"], strategy="rest_for_one") as sup:
        log.clear()
        await crash(at(sup, "b"))
        stops = ["stop b Boom", "stop d shutdown", "stop c shutdown"]
        assert log.take() == [*stops, "start b", "start c", "start d"]
        assert await at(sup, "a").number() == 1


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_a39_a_group_restart_counts_once(strategy: Strategy) -> None:
    log = Log()
    async with Supervisor([part(label, log) for label in "abc"], strategy=strategy, max_restarts=1) as sup:
        await crash(at(sup, "a"))
        assert [await at(sup, label).number() for label in "abc"] == [2, 2, 2]


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_a40_a_temporary_sibling_stopped_by_a_group_restart_is_gone(strategy: Strategy) -> None:
    log = Log()
    children = [part("a", log), part("b", log, restart="temporary"), part("c", log)]
    async with Supervisor(children, strategy=strategy, max_restarts=1) as sup:
        log.clear()
        await crash(at(sup, "a"))
        assert log.take() == ["stop a Boom", "stop c shutdown", "stop b shutdown", "start a", "start c"]
        assert await statuses(sup) == {"a": "running", "c": "running"}


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_a41_a_group_restart_brings_back_those_who_did_not_run(strategy: Strategy) -> None:
    log = Log()
    children = [
        part("a", log, restart="transient"),
        part("b", log),
        part("c", log),
        part("d", log, restart="transient"),
        part("e", log, begin=ignores_on(1)),
    ]
    async with Supervisor(children, strategy=strategy) as sup:
        await end(at(sup, "a"))
        await end(at(sup, "d"))
        await sup.terminate_child("c")
        assert set((await statuses(sup)).values()) == {"stopped", "running"}
        await crash(at(sup, "b"))
        earlier = "running" if strategy == "one_for_all" else "stopped"
        assert await statuses(sup) == {"a": earlier} | dict.fromkeys("bcde", "running")


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_a42_of_several_dead_the_first_restarts_all_and_counts_once(strategy: Strategy) -> None:
    log = Log()
    async with Supervisor([part(label, log) for label in "abc"], strategy=strategy, max_restarts=1) as sup:
        for label in "abc":
            axon.exit(at(sup, label), kill)
        await settle()
        assert [await at(sup, label).number() for label in "abc"] == [2, 2, 2]


async def test_a42_under_one_for_one_each_counts() -> None:
    log = Log()
    with pytest.raises(SupervisorDied):
        async with Supervisor([part(label, log) for label in "abc"], max_restarts=1) as sup:
            for label in "abc":
                axon.exit(at(sup, label), kill)
            await settle()


async def test_a42_under_rest_for_one_the_later_ones_death_counts_before_the_earlier_ones() -> None:
    log = Log()
    with pytest.raises(SupervisorDied):
        async with Supervisor([part(label, log) for label in "ab"], strategy="rest_for_one", max_restarts=1) as sup:
            axon.exit(at(sup, "b"), kill)
            axon.exit(at(sup, "a"), kill)
            await settle()
    assert log.starts == {"a": 1, "b": 2}


async def test_a43_a_child_keeps_its_place_and_a_new_one_comes_last() -> None:
    log = Log()
    async with Supervisor([part("a", log), part("b", log)]) as sup:
        await sup.start_child(part("c", log))
        await crash(at(sup, "a"))
        await sup.terminate_child("b")
        await sup.restart_child("b")
        assert list(await statuses(sup)) == ["a", "b", "c"]
        await sup.terminate_child("a")
        await sup.delete_child("a")
        await sup.start_child(part("a", log))
        assert list(await statuses(sup)) == ["b", "c", "a"]


async def test_a_dynamic_child_belongs_to_the_group() -> None:
    log = Log()
    async with Supervisor([part("a", log), part("b", log)], strategy="rest_for_one") as sup:
        await sup.start_child(part("c", log))
        log.clear()
        await crash(at(sup, "b"), Boom())
        assert log.take() == ["stop b Boom", "stop c shutdown", "start b", "start c"]
