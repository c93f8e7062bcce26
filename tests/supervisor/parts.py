"""The worker of these tests: it writes down when it starts and ends, and does what it is told."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias, TypedDict

from typing_extensions import Unpack

import axon
from axon import ChildSpec, ExitReason, GenServer, Ignore, Stop, Supervisor, call, cast, child
from axon.process import runtime
from axon.supervisor import Backoff, BaseSupervisor, Restart, Shutdown, Status

Begin: TypeAlias = Callable[[int], "Coroutine[Any, Any, object] | None"]
"""What a part does in `init`, by the number of the attempt; 1 is the first. A function or a coroutine function."""
Finish: TypeAlias = Callable[[ExitReason], "Coroutine[Any, Any, None] | None"]
"""What a part does in `terminate`."""


class Boom(Exception):
    """The failure of these tests."""


class Log(list[str]):
    """What the parts did, in order, since it was taken last."""

    def __init__(self) -> None:
        super().__init__()
        self.starts: Counter[str] = Counter()

    def take(self) -> list[str]:
        lines = list(self)
        self.clear()
        return lines


def shown(reason: object) -> str:
    return type(reason).__name__ if isinstance(reason, BaseException) else repr(reason)


class Part(GenServer[int]):
    """Traps exits. Its state is the number of its start attempt: the incarnation."""

    label: str
    log: Log
    begin: Begin | None = None
    finish: Finish | None = None
    trap_exit = True

    def init(self) -> int | Coroutine[Any, Any, int]:
        self.log.starts[self.label] += 1
        number = self.log.starts[self.label]
        self.log.append(f"start {self.label}")
        if inspect.iscoroutinefunction(self.begin):
            return self._ready(self.begin, number)
        if self.begin is not None:
            self.begin(number)
        return number

    async def _ready(self, begin: Callable[[int], Coroutine[Any, Any, object]], number: int) -> int:
        await begin(number)
        return number

    def handle_info(self, state: int, message: object) -> None:
        """Exits of strangers mean nothing to it."""

    def handle_continue(self, state: int, continuation: object) -> None:
        raise Boom(continuation)

    def terminate(self, state: int, reason: ExitReason) -> Coroutine[Any, Any, None] | None:
        self.log.append(f"stop {self.label} {shown(reason)}")
        return None if self.finish is None else self.finish(reason)

    @call
    def number(self, state: int) -> int:
        return state

    @cast
    def crash(self, state: int, error: BaseException) -> None:
        raise error

    @cast
    def end(self, state: int, reason: ExitReason) -> None:
        raise Stop(reason)

    @cast
    async def do(self, state: int, action: Callable[[], Coroutine[Any, Any, object] | None]) -> None:
        pending = action()
        if pending is not None:
            await pending


class Loose(Part):
    """Does not trap exits."""

    trap_exit = False


class Options(TypedDict, total=False):
    """The options of `child`, but for the id."""

    name: str | None
    restart: Restart
    shutdown: Shutdown | None
    significant: bool
    backoff: Backoff | None
    mailbox: int | None


def part(
    label: str,
    log: Log,
    kind: type[Part] = Part,
    *,
    begin: Begin | None = None,
    finish: Finish | None = None,
    **options: Unpack[Options],
) -> ChildSpec[Part]:
    return child(kind(label, log, begin, finish), id=label, **options)


def at(supervisor: Supervisor, *ids: str) -> Part:
    """The part at the end of a path of ids."""
    return branch(supervisor, *ids[:-1]).get(Part, ids[-1])


def branch(supervisor: Supervisor, *ids: str) -> Supervisor:
    for id in ids:
        supervisor = supervisor.get(Supervisor, id)
    return supervisor


async def statuses(supervisor: BaseSupervisor) -> dict[str, Status]:
    return {info.id: info.status for info in await supervisor.which_children()}


async def settle() -> None:
    """Let everybody do what can be done without time passing."""
    await asyncio.sleep(0.001)


async def watching(target: axon.process.Target) -> asyncio.Task[axon.Down]:
    """A task that waits for the end of `target`, and has begun to."""
    task = asyncio.create_task(axon.wait_down(target))
    await settle()
    return task


async def crash(part: Part, error: BaseException | None = None) -> None:
    part.crash(Boom() if error is None else error)
    await settle()


async def end(part: Part, reason: ExitReason = axon.normal) -> None:
    part.end(reason)
    await settle()


async def for_ever(*_: object) -> None:
    await asyncio.Event().wait()


def now() -> float:
    return asyncio.get_running_loop().time()


# -- what a part may do when it starts or ends


def fails_on(*numbers: int, reason: ExitReason | None = None) -> Begin:
    """Fail at these attempts: with an exception, or with a reason by `raise Stop`."""

    def begin(number: int) -> None:
        if number in numbers:
            raise Boom(f"attempt {number}") if reason is None else Stop(reason)

    return begin


def fails_from(first: int) -> Begin:
    return fails_on(*range(first, 1_000))


def ignores_on(*numbers: int) -> Begin:
    def begin(number: int) -> None:
        if number in numbers:
            raise Ignore

    return begin


def takes(seconds: float, *, on: int | None = None) -> Begin:
    """Need so long to start (always, or at this attempt only)."""

    async def begin(number: int) -> None:
        if on in (None, number):
            await asyncio.sleep(seconds)

    return begin


def lasts(seconds: float) -> Finish:
    """Need so long to end."""
    return lambda _: asyncio.sleep(seconds)


def breaks(_: ExitReason) -> None:
    """Fail while ending."""
    raise Boom("in terminate")


class Stubborn:
    """Code that swallows every cancellation, until it is told to end."""

    def __init__(self) -> None:
        self.released = False

    async def hang(self, *_: object) -> None:
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
