"""The door for threads: requests to servers from code that runs outside their event loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
from asyncio.events import _get_running_loop
from collections.abc import Callable, Coroutine
from inspect import iscoroutinefunction
from typing import Any, ParamSpec, TypeVar

from ..errors import InvalidOption, NoProcess, ServerDied, WrongLoop
from ..process import Process, shutdown
from ._genserver import is_server
from ._handler import Handler
from ._send import runtime_of

P = ParamSpec("P")
R = TypeVar("R")

LOOK_AGAIN = 0.1
"""Seconds after which a thread that waits for an answer looks whether the event loop still runs."""


def _loop_of(function: object, args: tuple[object, ...], *, waits: bool) -> asyncio.AbstractEventLoop:
    """The loop of the handle or process that `function` is about: whose method it is, or its first argument."""
    kind, handler = "call" if waits else "cast", getattr(function, "__axon_handler__", None)
    about: object = getattr(function, "__self__", None)
    if isinstance(handler, Handler):
        fits = handler.kind == kind
    else:
        fits = iscoroutinefunction(function) == waits and (waits or not is_server(about))
        if args and not is_server(about):
            about = args[0]
    if not fits or not (is_server(about) or isinstance(about, Process)):
        what = "a coroutine function" if waits else "a function"
        raise InvalidOption(
            "function",
            function,
            f"a @{kind} method of a started handle, or {what} whose first argument is a handle or a process",
        )
    loop = about.runtime.loop if isinstance(about, Process) else runtime_of(about).loop
    if _get_running_loop() is loop:
        raise WrongLoop(f"{about!r} is in this very event loop: await its method, from_thread would block it")
    if not loop.is_running():
        raise NoProcess(repr(about), "its event loop does not run")
    return loop


def call(function: Callable[P, Coroutine[Any, Any, R]], /, *args: P.args, **keywords: P.kwargs) -> R:
    """Make a call from a thread and block it until the answer: `from_thread.call(counter.increment, 3)`.

    function: a @call method, or a coroutine function about a handle, such as `axon.stop`:
    `from_thread.call(axon.stop, counter)`. Raises what the awaited call would raise, `NoProcess` if the server's event
    loop does not run, `ServerDied` if it ends meanwhile, and `WrongLoop` inside that very loop.
    """
    loop = _loop_of(function, args, waits=True)
    answer = asyncio.run_coroutine_threadsafe(function(*args, **keywords), loop)
    while True:
        try:
            return answer.result(LOOK_AGAIN)
        except concurrent.futures.CancelledError:
            raise ServerDied(repr(function), shutdown) from None
        except TimeoutError:
            if answer.done():  # the error is that of the call
                raise
            if not loop.is_running():
                answer.cancel()
                raise ServerDied(repr(function), shutdown) from None


def cast(function: Callable[P, None], /, *args: P.args, **keywords: P.kwargs) -> None:
    """Make a cast from a thread, and return at once.

    function: a @cast method, or a function about a handle or process, such as `axon.send` or `axon.exit`.
    """
    _loop_of(function, args, waits=False).call_soon_threadsafe(lambda: function(*args, **keywords))
