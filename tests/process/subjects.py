"""The three kinds of process that the rules are tried on: an inbox loop, a plain server, a server with a task.

All do the same: a message that can be called is called, any other is kept in `seen`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, ParamSpec

import axon
from axon import GenServer, Process
from axon.process import receive, spawn, trap_exit

P = ParamSpec("P")
Kind = Literal["inbox", "plain", "async"]
KINDS: tuple[Kind, ...] = ("inbox", "plain", "async")


async def inbox(seen: list[object], trapping: bool) -> None:
    trap_exit(trapping)
    while True:
        _take(seen, await receive())


class Plain(GenServer[list[object]]):
    seen: list[object] = field(default_factory=list[object])
    trapping: bool = False

    def init(self) -> list[object]:
        trap_exit(self.trapping)
        return self.seen

    def handle_info(self, state: list[object], message: object) -> None:
        _take(state, message)


class Async(GenServer[list[object]]):
    seen: list[object] = field(default_factory=list[object])
    trapping: bool = False

    async def init(self) -> list[object]:
        trap_exit(self.trapping)
        return self.seen

    async def handle_info(self, state: list[object], message: object) -> None:
        _take(state, message)


def _take(seen: list[object], message: object) -> None:
    if callable(message):
        message()
    else:
        seen.append(message)


@dataclass(frozen=True)
class Subject:
    process: Process
    seen: list[object]

    def do(self, action: Callable[P, object], *args: P.args, **keywords: P.kwargs) -> None:
        """Have the process call `action`; raising `Stop` or an exception there ends it."""
        axon.send(self.process, partial(action, *args, **keywords))

    def end(self, reason: axon.ExitReason) -> None:
        """Have the process end by itself."""

        def stop() -> None:
            raise reason if isinstance(reason, BaseException) else axon.Stop(reason)

        self.do(stop)


@asynccontextmanager
async def subject(kind: Kind = "inbox", *, trapping: bool = False) -> AsyncGenerator[Subject, None]:
    """A process of this kind, idle; killed at the end of the block if it still lives."""
    seen: list[object] = []
    if kind == "inbox":
        process: Process | None = spawn(inbox, seen, trapping)
    else:
        process = axon.whereis(await axon.start((Plain if kind == "plain" else Async)(seen, trapping)))
    assert process is not None
    await quiet()
    try:
        yield Subject(process, seen)
    finally:
        axon.exit(process, axon.kill)
        await quiet()


async def quiet() -> None:
    """Until everybody waits: on virtual time this is only a few turns of the loop."""
    await asyncio.sleep(0.001)
