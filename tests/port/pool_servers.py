"""Servers for pools to have several of, in this process or in others."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field

import axon
from axon import GenServer, call, stream


class Poison(Exception):
    """What a poisoned worker dies of."""


class Declared(Exception):
    """An answer."""


@dataclass
class Bench:
    """What one incarnation has done."""

    number: int
    poisoned: bool = False
    asked: int = 0
    now: int = 0


@dataclass
class World:
    """What all workers of a test share, in one process: how many there were, and which of them are poisoned."""

    made: int = 0
    fail: set[int] = field(default_factory=set[int])  # these starts, by their number, fail
    all_fail: bool = False
    poisoned: set[str] = field(default_factory=set[str])
    asked: dict[int, int] = field(default_factory=dict[int, int])
    most_at_once: int = 0
    starting: int = 0
    most_starting: int = 0
    ended: list[int] = field(default_factory=list[int])


class Worker(GenServer[Bench]):
    """It works for as long as it is told."""

    world: World
    start_takes: float = 0.0
    trap_exit = True

    def init(self) -> Bench | Awaitable[Bench]:
        world = self.world
        world.made += 1
        world.starting += 1
        world.most_starting = max(world.most_starting, world.starting)
        number = world.made
        return self._started(number) if self.start_takes else self._begun(number)

    async def _started(self, number: int) -> Bench:
        try:
            await asyncio.sleep(self.start_takes)
        except asyncio.CancelledError:
            self.world.starting -= 1
            raise
        return self._begun(number)

    def _begun(self, number: int) -> Bench:
        self.world.starting -= 1
        if self.world.all_fail or number in self.world.fail:
            raise Poison(f"start {number}")
        return Bench(number, poisoned=axon.current().label in self.world.poisoned)

    @call
    async def work(self, state: Bench, seconds: float = 0.0, error: str = "") -> int:
        state.asked += 1
        self.world.asked[state.number] = state.asked
        if state.poisoned:
            raise Poison("on the job")
        state.now += 1
        self.world.most_at_once = max(self.world.most_at_once, state.now)
        try:
            await asyncio.sleep(seconds)
        finally:
            state.now -= 1
        if error:
            raise Poison(error)
        return state.number

    @call
    def work_beside(self, state: Bench, seconds: float) -> asyncio.Future[int]:
        """Several of these go on at the same time."""

        async def work() -> int:
            state.now += 1
            self.world.most_at_once = max(self.world.most_at_once, state.now)
            await asyncio.sleep(seconds)
            state.now -= 1
            return state.number

        return asyncio.ensure_future(work())

    @stream
    async def count(self, state: Bench, up_to: int) -> AsyncIterator[int]:
        for number in range(up_to):
            yield number

    @call(timeout=None)
    def number(self, state: Bench) -> int:
        return state.number

    @call(raises=(Declared,))
    def refuse(self, state: Bench, text: str) -> None:
        raise Declared(text)

    def terminate(self, state: Bench, reason: axon.ExitReason) -> None:
        self.world.ended.append(state.number)


class Far(GenServer[Bench]):
    """The same in a process of its own: plain data only."""

    def init(self) -> Bench:
        return Bench(os.getpid())

    @call
    async def work(self, state: Bench, seconds: float = 0.0) -> int:
        state.asked += 1
        await asyncio.sleep(seconds)
        return os.getpid()

    @call
    def count(self, state: Bench) -> tuple[int, int]:
        state.asked += 1
        return os.getpid(), state.asked

    @call
    def eat(self, state: Bench, size: int) -> int:
        """It never gives that back."""
        _KEPT.append(os.urandom(size))
        return os.getpid()

    @call(raises=(Declared,))
    def refuse(self, state: Bench, text: str) -> None:
        raise Declared(text)

    @call
    def die(self, state: Bench) -> None:
        os._exit(9)


_KEPT: list[bytes] = []


class Poisoned(Far):
    """The one in the first place of its pool dies at each request."""

    @call
    async def work(self, state: Bench, seconds: float = 0.0) -> int:
        if axon.current().parent is None and _place().endswith("/0"):
            os._exit(13)
        return await _slept(seconds)


async def _slept(seconds: float) -> int:
    await asyncio.sleep(seconds)
    return os.getpid()


def _place() -> str:
    return axon.current().path


class NoStart(Far):
    """It says what is missing, and ends."""

    def init(self) -> Bench:
        raise Declared("no licence")
