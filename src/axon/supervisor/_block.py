"""`async with Supervisor(...)`: the block is the parent, as a TaskGroup's is: neither outlives the other."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, TypeVar, cast

from ..errors import StartFailed, SupervisorDied
from ..process import Reason, Runtime, running, runtime, shutdown, wait_down
from ..server import GenServer, ServerProcess, Slot, bound, checked_spec, launch, slot_of, started

G = TypeVar("G", bound=GenServer[Any])


class Block:
    """One entered block: cancels its body when the supervisor ends by itself, stops the tree when the body ends."""

    def __init__(self, home: Runtime, process: ServerProcess, task: asyncio.Task[Any]) -> None:
        self.process = process
        self._home = home
        self.task = task
        self._cancelled_before = task.cancelling()
        self._cancelled = False
        self._left = False
        self._interrupt: KeyboardInterrupt | None = None
        home.interrupts[self] = self._interrupted
        if process.reason is None:
            process.on_death(self._cancel_soon)
        else:  # it ended in the very turn in which it was ready
            self._cancel_soon()

    def _cancel_soon(self) -> None:
        self._home.loop.call_soon(self._cancel)

    def _cancel(self) -> None:
        if not self._cancelled and not self._left:
            self._cancelled = True
            self.task.cancel()

    def _interrupted(self, error: KeyboardInterrupt) -> None:
        self._interrupt = error
        self._cancel_soon()

    async def leave(self, error: BaseException | None) -> None:
        """Stop the tree, then raise what is to be told about its end."""
        self._left = True
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
        ours = self._cancelled and self.task.uncancel() <= self._cancelled_before
        if self._interrupt is not None:
            raise self._interrupt
        if by_itself and (ours or not isinstance(error, asyncio.CancelledError)):
            died = end_of(process)
            if error is not None and not isinstance(error, asyncio.CancelledError):
                died.add_note(f"the body of the block raised meanwhile: {error!r}")
            raise died from died.__cause__
        if again is not None:
            raise again


def end_of(process: ServerProcess) -> SupervisorDied:
    """What there is to tell about the end of a supervisor, with the crash at the bottom of it as the cause."""
    died = SupervisorDied(process.path, process.reason, _why(process.slot))
    died.__cause__ = _root_cause(process.reason, process.slot)
    return died


def _why(slot: Slot) -> str:
    if slot.gave_up is None:
        return ""
    event, _ = slot.gave_up
    return (
        f"more than {event.max_restarts} restarts within {event.period:g} s; "
        f"the child {event.child!r} failed last, with {event.reason!r}"
    )


def _root_cause(reason: object, slot: Slot | None) -> BaseException | None:
    """The exception at the bottom: that of the child that failed last, over as many levels as gave up."""
    while True:
        if isinstance(reason, Reason) and isinstance(reason.term, StartFailed):
            return reason.term.__cause__ or reason.term
        if isinstance(reason, BaseException):
            return reason
        if slot is None or slot.gave_up is None:
            return None
        event, slot = slot.gave_up
        reason = event.reason


async def start_tree(handle: GenServer[Any], name: str | None) -> ServerProcess:
    """Start the supervisor behind a handle, registered as `name`, and wait until its tree is there.

    Raises `StartFailed` with the child and the cause. A start that is cancelled leaves nothing running.
    """
    slot = slot_of(handle)
    home = slot.runtime
    process = launch(handle, slot, running.get(), linked=False, name=name)
    if process.reason is None:
        home.trees[process] = None
        process.on_death(lambda: home.trees.pop(process))
    try:
        await started(process, given_up=shutdown)
    except asyncio.CancelledError:
        if process.phase == "running":  # the start was done in the very turn of the cancellation
            process.stop_soon(shutdown)
        while process.reason is None:  # those that had started are stopped in order
            with suppress(asyncio.CancelledError):
                await wait_down(process)
        raise
    return process


async def enter(supervisor: G, name: str | None) -> G:
    """Start the tree; raises `StartFailed` with the child and the cause if one child does not start."""
    home, task = runtime(), asyncio.current_task()
    assert task is not None, "a coroutine with a running loop has a task"
    checked_spec(supervisor, "supervisor")
    handle = bound(supervisor, Slot(home, name or type(supervisor).__name__))
    process = await start_tree(handle, name)
    # A spec is frozen, and several tasks may enter the same one: the innermost block of each is last.
    home.blocks.setdefault(id(supervisor), []).append(Block(home, process, task))
    return handle


async def leave(supervisor: GenServer[Any], error: BaseException | None) -> None:
    """End the innermost block over this spec: that of the running task, or the last one if a task leaves for another."""
    home, task = runtime(), asyncio.current_task()
    entered = cast("list[Block]", home.blocks[id(supervisor)])
    block = next((block for block in reversed(entered) if block.task is task), entered[-1])
    entered.remove(block)
    if not entered:
        del home.blocks[id(supervisor)]
    await block.leave(error)
