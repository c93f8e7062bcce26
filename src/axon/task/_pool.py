"""The tasks of one stream: so many at a time, each with its own limit, outcomes in order or as they come."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..errors import DeadlineExceeded, TaskExit, TaskTimeout
from ..process import Process, Timer, deadline_at, normal, running, runtime
from ..server import WaitEdge
from ._ended import ask_to_end, ended
from ._options import Settings
from ._outcome import Exited, Finished
from ._owner import Owner
from ._work import Work, WorkProcess, work


@dataclass(eq=False, slots=True)
class _Item:
    """One item under way, or waiting for its turn to be handed out."""

    input: object
    process: WorkProcess
    timer: Timer | None = None
    outcome: Finished[Any] | Exited | None = None


class Pool:
    """What a stream does while its reader waits for the next outcome; without a reader nothing new is begun.

    The reader's end refers to the pool, and never the other way round: a reader that drops its end is noticed.
    """

    def __init__(
        self,
        fn: Callable[[Any], object],
        items: Iterable[Any],
        settings: Settings,
        begin: Callable[[Work], WorkProcess],
        *,
        linked: bool,
    ) -> None:
        self._fn = fn
        self._items = items
        self._settings = settings
        self._begin = begin
        self._linked = linked
        self._input: Iterator[Any] | None = None
        self._owner: Owner | None = None
        self._running: set[_Item] = set()
        self._queue: deque[_Item] = deque()  # by input, or by the time of the outcome
        self._failure: BaseException | None = None
        self._change: asyncio.Future[None] | None = None
        self._is_closed = False

    def open(self, owner: Owner) -> None:
        """From now on the items are taken, for this owner."""
        self._owner = owner
        self._input = iter(self._items)

    async def next(self) -> Finished[Any] | Exited:
        """The next outcome; raises what ends the stream, `StopAsyncIteration` at its end.

        An outcome that has come is handed out before others are begun: the reader may not want any.
        """
        if self._failure is None:
            self._fill()
        while not self._is_closed:
            if self._failure is not None:
                raise self._failure
            if self._queue and (outcome := self._queue[0].outcome) is not None:
                self._queue.popleft()
                return outcome
            self._fill()
            if not self._running:
                break
            with (
                WaitEdge(running.get(), self._queue[0].process, due=deadline_at.get()) if self._queue else nullcontext()
            ):
                await self._changed()
        raise StopAsyncIteration

    def kill_all(self) -> None:
        """Nothing more is begun, and what runs is killed."""
        self._is_closed = True
        for item in tuple(self._running):
            ask_to_end(item.process, None, "brutal_kill")
        self._wake()

    async def close(self) -> None:
        """The same, and wait until nothing runs."""
        self.kill_all()
        await ended([item.process for item in self._running])

    def _fill(self) -> None:
        while self._input is not None and len(self._running) < self._settings.max_concurrency:
            try:
                given = next(self._input)
            except StopIteration:
                self._input = None
                return
            self._begin_item(given)

    def _begin_item(self, given: object) -> None:
        process = self._begin(work(self._fn, (given,), {}, self._owner))
        item = _Item(given, process)
        self._running.add(item)
        if self._settings.ordered:
            self._queue.append(item)
        process.on_death(partial(self._ended, item))
        if self._settings.timeout is not None:
            item.timer = process.runtime.timers.after(self._settings.timeout, partial(self._late, item))

    def _ended(self, item: _Item) -> None:
        process, outcome = item.process, item.process.outcome
        self._running.discard(item)
        if item.timer is not None:
            process.runtime.timers.cancel(item.timer)
        if item.outcome is None and outcome is not None and not self._is_closed:
            self._settle(item, outcome)
            if self._linked and isinstance(outcome, Exited) and outcome.reason != normal:
                self._hurt_owner(process, outcome)
        self._wake()

    def _settle(self, item: _Item, outcome: Finished[Any] | Exited) -> None:
        if isinstance(outcome, Exited) and self._settings.zip_input_on_exit:
            outcome = Exited(outcome.reason, item.input)
        item.outcome = outcome
        if not self._settings.ordered:
            self._queue.append(item)

    def _hurt_owner(self, process: WorkProcess, outcome: Exited) -> None:
        """What a link would do, but that no `Exit` is left in the mailbox of an owner that traps."""
        owner = self._owner
        if not isinstance(owner, Process):
            self._failure = self._failure or TaskExit(process.path, outcome.reason)
        elif not owner.trap_exit:
            process.runtime.signal(owner.receive_exit, process, outcome.reason, True)  # linked

    def _late(self, item: _Item) -> None:
        item.timer = None
        late = TaskTimeout(item.process.path, self._settings.timeout or 0.0)
        if self._settings.on_timeout == "exit":
            self._failure = self._failure or late
        else:
            self._settle(item, Exited(late))
            ask_to_end(item.process, None, "brutal_kill")
        self._wake()

    def _wake(self) -> None:
        if self._change is not None and not self._change.done():
            self._change.set_result(None)

    async def _changed(self) -> None:
        home, due = runtime(), deadline_at.get()
        self._change = change = home.loop.create_future()
        timer = None if due is None else home.timers.after(max(0.0, due - home.loop.time()), self._wake)
        try:
            await change
        finally:
            if timer is not None:
                home.timers.cancel(timer)
        if due is not None and home.loop.time() >= due and self._running:
            raise DeadlineExceeded(next(iter(self._running)).process.path)
