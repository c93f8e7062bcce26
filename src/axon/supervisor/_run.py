"""The program around a tree: signals, the event loop, and an exit status."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from ..errors import InvalidOption, SupervisorDied, UsageError
from ..process import shutdown, wait_down
from ._supervisor import Supervisor

Program: TypeAlias = "Supervisor | Callable[[], Coroutine[Any, Any, int | None]]"


def run(program: Supervisor | Callable[[], Coroutine[Any, Any, int | None]]) -> int:
    """Run a tree, or a main coroutine function, until it ends or SIGTERM or SIGINT comes; returns the exit status.

    A signal ends it in order: the tree stops, or main is cancelled. The status is 0 after an orderly end of a tree,
    what main returned if that was a number, 128 + the signal's number (as shells say it) if main was cut short, and 1
    after a failure, whose traceback goes to stderr. Use it as `sys.exit(axon.run(tree))`. Raises `UsageError` outside the main thread, where Python delivers no signals; there
    use `asyncio.run` and `async with Supervisor(...)`.
    """
    if threading.current_thread() is not threading.main_thread():
        raise UsageError("axon.run() handles signals, which Python delivers only to the main thread")
    if not isinstance(program, Supervisor) and not callable(program):
        raise InvalidOption("program", program, "a Supervisor or a coroutine function without parameters")
    try:
        return asyncio.run(_until_signal(program))
    except Exception:
        traceback.print_exc(file=sys.stderr)
        return 1


async def _until_signal(program: Program) -> int:
    loop = asyncio.get_running_loop()
    task = loop.create_task(_tree(program) if isinstance(program, Supervisor) else _main(program))
    asked: signal.Signals | None = None

    def end(number: signal.Signals) -> None:
        nonlocal asked
        if asked is None:  # a second signal would interrupt the orderly end, which has bounds of its own
            asked = number
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, number)
    try:
        return await task
    except asyncio.CancelledError:
        if asked is None:
            raise
        return 0 if isinstance(program, Supervisor) else 128 + asked
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def _tree(supervisor: Supervisor) -> int:
    try:
        async with supervisor as running:
            await wait_down(running)
    except SupervisorDied as died:
        if died.why or died.reason != shutdown:
            raise
    return 0  # its significant children have done their work


async def _main(main: Callable[[], Coroutine[Any, Any, int | None]]) -> int:
    return await main() or 0
