"""What the tasks of these tests do, and processes to own them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import axon
from axon import ExitReason, GenServer, Process, cast
from axon.process import receive, runtime, spawn, trap_exit
from axon.telemetry import ProcessCrashed, attach

R = TypeVar("R")


class Boom(Exception):
    """The failure of these tests."""


async def settle() -> None:
    """Let everybody do what can be done without time passing."""
    await asyncio.sleep(0.001)


def now() -> float:
    return asyncio.get_running_loop().time()


# -- what a task may do


async def doubled(number: int) -> int:
    return number * 2


async def later(seconds: float, value: R) -> R:
    await asyncio.sleep(seconds)
    return value


async def for_ever() -> None:
    await asyncio.Event().wait()


async def crash(error: BaseException | None = None, *, after: float = 0) -> None:
    await asyncio.sleep(after)
    raise Boom if error is None else error


async def leave(reason: ExitReason, *, after: float = 0) -> None:
    """End without a result."""
    await asyncio.sleep(after)
    raise axon.Stop(reason)


class Stubborn:
    """Code that swallows every cancellation, until it is told to end."""

    def __init__(self) -> None:
        self.released = False

    async def hang(self) -> None:
        for _hour in range(1_000):  # a thousand hours are for ever
            if self.released:
                return
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(3_600)

    async def release(self) -> None:
        """Let the zombies of this test go."""
        self.released = True
        for task in list(runtime().zombies.values()):
            task.cancel()
        await settle()


# -- whose the tasks are


async def reason_of(body: Callable[[], Coroutine[Any, Any, object]], *, traps: bool = False) -> ExitReason:
    """Run the body as a process; how it ended."""
    return (await axon.wait_down(process(body, traps=traps))).reason


def process(body: Callable[[], Coroutine[Any, Any, object]], *, traps: bool = False) -> Process:
    async def owner() -> None:
        trap_exit(traps)
        await body()

    return spawn(owner)


async def in_process(body: Callable[[], Coroutine[Any, Any, R]], *, traps: bool = False) -> R:
    """What the body returns or raises as a process."""
    results: list[R] = []
    errors: list[BaseException] = []

    async def caught() -> None:
        try:
            results.append(await body())
        except Exception as error:
            errors.append(error)

    ended = await reason_of(caught, traps=traps)
    if errors:
        raise errors[0]
    assert results, ended
    return results[0]


async def mail() -> list[object]:
    """The messages that the calling process has now."""
    await settle()
    found: list[object] = []
    while True:
        try:
            found.append(await receive(timeout=0))
        except TimeoutError:
            return found


class Owner(GenServer[list[object]]):
    """A server that does what it is told, and keeps its messages."""

    traps: bool = False

    def init(self) -> list[object]:
        trap_exit(self.traps)
        return []

    @cast
    async def do(self, state: list[object], action: Callable[[], Awaitable[object] | None]) -> None:
        pending = action()
        if pending is not None:
            state.append(await pending)

    def handle_info(self, state: list[object], message: object) -> None:
        state.append(message)


class Crashes(list[tuple[str, object, str]]):
    """The crashes that were reported since it was taken last: by the label, without its number."""

    def __init__(self) -> None:
        super().__init__()
        attach(self._add, ProcessCrashed)

    def _add(self, event: ProcessCrashed) -> None:
        self.append((event.path.split("#")[0], event.reason, event.decision))

    def take(self) -> list[tuple[str, object, str]]:
        taken = list(self)
        self.clear()
        return taken
