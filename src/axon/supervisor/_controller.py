"""The application controller: starts applications in order, hears of those that end, and stops them in reverse."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass

from ..process import Runtime, is_clean, normal, runtime, shutdown, wait_down
from ..server import ServerProcess, Slot, bound
from ..telemetry import ApplicationEnded, ApplicationStarted, ApplicationStopped
from ._application import Application, checked_tree
from ._block import end_of, start_tree
from ._program import Cause, Program


@dataclass(eq=False)
class _Running:
    """An application whose tree runs, or has run: `farewell` is its stop callback once the tree has ended by itself."""

    application: Application
    process: ServerProcess
    stopping: bool = False
    farewell: asyncio.Task[None] | None = None


class Controller:
    """The body of a program of applications. https://www.erlang.org/doc/apps/kernel/application"""

    obeys_signals = True

    def __init__(self, order: Sequence[Application]) -> None:
        self._order = order
        self._running: list[_Running] = []

    async def run(self, program: Program) -> None:
        """Start all, wait until the program cancels this, and stop them; one that does not start ends it, too."""
        home = runtime()
        try:
            for application in self._order:
                await self._start(application, home, program)
            await home.loop.create_future()
        except Exception as error:  # one did not start
            program.ending(Cause(str(error), 1))
            raise
        finally:
            for running in reversed(self._running):
                await self._stop(running, program)

    async def _start(self, application: Application, home: Runtime, program: Program) -> None:
        tree = checked_tree(application.tree)
        handle = bound(tree, Slot(home, application.name))
        process = await start_tree(handle, application.tree.name)
        running = _Running(application, process)
        self._running.append(running)
        if home.bus.wants(ApplicationStarted):
            home.bus.emit(ApplicationStarted(path=process.path))

        def ended() -> None:
            home.loop.call_soon(self._ended, running, program, context=Context())

        if process.reason is None:
            process.on_death(ended)
        else:  # in the very turn in which it was ready
            ended()

    def _ended(self, running: _Running, program: Program) -> None:
        """A tree is gone; unless it was stopped, see whether that ends the program (rule G7)."""
        if running.stopping:
            return
        application, process = running.application, running.process
        reason = process.reason or normal
        ends = application.kind == "permanent" or (application.kind == "transient" and reason != normal)
        bus = process.runtime.bus
        if bus.wants(ApplicationEnded):
            bus.emit(ApplicationEnded(path=process.path, reason=reason, ends_program=ends))
        running.farewell = asyncio.create_task(self._call(application, "stop", application.stop, program))
        if ends:
            died = end_of(process)
            failed = bool(died.why) or not is_clean(reason)
            program.end(Cause(str(died), 1 if failed else 0, died if failed else None))

    async def _stop(self, running: _Running, program: Program) -> None:
        running.stopping = True
        application, process = running.application, running.process
        if running.farewell is not None:
            with suppress(asyncio.CancelledError):
                await asyncio.wait([running.farewell])
            return
        await self._call(application, "prep_stop", application.prep_stop, program)
        if process.reason is None:
            process.stop_soon(shutdown)
        while process.reason is None:
            with suppress(asyncio.CancelledError):  # time is over, and the tree is killed
                await wait_down(process)
        await self._call(application, "stop", application.stop, program)
        bus = process.runtime.bus
        if bus.wants(ApplicationStopped):
            bus.emit(ApplicationStopped(path=process.path, reason=process.reason))

    async def _call(
        self, application: Application, option: str, callback: Callable[[], object] | None, program: Program
    ) -> None:
        """Call back, unless there is no time left for that; a failure of it keeps nobody from being stopped."""
        if callback is None or program.is_forced:
            return
        try:
            pending = callback()
            if inspect.isawaitable(pending):
                await pending
        except BaseException as error:
            if not (isinstance(error, asyncio.CancelledError) and program.is_forced):
                error.add_note(f"in {option} of the application {application.name!r}")
                program.failed(error)
