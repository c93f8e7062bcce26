"""Whose a task is: the process that made it, or, in a plain coroutine, the asyncio task that did."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

from ..errors import NotInProcess, NotTaskOwner
from ..process import Process, running, runtime

Owner: TypeAlias = "Process | asyncio.Task[Any]"


def owner_here(function: str) -> Owner:
    """Whose the tasks are that are made here."""
    process = running.get()
    if process is not None:
        process.refuse_if_dead()
        return process
    task = asyncio.current_task()
    if task is None:
        raise NotInProcess(function, ", nor an asyncio task that could await it; use Task.start")
    return task


def refuse_others(owner: Owner, task: str) -> None:
    """Raise unless the running code is the owner's."""
    here = running.get() or asyncio.current_task()
    if here is not owner:
        gathered = isinstance(owner, asyncio.Task) and isinstance(here, asyncio.Task)
        instead = " (asyncio.gather makes asyncio tasks of its own: use Task.await_many)" if gathered else ""
        raise NotTaskOwner(task, _named(owner), _named(here), instead)
    if isinstance(owner, Process):
        owner.refuse_if_dead()


def _named(owner: Owner | None) -> str:
    if isinstance(owner, Process):
        return owner.path
    return "a callback of the event loop" if owner is None else f"the asyncio task {owner.get_name()!r}"


def at_end(owner: Owner, release: Callable[[], None]) -> None:
    """Call `release()` when the owner ends, however it does."""
    if isinstance(owner, Process):
        owner.on_death(release)
        return
    ends = runtime().ends
    if owner not in ends:
        ends[owner] = {}
        owner.add_done_callback(lambda task: _release_all(ends.pop(task)))
    ends[owner][release] = None


def _release_all(releases: dict[Callable[[], None], None]) -> None:
    for release in tuple(releases):
        release()


def not_at_end(owner: Owner, release: Callable[[], None]) -> None:
    """Take back what `at_end` was told."""
    if not isinstance(owner, Process):
        runtime().ends.get(owner, {}).pop(release, None)
    else:
        owner.forget_on_death(release)
