"""`@chaos`: one test, many schedules, and what must hold at the end of each."""

from __future__ import annotations

import asyncio

import pytest

import axon
from axon import GenServer, InvalidOption, Supervisor, call
from axon.testing import chaos, eventually, nothing_left, one_reply, within


class Echo(GenServer[None]):
    def init(self) -> None:
        return None

    @call
    async def say(self, state: None, text: str) -> str:
        await asyncio.sleep(0.1)
        return text


@chaos(seeds=50, kill=0.05, victims="app/*", late=0.05, invariants=[nothing_left, one_reply, within(60)])
async def test_every_call_to_a_server_that_is_killed_now_and_then_is_answered_once() -> None:
    async with Supervisor([Echo()], name="app", max_restarts=1_000) as app:
        for n in range(5):
            try:
                assert await app.get(Echo).say(str(n)) == str(n)
            except axon.CallError:
                await asyncio.sleep(0.1)


@chaos(seeds=3)
async def test_fixtures_come_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    await asyncio.sleep(0)
    monkeypatch.setenv("X", "1")


def test_a_failure_names_the_seed_to_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []

    @chaos(seeds=10)
    async def fails_at_the_fourth() -> None:
        ran.append(len(ran))
        assert len(ran) != 4

    with pytest.raises(AssertionError) as caught:
        fails_at_the_fourth()
    schedule, again = caught.value.__notes__
    assert "fails_at_the_fourth, 3)" in schedule
    assert again == "run it again: AXON_SEED=3 pytest -k fails_at_the_fourth"
    monkeypatch.setenv("AXON_SEED", "3")
    fails_at_the_fourth()
    assert len(ran) == 5


def test_the_environment_says_how_many_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[None] = []

    @chaos(seeds=10)
    async def counts() -> None:
        ran.append(None)

    monkeypatch.setenv("AXON_SEEDS", "25")
    counts()
    assert len(ran) == 25
    monkeypatch.setenv("AXON_SEEDS", "many")
    with pytest.raises(InvalidOption, match="AXON_SEEDS"):
        counts()


# -- the invariants, each broken on purpose


def test_nothing_left_names_the_task() -> None:
    @chaos(seeds=1, invariants=[nothing_left])
    async def leaves_a_task() -> None:
        leaves_a_task.__dict__["it"] = asyncio.create_task(asyncio.sleep(100), name="forgotten")

    with pytest.raises(AssertionError, match="forgotten"):
        leaves_a_task()


def test_nothing_left_names_the_process() -> None:
    @chaos(seeds=1, invariants=[nothing_left])
    async def leaves_a_server() -> None:
        await axon.start(Echo(), name="left alone")

    with pytest.raises(AssertionError, match="left alone"):
        leaves_a_server()


def test_within_says_how_long_it_took() -> None:
    @chaos(seeds=1, invariants=[within(10)])
    async def dawdles() -> None:
        await asyncio.sleep(11)

    with pytest.raises(AssertionError, match=r"took 11 s, its bound is 10 s"):
        dawdles()


def test_one_reply_notices_a_call_that_is_never_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    @chaos(seeds=1, invariants=[one_reply])
    async def asks_a_server_that_waits_for_ever() -> None:
        silent = await axon.start(Echo())
        await axon.suspend(silent)
        keep = asyncio.create_task(silent.say("hello"))
        await asyncio.sleep(1)
        assert not keep.done()

    with pytest.raises(AssertionError, match="never answered"):
        asks_a_server_that_waits_for_ever()


def test_the_number_of_seeds_is_checked() -> None:
    with pytest.raises(InvalidOption, match="seeds"):
        chaos(seeds=0)


# -- eventually


async def test_eventually_returns_what_it_waited_for() -> None:
    box: list[int] = []
    asyncio.get_running_loop().call_later(2, box.append, 7)
    assert await eventually(lambda: box) == [7]


async def test_eventually_takes_a_coroutine_function_and_an_assertion_for_not_yet() -> None:
    loop = asyncio.get_running_loop()

    async def late() -> float:
        assert loop.time() > 1, "too early"
        return loop.time()

    assert await eventually(late) > 1


async def test_eventually_says_what_it_saw_last() -> None:
    with pytest.raises(AssertionError, match=r"not within 3 s; seen last: 0"):
        await eventually(lambda: 0, within=3)
