"""Looking into a running server, and stopping it: system messages, which are handled between two callbacks.

https://www.erlang.org/doc/man/sys
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar, overload

from ..errors import CallTimeout, DeadlineExceeded, InvalidOption, NoProcess, ServerDied
from ..process import (
    ExitReason,
    Target,
    checked,
    checked_seconds,
    deadline_at,
    find,
    need,
    normal,
    running,
    runtime,
    wait_down,
)
from ._genserver import GenServer
from ._history import Statistics, recent_messages
from ._process import ServerProcess
from ._request import refuse_zombie
from ._send import ask_system
from ._waits import WaitEdge

S = TypeVar("S")


def server_of(target: Target) -> ServerProcess:
    """The live server behind a target."""
    process = need(target, runtime())
    if not isinstance(process, ServerProcess):
        raise InvalidOption("target", target, "a GenServer; this process has an inbox loop of its own")
    return process


@overload
async def get_state(target: GenServer[S]) -> S: ...
@overload
async def get_state(target: Target) -> object: ...
async def get_state(target: Target) -> object:
    """The server's state object, taken between two callbacks: for tests and for looking, never to change it.

    Works while the server is suspended. Raises `NoProcess`, `ServerDied`, `CallCycle`.
    """
    return await ask_system(server_of(target), lambda process: process.state)


async def replace_state(target: Target, change: Callable[[Any], object]) -> object:
    """Install `change(state)` as the state between two callbacks, and return it.

    If `change` raises, the state stays, the server lives, and the error comes here.
    """

    def replace(process: ServerProcess) -> object:
        process.state = change(process.state)
        return process.state

    return await ask_system(server_of(target), replace)


async def suspend(target: Target) -> None:
    """Have the server handle nothing but system messages and its parent's exit until `resume`."""

    def hold(process: ServerProcess) -> None:
        process.suspended = True

    await ask_system(server_of(target), hold)


async def resume(target: Target) -> None:
    """Go on after `suspend`: what has queued up is handled in order."""

    def release(process: ServerProcess) -> None:
        process.suspended = False

    await ask_system(server_of(target), release)


def statistics(target: Target) -> Statistics:
    """What the server has done and what waits for it, now; it is not disturbed."""
    process = server_of(target)
    return Statistics(
        handled=process.handled,
        queued=len(process.mailbox or ()),
        pending=len(process.work or ()),
        recent=recent_messages(process.recent, process.handled),
    )


async def stop(target: Target, reason: ExitReason = normal, *, timeout: float | None = None) -> None:
    """End a server in order, and wait until it is gone: `terminate(state, reason)` runs first.

    timeout: seconds to wait, default no limit; then `CallTimeout`, and the server still ends when it can. Raises
    `NoProcess` if nobody is there, and `ServerDied` if it ended with another reason than asked for.
    https://www.erlang.org/doc/man/gen_server#stop-3
    """
    checked(reason)
    refuse_zombie()
    limit = None if timeout is None else checked_seconds(timeout, "timeout")
    due = deadline_at.get()
    process = find(target, runtime())
    if process is None:
        raise NoProcess(target if isinstance(target, str) else repr(target))
    server = server_of(process)
    with WaitEdge(running.get(), server, limit, due):
        server.stop_soon(reason)
        try:
            async with asyncio.timeout(limit) if due is None else asyncio.timeout_at(due):
                down = await wait_down(server)
        except TimeoutError:
            raise CallTimeout(server.path, limit or 0.0) if due is None else DeadlineExceeded(server.path) from None
    if down.reason is not reason and down.reason != reason:
        raise ServerDied(server.path, down.reason)
