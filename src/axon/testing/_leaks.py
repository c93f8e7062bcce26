"""Nothing is left behind: what a piece of a program started and did not end, by name."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import AsyncGenerator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from ..process import Process, Runtime, checked_seconds, runtime


@asynccontextmanager
async def assert_no_leaks(*, grace: float = 0.1) -> AsyncGenerator[None]:
    """Fail if the block leaves anything behind: processes, zombies, names, timers, tasks or threads.

        @pytest.fixture(autouse=True)
        async def no_leaks():
            async with assert_no_leaks():
                yield

    What was there before the block is not its business, and neither is a server that nothing in the program refers to any
    more. grace: seconds in which what is still ending may end, default 0.1. Raises `AssertionError`, with a line for
    each thing that is left; an error of the block itself comes first.

    Looking for processes costs a full garbage collection; `gc.freeze()` after the imports of a test session makes that
    cheap. Not for programs.
    """
    checked_seconds(grace, "grace")
    home = runtime()
    before = _present(home)
    first = home.next_serial()
    yield
    loop = asyncio.get_running_loop()
    due = loop.time() + grace
    while (left := _left(home, before, first)) and loop.time() < due:
        if any(line.startswith("thread ") for line in left):  # which needs real time, whatever the loop's clock says
            await loop.run_in_executor(None, threading.Event().wait, grace / 10)
        await asyncio.sleep(grace / 10)
    if left:
        raise AssertionError("left behind:" + "".join(f"\n  {line}" for line in left))


def _present(home: Runtime) -> dict[object, str]:
    """What there is at this moment besides processes, with a line of text for each."""
    found: dict[object, str] = {}
    for process, task in home.zombies.items():
        found[task] = f"zombie {process.path}, still at {_place(task)}"
    for name, process in home.names.items():
        found[name, process] = f"name {name!r} of {process.path}"
    for timer in home.timers.pending():
        found[timer] = f"{timer!r} for {'nobody' if timer.target is None else timer.target.path}"
    mine = asyncio.current_task()
    for task in asyncio.all_tasks():
        if task is not mine and not task.done() and task not in found:
            found[task] = f"task {task.get_name()} at {_place(task)}"
    for thread in threading.enumerate():
        if not _is_idle_worker(thread, home.loop):
            found[thread] = f"thread {thread.name} at {_line(sys._current_frames().get(thread.ident or 0))}"
    return found


def _left(home: Runtime, before: dict[object, str], first: int) -> list[str]:
    """Lines for what was not there before, and for the processes made since the one with the number `first`."""
    living: list[Process] = []
    if home.next_serial() > first + 1 and _living(home, first):
        gc.collect()  # nothing but each other may refer to them
        living = _living(home, first)
    lines = [f"process {each.path}{'' if each.task is None else f' at {_place(each.task)}'}" for each in living]
    tasks = {process.task for process in living}
    lines += [line for thing, line in _present(home).items() if thing not in before and thing not in tasks]
    return lines


def _living(home: Runtime, first: int) -> list[Process]:
    return [
        process
        for process in _all_processes()
        if process.serial > first and process.runtime is home and process.reason is None
    ]


def _all_processes() -> list[Process]:
    return [thing for thing in gc.get_objects() if issubclass(type(thing), Process)]


def described(tasks: Iterable[asyncio.Task[Any]]) -> list[str]:
    """Each task by its process, if it is one's, or else by its name, and where it waits."""
    paths = {process.task: process.path for process in _all_processes()}
    return sorted(f"{paths.get(task) or task.get_name()} at {_place(task)}" for task in tasks)


_NOT_THEIRS = (str(Path(asyncio.__file__).parent), str(Path(__file__).parents[1]))


def _place(task: asyncio.Task[Any]) -> str:
    """Where a task waits: the innermost line that is neither asyncio's nor Axon's, if there is one."""
    frames: list[FrameType] = []
    awaited: object = task.get_coro()
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if isinstance(frame, FrameType):
            frames.append(frame)
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
    theirs = [frame for frame in frames if not frame.f_code.co_filename.startswith(_NOT_THEIRS)]
    shown = theirs or frames
    return _line(shown[-1] if shown else None)


def _line(frame: FrameType | None) -> str:
    return "its start" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _is_idle_worker(thread: threading.Thread, loop: asyncio.AbstractEventLoop) -> bool:
    """Whether this is a thread of the loop's executor that waits for work: those stay until the loop is closed."""
    executor: object = getattr(loop, "_default_executor", None)
    if not isinstance(executor, ThreadPoolExecutor) or thread not in executor._threads:
        return False
    frame = sys._current_frames().get(thread.ident or 0)
    return frame is None or frame.f_code.co_name == "_worker"
