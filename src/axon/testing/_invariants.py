"""What must hold however a run goes: checked around a simulated test, at the end of every schedule."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

from ..process import Callers, checked_seconds, runtime
from ..server import Request
from ._leaks import described

Invariant: TypeAlias = Callable[[], AbstractAsyncContextManager[None]]
"""Makes a block to be put around a run; it raises when it is left, if the rule was broken."""


@asynccontextmanager
async def nothing_left() -> AsyncGenerator[None]:
    """After the run no task, zombie or name is left."""
    before = asyncio.all_tasks()
    yield
    await asyncio.sleep(0.001)
    left = [task for task in asyncio.all_tasks() - before - {asyncio.current_task()} if not task.done()]
    if left:
        raise AssertionError("left running:" + "".join(f"\n  {line}" for line in described(left)))
    zombies = sorted(process.path for process in runtime().zombies)
    assert not zombies, f"zombies left: {zombies}"
    assert not runtime().names, f"names still taken: {sorted(runtime().names)}"


def within(seconds: float) -> Invariant:
    """The run ends within so many seconds (of virtual time)."""
    bound = checked_seconds(seconds, "seconds")

    @asynccontextmanager
    async def check() -> AsyncGenerator[None]:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        yield
        took = loop.time() - begun
        assert took <= bound, f"the run took {took:g} s, its bound is {bound:g} s"

    return check


@asynccontextmanager
async def one_reply() -> AsyncGenerator[None]:
    """Every call that reached a server was answered once, with a value or an error, unless its caller gave up."""
    from unittest.mock import patch

    asked: dict[int, tuple[Request, list[object]]] = {}
    begin, answer, fail = Request.__init__, Request.answer, Request.fail

    def begun(request: Request, is_call: bool, due: float | None, callers: Callers) -> None:
        begin(request, is_call, due, callers)
        if is_call:
            asked[id(request)] = request, []

    def counted(deliver: Callable[[Request, Any], None]) -> Callable[[Request, Any], None]:
        def deliver_and_count(request: Request, what: Any) -> None:
            was_done = request.done
            deliver(request, what)
            if not was_done and id(request) in asked:
                asked[id(request)][1].append(what)

        return deliver_and_count

    with (
        patch.object(Request, "__init__", begun),
        patch.object(Request, "answer", counted(answer)),
        patch.object(Request, "fail", counted(fail)),
    ):
        yield
    await asyncio.sleep(0.001)
    for request, answers in asked.values():
        waits = request.future is not None and not request.future.done()
        assert not (waits and not answers), "a call was never answered, and its caller still waits"
        assert len(answers) <= 1, f"a call was answered {len(answers)} times: {answers!r}"
