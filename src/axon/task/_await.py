"""How an owner has the outcomes of its tasks: each outcome once, and no message of it is left behind.

https://hexdocs.pm/elixir/Task.html#await/2
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from ..errors import DeadlineExceeded, InvalidOption, TaskExit, TaskTimeout
from ..process import checked_seconds, deadline_at, killed, noproc, running, runtime, shutdown
from ..server import WaitEdge
from ..supervisor import Shutdown, checked_shutdown
from ._ended import end_now, ended
from ._outcome import Exited, Finished

if TYPE_CHECKING:
    from ._task import Task

R = TypeVar("R")

OnTimeout: TypeAlias = Literal["nothing", "ignore", "kill_task"]
"""What `yield_many` does with the tasks that gave no answer in time."""


async def await_many(tasks: Iterable[Task[R]], timeout: float | None) -> list[R]:
    """The results of all, in order; raises at once when one of them exits without (rules F4 to F8)."""
    mine = _claimed(tasks)
    patience = None if timeout is None else checked_seconds(timeout, "timeout")
    deadline, due = deadline_at.get(), _moment(patience)
    await _wait(mine, due if deadline is None else deadline, enough=len(mine), or_failed=True)
    outcomes = [task._outcome for task in mine]
    for task, outcome in zip(mine, outcomes, strict=True):
        task._close("its owner gave up waiting for it" if outcome is None else "it was given to its owner")
    results: list[R] = []
    late: Task[R] | None = None
    for task, outcome in zip(mine, outcomes, strict=True):
        if isinstance(outcome, Exited):
            raise TaskExit(task.path, outcome.reason)
        if outcome is None:
            late = late or task
        else:
            results.append(outcome.value)
    if late is not None:
        raise TaskTimeout(late.path, patience or 0.0) if deadline is None else DeadlineExceeded(late.path)
    return results


async def yield_many(
    tasks: Iterable[Task[R]], timeout: float | None, limit: int | None, on_timeout: OnTimeout
) -> list[Finished[R] | Exited | None]:
    """The outcomes that come in time, in order, None for the others (rules F9 and F10)."""
    mine = _claimed(tasks)
    if on_timeout not in ("nothing", "ignore", "kill_task"):
        raise InvalidOption("on_timeout", on_timeout, "'nothing', 'ignore' or 'kill_task'")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise InvalidOption("limit", limit, "None or a number of tasks >= 1")
    due = _moment(None if timeout is None else checked_seconds(timeout, "timeout"))
    wanted = len(mine) if limit is None else min(limit, len(mine))
    await _wait(mine, due, enough=wanted)
    outcomes = [task._outcome for task in mine]
    is_late = sum(outcome is not None for outcome in outcomes) < wanted
    for task, outcome in zip(mine, outcomes, strict=True):
        if outcome is not None:
            task._close("it was given to its owner")
    late = [task for task in mine if task._closed is None] if is_late else []
    if on_timeout == "ignore":
        for task in late:
            task.ignore()
    elif on_timeout == "kill_task":
        parting = dict(zip(late, await shut_down(late, "brutal_kill"), strict=True))
        outcomes = [parting.get(task, outcome) for task, outcome in zip(mine, outcomes, strict=True)]
    return outcomes


async def shut_down(tasks: Sequence[Task[R]], how: Shutdown) -> list[Finished[R] | Exited | None]:
    """End these; what they have done by then is not lost (rules F11 and F12)."""
    checked_shutdown(how)
    for task in tasks:
        task._check_owner()
    gone = {task for task in tasks if task._closed is not None and task._outcome is not None}
    for task in tasks:
        task._unlink()
    me = running.get()
    await end_now([task._process for task in tasks if task._process is not None], me, how)
    expected = killed if how == "brutal_kill" else shutdown
    outcomes: list[Finished[R] | Exited | None] = []
    for task in tasks:
        outcome = task._outcome
        if task in gone:
            outcomes.append(Exited(noproc))
        else:
            asked_for = isinstance(outcome, Exited) and outcome.reason == expected
            outcomes.append(None if asked_for else outcome)
            task._close("it was shut down")
    return outcomes


def _claimed(tasks: Iterable[Task[R]]) -> list[Task[R]]:
    mine = list(tasks)
    for task in mine:
        task._claim()
    if len(set(mine)) < len(mine):
        raise InvalidOption("tasks", mine, "different tasks: each has one outcome")
    return mine


def _moment(patience: float | None) -> float | None:
    return None if patience is None else runtime().loop.time() + patience


async def _wait(tasks: Sequence[Task[Any]], due: float | None, *, enough: int, or_failed: bool = False) -> None:
    """Wait for outcomes; meanwhile none comes as a message.

    Waiting for a task that waits for its owner in turn is refused, as a call is. A process waits for one other at a
    time, so of many that are all needed it is said to wait for the first.
    """
    if or_failed and any(isinstance(task._outcome, Exited) for task in tasks):
        return
    open_ = [task._process for task in tasks if task._outcome is None and task._process is not None]
    edge = WaitEdge(running.get(), open_[0], due=due) if open_ and enough == len(tasks) else nullcontext()
    for task in tasks:
        task._is_awaited = True
    try:
        with edge:
            await ended(open_, due, enough=enough - (len(tasks) - len(open_)), or_failed=or_failed)
    except BaseException:
        for task in tasks:
            task._is_awaited = False
            task._tell()
        raise
    for task in tasks:
        task._is_awaited = False
