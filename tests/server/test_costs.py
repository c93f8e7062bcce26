"""What an operation costs the event loop, counted and not timed: more than this is a mistake, less is a new number here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass
from typing import Any

OPERATIONS = 48  # fewer than are done on the spot before the loop goes round


@dataclass
class Costs:
    """What the loop was asked for."""

    callbacks: int = 0
    futures: int = 0
    tasks: int = 0
    timers: int = 0


class CountingLoop(asyncio.SelectorEventLoop):
    """An event loop that counts what it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.costs = Costs()

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> asyncio.Handle:
        self.costs.callbacks += 1
        return super().call_soon(callback, *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Context | None = None) -> asyncio.TimerHandle:
        self.costs.timers += 1
        return super().call_at(when, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        self.costs.futures += 1
        return super().create_future()


def counted(prepare: Callable[[], Coroutine[Any, Any, Callable[[], Coroutine[Any, Any, object]]]]) -> Costs:
    """What one round of the operation that `prepare` returns costs."""

    async def main() -> Costs:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CountingLoop)
        operation = await prepare()
        await operation()  # whatever is made once is made by now
        before = len(asyncio.all_tasks())
        loop.costs = Costs()
        await operation()
        costs, loop.costs = loop.costs, Costs()
        costs.tasks = len(asyncio.all_tasks()) - before
        return costs

    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        return runner.run(main())
