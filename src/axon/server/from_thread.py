"""The door for threads: requests to servers from code that runs outside their event loop."""

from __future__ import annotations

import asyncio
from asyncio.events import _get_running_loop
from collections.abc import Callable, Coroutine
from inspect import iscoroutinefunction
from typing import Any, ParamSpec, TypeVar

from ..errors import InvalidOption, NoProcess, WrongLoop
from ._genserver import is_server
from ._handler import Handler, Kind
from ._send import runtime_of

P = ParamSpec("P")
R = TypeVar("R")


def _loop_of(method: object, kind: Kind) -> asyncio.AbstractEventLoop:
    handle, handler = getattr(method, "__self__", None), getattr(method, "__axon_handler__", None)
    fits = handler.kind == kind if isinstance(handler, Handler) else kind == "call" and iscoroutinefunction(method)
    if not is_server(handle) or not fits:
        raise InvalidOption("method", method, f"a @{kind} method of a started handle")
    loop = runtime_of(handle).loop
    if _get_running_loop() is loop:
        raise WrongLoop(f"{handle!r} is in this very event loop: await its method, from_thread would block it")
    if loop.is_closed():
        raise NoProcess(repr(handle), "its event loop is closed")
    return loop


def call(method: Callable[P, Coroutine[Any, Any, R]], /, *args: P.args, **keywords: P.kwargs) -> R:
    """Make a call from a thread and block it until the answer: `from_thread.call(counter.increment, 3)`.

    Raises what the awaited call would raise, and `WrongLoop` inside the server's own event loop.
    """
    loop = _loop_of(method, "call")
    return asyncio.run_coroutine_threadsafe(method(*args, **keywords), loop).result()


def cast(method: Callable[P, None], /, *args: P.args, **keywords: P.kwargs) -> None:
    """Make a cast from a thread, and return at once."""
    _loop_of(method, "cast").call_soon_threadsafe(lambda: method(*args, **keywords))
