"""One server several times over, and keys that say which one is meant."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import subprocess
import sys
from collections import Counter as Counts
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parts import Boom, Log, Part, crash, end, fails_on, now, part, settle, statuses

import axon
from axon import (
    ChildCounts,
    ChildSpec,
    DynamicSupervisor,
    GenServer,
    InvalidOption,
    NoProcess,
    PartitionSupervisor,
    StartFailed,
    Supervisor,
    SupervisorDied,
    call,
    child,
    kill,
    lookup,
)
from axon.supervisor._partition import partition_of

KEYS = st.one_of(st.integers(), st.text(), st.binary())


class Shard(GenServer[int]):
    number: int = -1

    def init(self) -> int:
        return self.number

    @call
    def which(self, state: int) -> int:
        return state


def numbered(server: Shard, number: int) -> Shard:
    return dataclasses.replace(server, number=number)


def labelled(server: Part, number: int) -> Part:
    return dataclasses.replace(server, label=str(number))


# -- starting


async def test_g9_it_starts_as_many_copies_as_asked_for_numbered_from_zero() -> None:
    async with PartitionSupervisor(Shard(), partitions=3) as sup:
        assert [info.id for info in await sup.which_children()] == ["0", "1", "2"]
        assert await sup.count_children() == ChildCounts(specs=3, active=3, supervisors=0, workers=3)
        assert sup.size() == 3


def test_g9_by_default_as_many_as_there_are_processors() -> None:
    assert PartitionSupervisor(Shard()).partitions == (os.cpu_count() or 1)


@pytest.mark.parametrize("partitions", [0, -1, 1.5, True, "2"])
def test_g9_there_is_at_least_one(partitions: Any) -> None:
    with pytest.raises(InvalidOption) as refused:
        PartitionSupervisor(Shard(), partitions=partitions)
    assert (refused.value.option, refused.value.value) == ("partitions", partitions)


@pytest.mark.parametrize(
    ("option", "spec"),
    [
        ("name", child(Shard(), name="shard")),
        ("restart", child(Shard(), restart="temporary")),
        ("significant", child(Shard(), restart="transient", significant=True)),
    ],
)
def test_a_spec_that_cannot_be_a_partition_is_refused_by_its_option(option: str, spec: ChildSpec[Shard]) -> None:
    with pytest.raises(InvalidOption) as refused:
        PartitionSupervisor(spec)
    assert refused.value.option == option


@pytest.mark.parametrize("given", [3, None, Shard, [Shard()]])
def test_what_is_no_server_is_refused(given: Any) -> None:
    with pytest.raises(InvalidOption):
        PartitionSupervisor(given)


def test_g12_auto_shutdown_is_refused() -> None:
    wrong: Any = PartitionSupervisor
    with pytest.raises(TypeError, match="auto_shutdown"):
        wrong(Shard(), auto_shutdown="any_significant")


async def test_the_options_of_the_spec_hold_for_each() -> None:
    log = Log()
    spec = part("p", log, restart="transient", mailbox=7, shutdown=1)
    async with PartitionSupervisor(spec, partitions=2, with_arguments=labelled) as sup:
        await end(sup.route(1))
        assert await statuses(sup) == {"0": "running", "1": "stopped"}
        log.clear()
    assert log == ["stop 0 shutdown"]


async def test_they_start_in_order_and_stop_in_reverse() -> None:
    log = Log()
    async with PartitionSupervisor(Part("", log), partitions=3, with_arguments=labelled):
        assert log.take() == ["start 0", "start 1", "start 2"]
    assert log == [f"stop {n} shutdown" for n in "210"]


# -- routing


async def test_g10_an_int_goes_to_its_absolute_value_modulo_their_number() -> None:
    async with PartitionSupervisor(Shard(), partitions=4, with_arguments=numbered) as sup:
        assert [await sup.route(key).which() for key in (0, 1, 5, -5, 7, 10**30 + 2)] == [0, 1, 1, 1, 3, 2]


async def test_g10_the_same_key_always_goes_to_the_same_partition() -> None:
    async with PartitionSupervisor(Shard(), partitions=4) as sup:
        for key in ("ann", b"ann", 3):
            handle = sup.route(key)
            assert all(sup.route(key) == handle for _ in range(10))


@settings(settings.get_profile("supervisor"))
@given(KEYS, st.integers(1, 50))
def test_g10_every_key_has_a_partition(key: int | str | bytes, size: int) -> None:
    assert 0 <= partition_of(key, size) < size
    assert partition_of(key, size) == partition_of(key, size)


@pytest.mark.slow
@pytest.mark.fifo("programs of their own, which hear of no seed")
def test_g10_a_text_goes_there_in_every_run_of_the_program() -> None:
    """Python's own hash of a text is another one in each process."""
    program = (
        "from axon.supervisor._partition import partition_of as p; print([p(k, 1000) for k in ('ann', 'bob', b'x')])"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", program],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs == [f"{[partition_of(key, 1000) for key in ('ann', 'bob', b'x')]}\n"] * 2


def test_g10_keys_are_shared_out_evenly() -> None:
    shares = Counts(partition_of(f"user-{n}", 8) for n in range(8000))
    assert len(shares) == 8
    assert all(800 < share < 1200 for share in shares.values())


@pytest.mark.parametrize("key", [None, 1.5, ("a", 1), object()])
async def test_g10_other_keys_are_refused(key: Any) -> None:
    """The hash of most objects is their address, and that of equal ones differs from run to run."""
    async with PartitionSupervisor(Shard(), partitions=2) as sup:
        with pytest.raises(InvalidOption, match="an int, a text or bytes"):
            sup.route(key)


# -- with_arguments


async def test_g11_with_arguments_makes_the_spec_of_each() -> None:
    async with PartitionSupervisor(Shard(), partitions=3, with_arguments=numbered) as sup:
        assert [await sup.route(n).which() for n in range(3)] == [0, 1, 2]


def test_g11_it_returns_a_server_of_the_same_class() -> None:
    def number_alone(server: Shard, number: int) -> Any:
        return number

    with pytest.raises(InvalidOption, match="a function that returns a Shard") as refused:
        PartitionSupervisor(Shard(), partitions=1, with_arguments=number_alone)
    assert (refused.value.option, refused.value.value) == ("with_arguments", 0)


async def test_g11_asking_a_dead_one_for_its_size_is_an_error() -> None:
    async with PartitionSupervisor(Shard(), partitions=2) as sup:
        pass
    with pytest.raises(NoProcess, match="its block was left"):
        sup.size()
    with pytest.raises(NoProcess):
        sup.route(1)


# -- failures


async def test_g12_a_crashed_partition_restarts_alone_under_its_number() -> None:
    log = Log()
    async with PartitionSupervisor(Part("", log), partitions=3, with_arguments=labelled) as sup:
        handle = sup.route(1)
        log.clear()
        await crash(handle)
        assert log == ["stop 1 Boom", "start 1"]
        assert sup.route(1) == handle
        assert await handle.number() == 2


async def test_g12_or_with_the_others_if_its_strategy_says_so() -> None:
    log = Log()
    tree = PartitionSupervisor(Part("", log), partitions=3, strategy="rest_for_one", with_arguments=labelled)
    async with tree as sup:
        log.clear()
        await crash(sup.route(1))
        assert log == ["stop 1 Boom", "stop 2 shutdown", "start 1", "start 2"]
    with pytest.raises(InvalidOption):
        PartitionSupervisor(Shard(), strategy="one_for_two")  # type: ignore[arg-type]


async def test_a46_the_budget_is_that_of_a_supervisor() -> None:
    with pytest.raises(SupervisorDied):
        async with PartitionSupervisor(Part("", Log()), partitions=2, max_restarts=1) as sup:
            await crash(sup.route(0))
            await crash(sup.route(1))


async def test_while_its_supervisor_is_away_a_partition_can_be_looked_up() -> None:
    tree = PartitionSupervisor(Part("", Log()), partitions=2, max_restarts=0)
    async with Supervisor([child(tree, id="parts", backoff=lambda _: 10.0)]) as app:
        sup = app.get(PartitionSupervisor[Part], "parts")
        before = sup.route(1)
        await crash(sup.route(0))
        assert (sup.size(), sup.route(1)) == (2, before)
        with pytest.raises(NoProcess) as nobody:
            await before.number()
        assert nobody.value.restart_in == pytest.approx(10, abs=0.1)
        await asyncio.sleep(10)
        assert await before.number() == 4  # the log is shared: two partitions, twice


# -- resizing


async def test_g13_resize_stops_the_last_ones_and_starts_them_again() -> None:
    log = Log()
    async with PartitionSupervisor(Part("", log), partitions=4, with_arguments=labelled) as sup:
        last = sup.route(3)
        log.clear()
        await sup.resize(2)
        assert log.take() == ["stop 3 shutdown", "stop 2 shutdown"]
        assert (sup.size(), await statuses(sup)) == (2, {"0": "running", "1": "running"})
        assert sup.route(3) == sup.route(1)
        with pytest.raises(NoProcess):
            await last.number()
        await sup.resize(4)
        assert log.take() == ["start 2", "start 3"]
        assert (await last.number(), sup.route(3)) == (2, last)


async def test_g13_the_size_it_has_changes_nothing() -> None:
    log = Log()
    async with PartitionSupervisor(Part("", log), partitions=2, with_arguments=labelled) as sup:
        log.clear()
        await sup.resize(2)
        assert log == []


@pytest.mark.parametrize("size", [-1, 3, 1.5, True, None])
async def test_g13_beyond_what_it_began_with_is_refused(size: Any) -> None:
    async with PartitionSupervisor(Shard(), partitions=2) as sup:
        with pytest.raises(InvalidOption, match="from 0 to 2") as refused:
            await sup.resize(size)
        assert (refused.value.option, refused.value.value) == ("size", size)
        assert sup.size() == 2


async def test_g13_without_partitions_a_lookup_raises() -> None:
    async with PartitionSupervisor(Shard(), partitions=2) as sup:
        await sup.resize(0)
        assert (sup.size(), await sup.which_children()) == (0, [])
        for key in (0, "ann"):
            with pytest.raises(NoProcess, match="resized to no partitions"):
                sup.route(key)
        await sup.resize(1)
        assert await sup.route("ann").which() == -1


async def test_g13_a_partition_that_does_not_start_is_told_and_those_before_it_stay() -> None:
    log = Log()

    def spec(server: Part, number: int) -> Part:
        return dataclasses.replace(server, label=str(number), begin=fails_on(2) if number == 2 else None)

    async with PartitionSupervisor(Part("", log), partitions=4, with_arguments=spec) as sup:
        await sup.resize(1)
        with pytest.raises(StartFailed, match="attempt 2"):
            await sup.resize(4)
        assert (sup.size(), list(await statuses(sup))) == (2, ["0", "1"])
        await sup.resize(4)
        assert sup.size() == 4


async def test_a41_a_group_restart_leaves_those_alone_that_it_was_resized_without() -> None:
    log = Log()
    tree = PartitionSupervisor(Part("", log), partitions=3, strategy="one_for_all", with_arguments=labelled)
    async with tree as sup:
        await sup.resize(2)
        log.clear()
        await crash(sup.route(0))
        assert log == ["stop 0 Boom", "stop 1 shutdown", "start 0", "start 1"]


async def test_a62_restarted_it_has_all_its_partitions_again() -> None:
    async with Supervisor([child(PartitionSupervisor(Part("", Log()), partitions=3), id="parts")]) as app:
        sup = app.get(PartitionSupervisor[Part], "parts")
        last = sup.route(2)
        await sup.resize(1)
        axon.exit(sup, kill)
        await settle()
        assert sup.size() == 3
        assert sup.route(2) == last
        assert await last.number() > 3


# -- in a tree


async def test_starters_may_be_partitioned_so_that_nobody_waits_for_a_slow_one() -> None:
    async def slowly(_: int) -> None:
        await asyncio.sleep(1)

    async with PartitionSupervisor(DynamicSupervisor(), partitions=4, name="users") as users:
        sup = lookup(PartitionSupervisor[DynamicSupervisor], "users")
        begun = now()
        async with asyncio.TaskGroup() as tasks:
            for key in range(4):
                tasks.create_task(sup.route(key).start_child(part(f"user {key}", Log(), begin=slowly)))
        assert now() - begun == pytest.approx(1)
        assert (await users.count_children()).supervisors == 4
        assert [(await users.route(n).count_children()).active for n in range(4)] == [1] * 4


def test_a_partition_is_never_given_the_name_of_all() -> None:
    with pytest.raises(InvalidOption) as refused:
        PartitionSupervisor(DynamicSupervisor(name="users"))
    assert (refused.value.option, refused.value.value) == ("name", "users")


async def test_a_crash_names_the_partition() -> None:
    crashes: list[str] = []
    axon.telemetry.attach(lambda event: crashes.append(event.path), axon.telemetry.ProcessCrashed)
    async with PartitionSupervisor(Part("", Log()), partitions=2, name="app") as sup:
        await crash(sup.route(1), Boom())
    assert crashes == ["app/1"]
