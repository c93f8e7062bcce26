"""`simulation(seed)`: one seed decides who runs next, what fails, and what the clock says."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

import axon
from axon import GenServer, InvalidOption, Supervisor, UsageError, call, cast, child
from axon.testing import Faults, SimulationLoop, SimulationRunsOn, SimulationStuck, explore, simulate, trouble


def here() -> SimulationLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulationLoop)
    return loop


class Box(GenServer[list[str]]):
    def init(self) -> list[str]:
        return []

    @cast
    def put(self, state: list[str], item: str) -> None:
        state.append(item)

    @call
    def items(self, state: list[str]) -> list[str]:
        return list(state)


async def two_senders() -> str:
    """Two tasks send to one server: each in its own order, the two in any."""
    box = await axon.start(Box())

    async def send(letters: str) -> None:
        for letter in letters:
            box.put(letter)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        group.create_task(send("abc"))
        group.create_task(send("xyz"))
    items = "".join(await box.items())
    await axon.stop(box)
    return items


# -- schedules


def test_the_same_seed_gives_the_same_run() -> None:
    async def main() -> tuple[str, int, int]:
        return await two_senders(), here().steps, here().digest

    for seed in range(20):
        assert simulate(main, seed) == simulate(main, seed)


def test_other_seeds_give_other_runs_and_all_that_can_happen_does() -> None:
    seen = {simulate(two_senders, seed) for seed in range(1000)}
    assert len(seen) == 20  # as many as there are ways to merge two words of three letters
    assert all([c for c in word if c in "abc"] == list("abc") for word in seen)


def test_no_address_and_no_hash_decides_anything() -> None:
    """Another interpreter, with other addresses and other hashes of texts, takes the same course."""
    program = (
        "import asyncio, test_simulation as t\n"
        "from axon.testing import Faults, simulate\n"
        "async def main(): return await t.busy_tree(), t.here().digest\n"
        "print([simulate(main, seed, faults=Faults(kill=0.02, late=0.1)) for seed in range(10)])"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", "x = [object() for _ in range(%d)]\n%s" % (n * 1000, program)],  # noqa: UP031
            env={**os.environ, "PYTHONHASHSEED": str(n), "PYTHONPATH": str(Path(__file__).parent)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for n in range(2)
    }
    assert len(runs) == 1


def test_callbacks_keep_their_order() -> None:
    async def main() -> list[int]:
        seen: list[int] = []
        for n in range(10):
            asyncio.get_running_loop().call_soon(seen.append, n)
        await asyncio.sleep(0.001)
        return seen

    assert all(simulate(main, seed) == list(range(10)) for seed in range(20))


def test_whether_a_call_is_answered_in_place_is_a_choice_that_nobody_notices() -> None:
    async def main() -> tuple[list[str], int]:
        box = await axon.start(Box())
        before = here().steps
        items = await box.items()
        took = here().steps - before
        await axon.stop(box)
        return items, min(took, 1)

    assert {took for _, took in (simulate(main, seed) for seed in range(50))} == {0, 1}


def test_time_jumps_when_nobody_can_run() -> None:
    async def main() -> float:
        await asyncio.sleep(1e6)
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert simulate(main, 1) == 1e6
    assert time.monotonic() - began < 5


# -- a run that does not end


def test_a_deadlock_is_told_with_those_who_wait() -> None:
    async def main() -> None:
        async def waits_for_ever() -> None:
            await asyncio.Event().wait()

        await asyncio.create_task(waits_for_ever(), name="the one that hangs")

    with pytest.raises(SimulationStuck, match="the one that hangs"):
        simulate(main, 1)


def test_a_run_that_never_ends_is_given_up() -> None:
    async def main() -> None:
        while True:  # noqa: ASYNC110  # this is the mistake
            await asyncio.sleep(0)

    with pytest.raises(SimulationRunsOn, match="most_steps"):
        simulate(main, 1, most_steps=1_000)


def test_a_failure_says_how_to_run_its_schedule_again() -> None:
    async def main() -> None:
        assert await two_senders() != "xabcyz"

    with pytest.raises(AssertionError) as caught:
        explore(main, range(1_000), faults=Faults(late=0.5))
    [line] = caught.value.__notes__
    assert "schedule: simulate(" in line
    seed = int(line.split("main, ")[1].split(",")[0])
    assert "late=0.5" in line
    for _ in range(3):
        with pytest.raises(AssertionError):
            simulate(main, seed, faults=Faults(late=0.5))


# -- the world


def test_random_uuid_and_time_follow_the_seed_and_are_as_before_afterwards() -> None:
    async def main() -> tuple[float, uuid.UUID, float, float]:
        await asyncio.sleep(3)
        return random.random(), uuid.uuid4(), time.time(), time.monotonic()

    before = random.getstate()
    one, again, other = simulate(main, 1), simulate(main, 1), simulate(main, 2)
    assert one == again
    assert one[:2] != other[:2]
    assert one[3] == 3
    assert random.getstate() == before
    assert uuid.uuid4() != uuid.uuid4()
    assert abs(time.time() - one[2]) > 1_000


@pytest.mark.parametrize(
    "touch",
    [
        lambda: asyncio.to_thread(print),
        lambda: asyncio.open_connection("127.0.0.1", 1),
        lambda: asyncio.start_server(print, "127.0.0.1", 0),
        lambda: asyncio.create_subprocess_exec("true"),
        lambda: asyncio.get_running_loop().sock_recv(socket.socket.__new__(socket.socket), 1),
    ],
    ids=["thread", "connect", "listen", "subprocess", "socket"],
)
def test_the_outside_world_is_refused(touch: Callable[[], Awaitable[object]]) -> None:
    async def main() -> None:
        await touch()

    with pytest.raises(UsageError, match="no seed says when"):
        simulate(main, 1)


def test_a_blocking_sleep_is_refused() -> None:
    async def main() -> None:
        time.sleep(0.5)  # noqa: ASYNC251  # this is the mistake

    with pytest.raises(UsageError, match=r"time\.sleep"):
        simulate(main, 1)


# -- faults


class Worker(GenServer[int]):
    async def init(self) -> int:
        await asyncio.sleep(0.01)
        return 0

    @call
    async def work(self, state: int) -> str:
        await asyncio.sleep(0.01)
        return "done"


async def busy_tree() -> int:
    """Two workers under a supervisor, asked again and again; returns how often there was no answer, or -1 if one was
    killed while the tree started, or the supervisor at any time.
    """
    try:
        return await _busy_tree()
    except (axon.StartFailed, axon.SupervisorDied):
        return -1


async def _busy_tree() -> int:
    refused = 0
    children = [child(Worker(), id="a"), child(Worker(), id="b")]
    async with Supervisor(children, max_restarts=1_000, name="app") as app:
        for n in range(20):
            try:
                assert await app.get(Worker, "ab"[n % 2]).work() == "done"
            except axon.CallError:
                refused += 1
                await asyncio.sleep(0.05)
    return refused


def test_processes_are_killed_at_any_await_and_the_kills_are_told() -> None:
    async def main() -> tuple[int, list[str]]:
        return await busy_tree(), here().kills

    runs = [simulate(main, seed, faults=Faults(kill=0.05, victims="app/*")) for seed in range(50)]
    assert {path for _, kills in runs for path in kills} == {"app/a", "app/b"}
    assert any(refused for refused, _ in runs)


def test_at_most_so_many_are_killed() -> None:
    async def main() -> list[str]:
        await busy_tree()
        return here().kills

    runs = [simulate(main, seed, faults=Faults(kill=0.2, victims="app/a", most_kills=2)) for seed in range(20)]
    assert {len(kills) for kills in runs} == {1, 2}  # 1: as the tree started, so there was no more to kill


def test_timers_may_be_late_but_never_early() -> None:
    async def main() -> float:
        await asyncio.sleep(1)
        return asyncio.get_running_loop().time()

    times = [simulate(main, seed, faults=Faults(late=0.5)) for seed in range(50)]
    assert all(1 <= at <= 1.5 for at in times)
    assert max(times) > 1.3


def test_scripted_parts_ask_whether_they_are_in_trouble() -> None:
    async def main() -> list[bool]:
        return [trouble() for _ in range(100)]

    assert not any(simulate(main, 1))
    assert 20 < sum(simulate(main, 1, faults=Faults(trouble=0.5))) < 80


async def test_a_simulation_within_a_coroutine_is_refused() -> None:
    with pytest.raises(UsageError, match="plain `def`"):
        simulate(two_senders, 1)


async def test_outside_a_simulation_there_is_no_trouble() -> None:
    assert not trouble()


# -- Hypothesis


def test_hypothesis_draws_and_shrinks_the_choices() -> None:
    """What it ends with is the simplest schedule that it found: the senders meet as late as they can."""

    found: list[str] = []

    def breaks(choices: random.Random) -> bool:
        order = simulate(two_senders, choices)
        if order.index("x") < order.index("c"):
            found.append(order)
        return order.index("x") < order.index("c")

    find(st.randoms(use_true_random=False), breaks, settings=settings(database=None), random=random.Random(1))
    assert found[-1] == "abxcyz"


def test_the_simplest_draws_are_no_faults() -> None:
    """Hypothesis begins with them, and shrinks towards them: nothing is killed for ever."""

    class Nothing(random.Random):
        def random(self) -> float:
            return 0.0

        def getrandbits(self, k: int) -> int:
            return 0

    async def main() -> tuple[int, list[str], bool]:
        return await busy_tree(), here().kills, trouble()

    assert simulate(main, Nothing(), faults=Faults(kill=0.3, trouble=0.3)) == (0, [], False)


def test_a_run_that_hypothesis_breaks_off_as_it_fails_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Otherwise asyncio tells of failures that nobody looked at, and the one that counts is hard to see."""

    async def main() -> None:
        assert await two_senders() != "xabcyz"

    def breaks(choices: random.Random) -> bool:
        try:
            simulate(main, choices)
        except AssertionError:
            return True
        return False

    examples = settings(database=None, max_examples=1_000)
    find(st.randoms(use_true_random=False), breaks, settings=examples, random=random.Random(1))
    gc.collect()
    assert caplog.text == ""


@given(st.randoms(use_true_random=False))
@settings(max_examples=20)
def test_a_simulation_may_be_driven_by_a_property(choices: random.Random) -> None:
    assert sorted(simulate(two_senders, choices)) == sorted("abcxyz")


# -- mistakes


@pytest.mark.parametrize(
    ("option", "mistake"),
    [
        ("seed", lambda: simulate(two_senders, "7")),  # type: ignore[arg-type]
        ("most_steps", lambda: simulate(two_senders, 7, most_steps=0)),
        ("kill", lambda: Faults(kill=1.5)),
        ("trouble", lambda: Faults(trouble=-1)),
        ("late", lambda: Faults(late=-0.1)),
        ("most_kills", lambda: Faults(most_kills=-1)),
    ],
)
def test_a_wrong_option_is_named_with_its_value(option: str, mistake: Callable[[], object]) -> None:
    with pytest.raises(InvalidOption, match=option):
        mistake()
