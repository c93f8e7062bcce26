"""`async with Supervisor(...)`: the block is the parent, as a TaskGroup's is: neither outlives the other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..errors import SupervisorDied
from ..process import Runtime, running, runtime, shutdown, wait_down
from ..server import GenServer, ServerProcess, Slot, bound, launch, started

if TYPE_CHECKING:
    from ..telemetry import SupervisorGaveUp

G = TypeVar("G", bound=GenServer[Any])


class Block:
    """One entered block: cancels its body when the supervisor ends by itself, stops the tree when the body ends."""

    def __init__(self, home: Runtime, process: ServerProcess, task: asyncio.Task[Any]) -> None:
        self.process = process
        self._home = home
        self._task = task
        self._cancelled = False
        self._interrupt: KeyboardInterrupt | None = None
        self._watch = home.loop.create_task(self._wait())
        home.interrupts[self] = self._interrupted

    async def _wait(self) -> None:
        await wait_down(self.process)
        self._cancel()

    def _cancel(self) -> None:
        if not self._cancelled:
            self._cancelled = True
            self._task.cancel()

    def _interrupted(self, error: KeyboardInterrupt) -> None:
        self._interrupt = error
        self._home.loop.call_soon(self._cancel)

    async def leave(self, error: BaseException | None) -> None:
        """Stop the tree, then raise what is to be told about its end."""
        self._watch.cancel()
        del self._home.interrupts[self]
        process = self.process
        by_itself = process.reason is not None
        again: asyncio.CancelledError | None = None
        if not by_itself:
            process.stop_soon(shutdown)
        while process.reason is None:
            try:
                await wait_down(process)
            except asyncio.CancelledError as cancelled:
                again = cancelled  # the tree is stopping; it is left only when it is down
        process.slot.end("its block was left")
        ours = False
        if self._cancelled:
            ours = self._task.uncancel() == 0
        if self._interrupt is not None:
            raise self._interrupt
        if by_itself and (ours or not isinstance(error, asyncio.CancelledError)):
            gave_up = process.slot.gave_up
            raise SupervisorDied(process.path, process.reason, _why(gave_up)) from _cause(process, gave_up)
        if again is not None:
            raise again


def _why(gave_up: SupervisorGaveUp | None) -> str:
    if gave_up is None:
        return ""
    return (
        f"more than {gave_up.max_restarts} restarts within {gave_up.period:g} s; "
        f"the child {gave_up.child!r} failed last, with {gave_up.reason!r}"
    )


def _cause(process: ServerProcess, gave_up: SupervisorGaveUp | None) -> BaseException | None:
    for reason in (process.reason, None if gave_up is None else gave_up.reason):
        if isinstance(reason, BaseException):
            return reason
    return None


async def enter(supervisor: G, name: str | None) -> G:
    """Start the tree; raises `StartFailed` with the child and the cause if one child does not start."""
    home, task = runtime(), asyncio.current_task()
    assert task is not None, "a coroutine with a running loop has a task"
    slot = Slot(home, name or type(supervisor).__name__)
    handle = bound(supervisor, slot)
    process = launch(handle, slot, running.get(), linked=False, name=name)
    await started(process)
    # A spec is frozen, and several tasks may enter the same one: the innermost block of each is last.
    home.blocks.setdefault((id(supervisor), task), []).append(Block(home, process, task))
    return handle


async def leave(supervisor: GenServer[Any], error: BaseException | None) -> None:
    """End the innermost block of this task over this spec."""
    home, key = runtime(), (id(supervisor), asyncio.current_task())
    entered = home.blocks[key]
    block = cast("Block", entered.pop())
    if not entered:
        del home.blocks[key]
    await block.leave(error)
