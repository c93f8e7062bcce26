"""What the tests of this room share: a server that does what it is told in its own name, and keeps what it is sent."""

from __future__ import annotations

import asyncio
import typing
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, ParamSpec, Protocol, TypeVar

import axon
from axon import ExitReason, GenServer, Process, call, cast
from axon.process import receive, spawn

P = ParamSpec("P")
T = TypeVar("T")
G = TypeVar("G", bound=GenServer[Any])


class Boom(Exception):
    """The failure of these tests."""


class Worker(GenServer[list[object]]):
    """Its state is the list of the messages and of the casts that it got."""

    trap_exit = True

    def init(self) -> list[object]:
        return []

    async def do(self, action: Callable[P, T], *args: P.args, **keywords: P.kwargs) -> T:
        """What the action returns when the worker runs it."""
        return typing.cast("T", await self._do(partial(action, *args, **keywords)))

    @call(timeout=None, raises=(axon.AxonError, Boom))
    def _do(self, state: list[object], action: Callable[[], object]) -> object:
        return action()

    @call(timeout=None)
    async def wait(self, state: list[object], event: asyncio.Event) -> None:
        await event.wait()

    @cast
    def tell(self, state: list[object], word: object, *, times: int = 1) -> None:
        state.extend([word] * times)

    def handle_info(self, state: list[object], message: object) -> None:
        state.append(message)


class Loud(Worker):
    """A worker that does one thing in its own way."""

    @cast
    def tell(self, state: list[object], word: object, *, times: int = 1) -> None:
        state.extend([str(word).upper()] * times)


class Other(GenServer[None]):
    """A server of a class that has nothing to do with workers."""

    def init(self) -> None: ...

    @cast
    def tell(self, state: None, word: object) -> None: ...


class Start(Protocol):
    """`axon.start`, of a server that is killed when the test is over."""

    def __call__(self, spec: G, *, name: axon.process.Name | None = None) -> Awaitable[G]: ...


async def seen(worker: Worker) -> list[object]:
    """What a worker got up to now."""
    state = await axon.get_state(worker)
    return list(state)


async def settle() -> None:
    """Let everybody do what can be done without time passing."""
    await asyncio.sleep(0.001)


async def end(target: axon.process.Target, reason: ExitReason = axon.kill) -> None:
    """End a process, and wait until it is gone."""
    axon.exit(target, reason)
    await axon.wait_down(target)


def process_of(target: axon.process.Target) -> Process:
    """The live process behind a target."""
    process = axon.whereis(target)
    assert process is not None
    return process


async def inbox(seen: list[object]) -> None:
    """A process that is no server, and keeps what it is sent."""
    while True:
        seen.append(await receive())


def spawn_inbox() -> tuple[Process, list[object]]:
    """An inbox loop, and what it has received."""
    messages: list[object] = []
    return spawn(inbox, messages), messages
