"""The books of one root: what programs ask for is decided on the tree, and stands once it is in the journal.

Every program that has the store may write. Each write says which version of the journal it was decided on, so that of
two that decide at the same time one is refused, reads what the other wrote, and decides again.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..errors import WrongLoop
from ..store import Codec, Stale, Store, StoreError, Unreadable
from ._amount import Balance
from ._errors import BudgetError
from ._rules import WAIT, Terms, Wait, balance_of
from ._tree import Event, Path, Tree

LEASE = 30.0
"""Seconds after which what a program held is given up, unless the program says that it is there still."""
LOOK_AGAIN = 0.25
"""Seconds after which who waits looks whether another program has given something back."""
SWEEP = 1.0
"""Seconds between two looks for what is to be given up."""
TRY_AGAIN = 1.0
"""Seconds after which what must be written is written again, when the store did not answer."""
COMPACT_AFTER = 100
"""Records after which a snapshot takes their place."""

Decision: TypeAlias = "Wait | tuple[Sequence[Event], Any]"


@dataclass(frozen=True)
class Batch:
    """What is written together; `id` tells later whether it was."""

    id: str
    events: list[Event]


BATCHES = Codec("budget_batch", Batch)
TREES = Codec("budget_tree", Tree)


@dataclass(eq=False, slots=True)
class Job:
    """Something to be decided. must: it has happened, and is written whoever waits for it."""

    decide: Callable[[Tree, Terms], Decision]
    future: asyncio.Future[Any]
    must: bool
    path: Path = ()
    batch: str = ""
    value: Any = None


@contextmanager
def taken_back(undo: Callable[[], object]) -> Generator[None]:
    """Take back what this block asks for, if it ends without knowing whether it was given."""
    try:
        yield
    except BudgetError:
        raise
    except BaseException:
        undo()
        raise


class Ledger:
    """The books of a root budget. Without a store they are kept in memory, and everything is decided on the spot."""

    def __init__(
        self, key: str, store: Store | None, terms: Callable[[float], tuple[Terms, float]], now: Callable[[], float]
    ) -> None:
        self.store = store
        self.now = now
        self.tree: Tree | None = None
        self._key = key
        self._terms = terms
        self._queue: list[Job] = []
        self._waiting: list[Job] = []
        self._open: dict[str, Path] = {}
        self._writer: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._looks = False
        self._swept = -math.inf
        self._epoch = self._version = self._records = 0
        if store is not None:  # loads pydantic, here rather than in the middle of a turn
            BATCHES.record(Batch("", []))
            TREES.record(Tree())

    def submit(
        self,
        decide: Callable[[Tree, Terms], Decision],
        *,
        must: bool = False,
        path: Path = (),
        look: bool = False,
    ) -> asyncio.Future[Any]:
        """Have something decided; the result is what `decide` gives besides the events, once these are written.

        If it gives `WAIT` it is asked again when something has changed. Who is cancelled, or told that the store failed,
        does not know whether it was written, and takes it back. path: what is on it is used still, however long
        nobody was heard of. look: at what other programs wrote first.
        """
        loop = self._at_home()
        job = Job(decide, loop.create_future(), must, path)
        self._queue.append(job)
        self._looks |= look
        self._go()
        return job.future

    def until(self) -> float | None:
        """When what is taken now is given up, in a store."""
        return None if self.store is None else self.now() + LEASE

    def keep(self, id: str, path: Path) -> None:
        """Say of this share, or of this request or run below it, that it is used still, until `let_go`."""
        if self.store is not None:
            self._open[id] = path
            self._set("renew", LEASE / 3, self._renew)

    def let_go(self, id: str) -> None:
        """It is over."""
        self._open.pop(id, None)
        if not self._open:
            self._unset("renew")

    def seen(self, path: Path) -> Balance | None:
        """The grant at the path as this program last knew it, None if it did not or it ended."""
        if self.tree is None or self.tree.node(path) is None:
            return None
        return balance_of(self.tree, self._terms(self.now())[0], path)

    # -- deciding

    def _round(self, tree: Tree, jobs: Sequence[Job]) -> tuple[list[Event], list[tuple[Job, Any]]]:
        """Decide everything in order; the tree is then as if it was written."""
        now = self.now()
        terms, window = self._terms(now)
        tree.root.limits = terms.limits
        events = [Event("window", at=window)] if window > tree.window else []
        if self.store is not None and not 0 <= now - self._swept < SWEEP:
            self._swept = now
            events += _given_up(tree, now, [job.path for job in jobs])
        for event in events:
            tree.apply(event)
        outcomes: list[tuple[Job, Any]] = []
        for job in jobs:
            if job.future.done() and not job.must:
                continue  # its caller is gone
            try:
                decision = job.decide(tree, terms)
            except BudgetError as error:
                outcomes.append((job, error))
                continue
            if isinstance(decision, Wait):
                outcomes.append((job, WAIT))
                continue
            for event in decision[0]:
                tree.apply(event)
            events += decision[0]
            job.value = decision[1]
            outcomes.append((job, job.value))
        return events, outcomes

    def _tell(self, outcomes: Sequence[tuple[Job, Any]]) -> None:
        for job, outcome in outcomes:
            if outcome is WAIT:
                self._waiting.append(job)
            elif job.future.done():
                pass  # its caller is gone, and takes back what it was given
            elif isinstance(outcome, Exception):
                job.future.set_exception(outcome)
                job.future.exception()  # its caller may be gone
            else:
                job.future.set_result(outcome)

    def _go(self) -> None:
        if self.store is None:
            self._at_once()
        elif self._writer is None:
            assert self._loop is not None, "there is one, or nothing was submitted"
            # in a context of its own: it works for many, and outlives whose code submitted this
            self._writer = self._loop.create_task(self._write(self.store), context=Context())

    def _at_once(self) -> None:
        tree = self.tree = self.tree or Tree()
        while self._queue:
            jobs = [*self._waiting, *self._queue]
            self._queue, self._waiting = [], []
            events, outcomes = self._round(tree, jobs)
            self._tell(outcomes)
            if events and self._waiting and not self._queue:
                self._queue, self._waiting = self._waiting, []

    # -- writing

    async def _write(self, store: Store) -> None:
        try:
            while self._queue:
                jobs = [*self._waiting, *self._queue]
                self._queue, self._waiting = [], []
                try:
                    outcomes = await self._written(store, jobs)
                except Exception as error:
                    self._failed(jobs, error)
                    break
                self._tell(outcomes)
        finally:
            self._writer = None
        if self._waiting:
            self._set("look", LOOK_AGAIN, self._look)

    async def _written(self, store: Store, jobs: Sequence[Job]) -> list[tuple[Job, Any]]:
        while True:
            tree = await self._read(store) if self.tree is None or self._looks else self.tree
            # what was written though the store did not say so keeps its batch, however often the rest fails
            known = [job for job in jobs if job.batch and job.batch in tree.batches]
            events, decided = self._round(tree, [job for job in jobs if job not in known])
            outcomes = [*decided, *((job, job.value) for job in known)]
            if not events:
                return outcomes
            batch = Batch(os.urandom(8).hex(), events)
            for job, outcome in decided:
                if outcome is not WAIT and not isinstance(outcome, Exception):
                    job.batch = batch.id
            try:
                self._version = await store.append(
                    self._key, [BATCHES.record(batch)], epoch=self._epoch, version=self._version, marker="budget"
                )
            except Stale:
                self.tree = None  # somebody else wrote
                continue
            except BaseException:
                self.tree = None  # nobody knows
                raise
            tree.apply_batch(batch.id, ())
            self._records += 1
            if self._records > COMPACT_AFTER:
                await self._compact(store, tree)
            return outcomes

    async def _read(self, store: Store) -> Tree:
        self._looks = False
        journal = await store.read(self._key) or await store.open(self._key)
        tree = Tree() if journal.snapshot is None else TREES.value(journal.snapshot)
        for entry in journal.entries:
            batch = BATCHES.value(entry)
            try:
                tree.apply_batch(batch.id, batch.events)
            except Exception as error:
                raise Unreadable(entry.key, entry.version, f"it does not follow: {error!r}") from error
        self._epoch, self._version, self._records = journal.epoch, journal.version, len(journal.entries)
        self.tree = tree
        return tree

    async def _compact(self, store: Store, tree: Tree) -> None:
        try:
            await store.compact(self._key, TREES.record(tree), epoch=self._epoch, version=self._version)
        except StoreError:  # another program may have done it; the records are there still
            self.tree = None
        else:
            self._records = 0

    def _failed(self, jobs: Sequence[Job], error: Exception) -> None:
        """The store did not answer: those who asked are told so, and what has happened is written later."""
        self._queue = [*(job for job in jobs if job.must), *self._queue]
        self._tell([(job, error) for job in jobs])
        if self._queue:
            self._set("again", TRY_AGAIN, self._go)

    # -- time

    def _look(self) -> None:
        self._looks = True
        self._queue, self._waiting = [*self._waiting, *self._queue], []
        if self._queue:
            self._go()

    def _renew(self) -> None:
        def decide(tree: Tree, terms: Terms) -> Decision:
            return [Event("renew", path, id, until=self.until()) for id, path in self._open.items()], None

        _ = self.submit(decide)
        self._set("renew", LEASE / 3, self._renew)

    def _set(self, name: str, seconds: float, callback: Callable[[], None]) -> None:
        if name in self._timers or self._loop is None:
            return

        def due() -> None:
            del self._timers[name]
            callback()

        self._timers[name] = self._loop.call_later(seconds, due, context=Context())

    def _unset(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _at_home(self) -> asyncio.AbstractEventLoop:
        """A budget serves one event loop at a time: in another one it goes on with what is written."""
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return loop
        if self._loop is not None and self._loop.is_running():
            raise WrongLoop(f"the budget {self._key!r} is used in another event loop: make one for each, on one store")
        self._loop, self._writer, self._timers, self._waiting, self._open = loop, None, {}, [], {}
        self._queue = [Job(job.decide, loop.create_future(), True, batch=job.batch) for job in self._queue if job.must]
        if self.store is not None:
            self.tree = None
        return loop


def _given_up(tree: Tree, now: float, asked: Sequence[Path]) -> list[Event]:
    """The end of what its holder was not heard of for too long, unless it is asked for just now."""
    events: list[Event] = []
    for path, node in tree.all():
        for id, hold in node.holds.items():
            if hold.until is not None and hold.until < now:
                events.append(Event("lost", path, id))
        is_asked_for = any(other[: len(path)] == path for other in asked)
        if node.until is not None and node.until < now and not is_asked_for:
            events.append(Event("refund", path, node.id))
    return events
