"""A program: one body in a task, what ends it, and the time in which everything has to be gone."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Iterable
from contextvars import Context
from dataclasses import dataclass, replace
from typing import Any, Protocol

from ..process import KILL_GRACE, Process, kill, runtime
from ..telemetry import ProgramEnded
from ._block import Block

LEAVE_GRACE = 1.5 * KILL_GRACE
"""Seconds after the kill in which processes are gone or declared dead; who still runs then is left."""
INTERRUPTED = 130
"""The exit status that shells give to a program that Ctrl-C ended: 128 + SIGINT."""


@dataclass(frozen=True, eq=False)
class Cause:
    """What ends a program: in words, as an exit status, and as an exception if it is a failure.

    `signalled`: it came from outside, so that an orderly end is what was asked for.
    """

    why: str
    status: int
    error: BaseException | None = None
    signalled: bool = False


class Body(Protocol):
    """What a program consists of: a main function, or applications."""

    @property
    def obeys_signals(self) -> bool:
        """Whether a signal is the usual way to end it, and cuts nothing short."""
        ...

    async def run(self, program: Program) -> int | None:
        """Run until it ends, or is cancelled."""
        ...


class Program:
    """One call of `axon.run`, inside its event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, body: Body, stop_within: float | None) -> None:
        self.is_forced: bool = False
        self.left: set[asyncio.Task[Any]] = set()
        self.exit: SystemExit | None = None
        self._has_failed = False
        self._loop = loop
        self._body = body
        self._stop_within = stop_within
        self._own: set[asyncio.Task[Any] | None] = set()
        self._task: asyncio.Task[int | None] | None = None
        self._cause: Cause | None = None
        self._ending_since = 0.0
        self._too_late: asyncio.Future[None] = loop.create_future()

    # -- what ends it

    def ending(self, cause: Cause) -> bool:
        """The time for the orderly end begins now; False if it has begun before, and had another cause."""
        if self._cause is not None:
            return False
        self._cause, self._ending_since = cause, self._loop.time()
        if cause.error is not None:
            self.failed(cause.error)
        if self._stop_within is not None:
            self._loop.call_later(self._stop_within, self.force, context=Context())
        return True

    def end(self, cause: Cause) -> None:
        """End the body in order. Only the first cause cancels it: a second cancellation would disturb its end."""
        if self.ending(cause) and self._task is not None:
            self._task.cancel()

    def broken(self, error: KeyboardInterrupt | SystemExit) -> None:
        """One of the two that break through the event loop, raised by the body or by somebody else's task or callback."""
        if isinstance(error, SystemExit):
            self.exit = self.exit or error
        self.end(_cause_of(error))

    def force(self) -> None:
        """Nobody has time any more: kill what is left."""
        if self.is_forced:
            return
        self.is_forced = True
        for process in _linked(runtime().trees):
            process.receive_exit(None, kill)
        for task in self._others():
            task.cancel()
        self._loop.call_later(LEAVE_GRACE, self._too_late.set_result, None)

    def _interrupted(self, error: KeyboardInterrupt) -> None:
        """A process died of it. A block in the body ends the body by itself, and raises it there."""
        if any(isinstance(block, Block) and block.task is self._task for block in runtime().interrupts):
            self.ending(_cause_of(error))
        else:
            self.end(_cause_of(error))

    # -- how it goes

    async def serve(self) -> int:
        """Run the body, then end whatever it has left behind; returns the exit status."""
        home = runtime()
        home.interrupts[self] = self._interrupted
        self._own.add(asyncio.current_task())
        self._task = self._loop.create_task(self._body.run(self), name="axon.run")
        if self._cause is not None:  # a signal was faster
            self._task.cancel()
        await self._gone([self._task])
        cause = self._outcome(self._task)
        self.ending(cause)
        await self._end_others()
        await self._close()
        self.left = asyncio.all_tasks(self._loop) - {asyncio.current_task()}
        del home.interrupts[self]
        if home.bus.wants(ProgramEnded):
            seconds = self._loop.time() - self._ending_since
            home.bus.emit(ProgramEnded(path="", why=self._why(cause), status=cause.status, seconds=seconds))
        return cause.status

    def _others(self) -> set[asyncio.Task[Any]]:
        return {task for task in asyncio.all_tasks(self._loop) if task not in self._own}

    async def _gone(self, tasks: Iterable[asyncio.Task[Any]]) -> None:
        """Wait until these are done, or it is too late; in a task, so that many cost no more than one each."""
        waiting = self._loop.create_task(asyncio.wait(tasks))
        self._own.add(waiting)
        either: set[asyncio.Future[Any]] = {waiting, self._too_late}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        await asyncio.wait({waiting})

    async def _end_others(self) -> None:
        """Cancel what the body has left behind, as asyncio.run does, and what that starts on its way."""
        asked: set[asyncio.Task[Any]] = set()
        while not self._too_late.done() and (others := self._others()):
            for task in others - asked:
                task.cancel()
            asked |= others
            await self._gone(others)

    async def _close(self) -> None:
        """Close what asyncio.run does; the threads of the executor cannot be hurried, and cancelling blocks on them."""
        for close in (self._loop.shutdown_asyncgens, self._loop.shutdown_default_executor):
            if not self._too_late.done():
                closing: asyncio.Task[None] = self._loop.create_task(close(), name=close.__name__)
                self._own.add(closing)
                await self._gone([closing])

    def failed(self, error: BaseException) -> None:
        """Show a failure on stderr, now, since the end may be far; after one the status is not 0."""
        self._has_failed = True
        traceback.print_exception(error)

    def _outcome(self, task: asyncio.Task[int | None]) -> Cause:
        if not task.done() or task.cancelled():  # it never listened, or ended as asked
            return self._asked(self._cause or Cause("it was cancelled", 1, asyncio.CancelledError("by itself")))
        error = task.exception()
        if isinstance(error, KeyboardInterrupt | SystemExit):
            return _cause_of(error)
        if error is not None:
            self.failed(error)
            return Cause(f"{type(error).__name__}: {error}", 1)
        status = task.result()
        return Cause(f"main returned {status}", status or 0)

    def _asked(self, cause: Cause) -> Cause:
        """What became of the body's end that was asked for."""
        if cause.signalled and self._body.obeys_signals and not self.is_forced:
            cause = replace(cause, status=0)
        failed = self._has_failed or (self.is_forced and not cause.status)
        return replace(cause, status=1) if failed else cause

    def _why(self, cause: Cause) -> str:
        killed = "; what was left was killed" if self.is_forced else ""
        paths = {task: process.path for process, task in runtime().zombies.items()}
        names = sorted(paths.get(task, task.get_name()) for task in self.left)
        return cause.why + killed + (f"; left running: {', '.join(names)}" if names else "")


def _cause_of(error: BaseException) -> Cause:
    if not isinstance(error, SystemExit):
        return Cause(repr(error), INTERRUPTED)
    return Cause(repr(error), error.code if isinstance(error.code, int) else int(error.code is not None))


def _linked(roots: Iterable[Process]) -> list[Process]:
    """These processes and all that share their fates."""
    found = dict.fromkeys(roots)
    queue = list(found)
    for process in queue:
        for peer in process.links or ():
            if peer not in found:
                found[peer] = None
                queue.append(peer)
    return queue
