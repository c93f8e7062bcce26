"""The time that runs take: a run takes a few seconds at a time from its budget, and is ended when there are none left."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from decimal import Decimal

from ._amount import ZERO, Amounts, as_seconds
from ._ledger import Decision, Ledger, taken_back
from ._rules import Terms, Wait, may_run, out_of_seconds
from ._tree import Event, Path, Tree

SHORTEST = 0.1
"""Seconds before the end of its time from which on a run asks for no more."""


class Meter:
    """The time of one run: what it has taken, and what it asks for before that is over."""

    def __init__(self, ledger: Ledger, path: Path) -> None:
        self.id = os.urandom(8).hex()
        self.limit = asyncio.timeout(None)
        self.held = ZERO
        self._ledger = ledger
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._asking: asyncio.Future[Decimal | None] | None = None

    async def admitted(self) -> Decimal | None:
        """Take the first seconds; None if there is no limit. Raises `BudgetError`."""
        with taken_back(self._release):
            first: Decimal | None = await self._ledger.submit(self._take, path=self._path)
        return first

    def begin(self, first: Decimal) -> None:
        """The run begins, with these seconds."""
        self._ledger.keep(self.id, self._path)
        self._began = self._loop.time()
        self._has(first)

    def end(self) -> None:
        """The run is over: what it took and did not need goes back. What it takes to clean up is not counted."""
        for waits in (self._timer, self._asking):
            if waits is not None:
                waits.cancel()
        ran = as_seconds(self._loop.time() - self._began)
        self._release({"seconds": min(ran, self.held)})

    def _take(self, tree: Tree, terms: Terms) -> Decision:
        seconds = may_run(tree, terms, self._path)
        if seconds is None or isinstance(seconds, Wait):
            return seconds or ((), None)
        return [Event("run", self._path, self.id, {"seconds": seconds}, until=self._ledger.until())], seconds

    def _take_now(self, tree: Tree, terms: Terms) -> Decision:
        taken = self._take(tree, terms)
        return ((), ZERO) if isinstance(taken, Wait) else taken

    def _release(self, used: Amounts | None = None) -> None:
        self._ledger.let_go(self.id)
        over = Event("spend", self._path, self.id, used or {})
        _ = self._ledger.submit(lambda tree, terms: (tree.news(over), None), must=True, path=self._path)

    def _has(self, more: Decimal) -> None:
        self.held += more
        due = self._began + float(self.held)
        self.limit.reschedule(due)
        left = due - self._loop.time()
        if left > SHORTEST:
            self._timer = self._loop.call_later(left / 2, self._ask)

    def _ask(self) -> None:
        self._asking = self._ledger.submit(self._take_now, path=self._path)
        self._asking.add_done_callback(self._answered)

    def _answered(self, asked: asyncio.Future[Decimal | None]) -> None:
        if asked.cancelled() or self.limit.expired():
            return
        self._has(ZERO if asked.exception() is not None else asked.result() or ZERO)


@asynccontextmanager
async def metered(ledger: Ledger, path: Path) -> AsyncGenerator[None]:
    """Count the time of the block, and end it with `BudgetExceeded` when the budget has no more for it."""
    meter = Meter(ledger, path)
    first = await meter.admitted()
    if first is None:
        yield
        return
    try:
        async with meter.limit:
            meter.begin(first)
            try:
                yield
            finally:
                meter.end()
    except TimeoutError as error:
        if not meter.limit.expired():
            raise
        await ledger.submit(lambda tree, terms: ((), out_of_seconds(tree, terms, path)), path=path)
        raise AssertionError("that raises") from error
