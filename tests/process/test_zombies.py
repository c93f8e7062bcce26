"""Zombies: what becomes of a killed process whose code does not let itself be cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from subjects import quiet, subject

import axon
from axon import Down, Exit, GenServer, Process, call, cast, kill, killed, shutdown
from axon.process import KILL_GRACE, receive, runtime, spawn, spawn_link, spawn_monitor
from axon.telemetry import ZombieDeclared, attach


@dataclass
class Stubborn:
    """Code that swallows every cancellation until it is released; `then` is what it does before it ends."""

    then: Callable[[], object] = lambda: None
    cancelled_at: list[float] = field(default_factory=list[float])
    outcome: object = None
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        began = asyncio.get_running_loop().time()
        while not self._released.is_set():
            try:
                await self._released.wait()
            except asyncio.CancelledError:
                self.cancelled_at.append(round(asyncio.get_running_loop().time() - began, 3))
        try:
            self.outcome = self.then()
        except Exception as error:
            self.outcome = error

    async def release(self) -> None:
        self._released.set()
        await quiet()


@asynccontextmanager
async def zombie(then: Callable[[], object] = lambda: None) -> AsyncGenerator[tuple[Stubborn, Process], None]:
    """A process that was killed in vain, and declared dead."""
    code = Stubborn(then)
    process = spawn(code.run)
    await quiet()
    axon.exit(process, kill)
    await axon.wait_down(process)
    try:
        yield code, process
    finally:
        await code.release()


async def test_a_killed_process_is_cancelled_again_and_declared_dead_after_the_grace() -> None:
    """Every 0.1 s, ten times in all; after 1 s it counts as dead."""
    assert KILL_GRACE == 1.0
    async with zombie() as (code, process):
        assert process.reason is killed
        since = [round(at - code.cancelled_at[0], 3) for at in code.cancelled_at]
        assert since == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


async def test_a_process_that_gives_in_within_the_grace_is_no_zombie() -> None:
    async def slow_to_go() -> None:
        for _ in range(3):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                continue
        await asyncio.sleep(60)

    process = spawn(slow_to_go)
    await quiet()
    began = asyncio.get_running_loop().time()
    axon.exit(process, kill)
    assert (await axon.wait_down(process)).reason is killed
    assert asyncio.get_running_loop().time() == pytest.approx(began + 0.3)
    assert runtime().zombies == {}


async def test_zombies_are_listed_and_announced_until_they_come_home() -> None:
    events: list[ZombieDeclared] = []
    detach = attach(events.append, ZombieDeclared)
    async with zombie() as (code, process):
        assert list(runtime().zombies) == [process]
        assert events == [ZombieDeclared(path=process.path, grace=1.0)]
        await code.release()
        assert runtime().zombies == {}
    detach()


async def test_a_zombies_death_is_told_once_when_it_is_declared() -> None:
    """Links, watchers and the name do not wait for its code, and hear nothing when that ends."""
    code = Stubborn()
    async with subject(trapping=True) as watcher:
        process = spawn(code.run)
        axon.register("stubborn", process)
        watcher.do(axon.link, process)
        watcher.do(axon.monitor, process)
        await quiet()
        axon.exit(process, kill)
        await asyncio.sleep(0.99)
        assert (watcher.seen, axon.whereis("stubborn")) == ([], process)
        await asyncio.sleep(0.02)
        told = list(watcher.seen)
        assert [type(message) for message in told] == [Exit, Down]
        assert axon.whereis("stubborn") is None
        await code.release()
        assert watcher.seen == told


async def test_killing_twice_does_not_shorten_or_prolong_the_grace() -> None:
    code = Stubborn()
    process = spawn(code.run)
    await quiet()
    for _ in range(5):
        axon.exit(process, kill)
        await asyncio.sleep(0.11)
    began = asyncio.get_running_loop().time()
    await axon.wait_down(process)
    assert asyncio.get_running_loop().time() == pytest.approx(began + 0.45)
    await code.release()


async def test_an_orderly_exit_that_is_swallowed_makes_no_zombie() -> None:
    """Only `kill` insists: whoever wants an end within a time kills when that time is over, as supervisors do."""
    code = Stubborn()
    process = spawn(code.run)
    await quiet()
    axon.exit(process, shutdown)
    await asyncio.sleep(60)
    assert (process.reason, len(code.cancelled_at)) == (None, 1)
    await code.release()
    assert process.reason is shutdown


class Target(GenServer[list[str]]):
    def init(self) -> list[str]:
        return []

    @call
    def ask(self, state: list[str]) -> list[str]:
        return state

    @cast
    def tell(self, state: list[str]) -> None:
        state.append("told")

    def handle_info(self, state: list[str], message: object) -> None:
        state.append("sent")


SENDS: dict[str, Callable[[Target], object]] = {
    "send": lambda target: axon.send(target, "hello"),
    "send_after": lambda target: axon.send_after(0, target, "hello"),
    "start_timer": lambda target: axon.start_timer(0, target, "hello"),
    "cast": lambda target: target.tell(),
    "exit": lambda target: axon.exit(target, kill),
    "link": axon.link,
    "monitor": axon.monitor,
    "spawn": lambda target: spawn(receive),
    "spawn_link": lambda target: spawn_link(receive),
    "spawn_monitor": lambda target: spawn_monitor(receive),
}


@pytest.mark.parametrize("act", SENDS)
async def test_what_a_zombie_sends_is_refused(act: str) -> None:
    target = await axon.start(Target())
    async with zombie(lambda: SENDS[act](target)) as (code, process):
        await code.release()
        assert isinstance(code.outcome, axon.ProcessDead)
        assert code.outcome.reason is killed
        assert str(code.outcome).startswith(f"{process.path} was declared dead (killed)")
    assert await target.ask() == []
    await axon.stop(target)


async def test_what_a_zombie_asks_is_refused() -> None:
    target = await axon.start(Target())
    asking: list[asyncio.Task[object]] = []
    async with zombie(lambda: asking.append(asyncio.ensure_future(target.ask()))) as (code, _):
        await code.release()
        with pytest.raises(axon.ProcessDead):
            await asking[0]
    await axon.stop(target)


async def test_what_is_sent_to_a_process_in_its_grace_is_never_handled() -> None:
    """It is killed already, although it is not declared dead yet."""
    seen: list[object] = []
    code = Stubborn()

    async def stubborn_reader() -> None:
        await code.run()
        seen.append(await receive())

    process = spawn(stubborn_reader)
    await quiet()
    axon.exit(process, kill)
    axon.send(process, "hello")
    await code.release()
    assert (process.reason, seen) == (killed, [])


async def test_receiving_on_gives_a_zombie_nothing_and_does_not_hold_up_the_loop() -> None:
    """Not even the worst code, which swallows whatever is raised."""
    rounds: list[BaseException] = []

    async def never_learns() -> None:
        while len(rounds) < 1000:
            try:
                await receive()
            except BaseException as error:
                rounds.append(error)

    process = spawn(never_learns)
    await quiet()
    axon.exit(process, kill)
    down = await axon.wait_down(process)
    assert down.reason is killed
    assert len(rounds) < 1000
    await quiet()
    assert {type(error) for error in rounds} == {asyncio.CancelledError, axon.ProcessDead}
