"""Looking into a running server, and stopping it: system messages, which are handled between two callbacks.

https://www.erlang.org/doc/man/sys
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, overload

from ..errors import CallTimeout, DeadlineExceeded, InvalidOption, NoProcess, NotSuspended, ServerDied
from ..process import (
    ExitReason,
    Target,
    checked,
    checked_seconds,
    deadline_at,
    find,
    here,
    need,
    normal,
    running,
    runtime,
    turn,
    wait_down,
)
from ._genserver import GenServer, is_server
from ._history import Statistics
from ._process import ServerProcess
from ._send import ask_system, slot_of
from ._status import Status, as_text, recent_of, status_of
from ._waits import WaitEdge

S = TypeVar("S")


def server_of(target: Target) -> ServerProcess:
    """The live server behind a target."""
    process = need(target, runtime())
    if not isinstance(process, ServerProcess):
        raise _no_server(process)
    return process


def _no_server(target: object) -> InvalidOption:
    return InvalidOption("target", target, "a GenServer; this process has an inbox loop of its own")


@overload
async def get_state(target: GenServer[S]) -> S: ...
@overload
async def get_state(target: Target) -> object: ...
async def get_state(target: Target) -> object:
    """The server's state object itself and no copy, taken between two callbacks: for tests and for looking, never to
    change it. What the server does later is seen in it; who wants to compare copies what is needed.

    Works while the server is suspended. Raises `NoProcess`, `ServerDied`, `CallCycle`.
    """
    return await ask_system(server_of(target), lambda process: process.state)


async def get_status(target: Target) -> Status:
    """What may be seen of the server, taken between two callbacks: its life, parent, state and last messages.

    Works while the server is suspended. What is not to be seen its class takes out in `format_status`. Raises as
    `get_state`. https://www.erlang.org/doc/man/sys#get_status-1
    """

    def look(process: ServerProcess) -> Status:
        return status_of(process, state=process.state, messages=recent_of(process))

    status: Status = await ask_system(server_of(target), look)
    return status


async def replace_state(target: Target, change: Callable[[Any], object]) -> object:
    """Install `change(state)` as the state between two callbacks, and return it.

    change: a plain function. If it raises, the state stays, the server lives, and the error comes here.
    """

    def replace(process: ServerProcess) -> object:
        new = change(process.state)
        if inspect.iscoroutine(new):
            new.close()
            raise InvalidOption("change", change, "a plain function: it runs between two callbacks")
        process.state = new
        return new

    return await ask_system(server_of(target), replace)


async def change_code(target: Target, extra: object = None) -> None:
    """Have a suspended server take its state over into new code: `code_change(state, extra)` gives the new one.

        await axon.suspend(counter)
        ...                                             # replace what the server's class uses
        await axon.change_code(counter, "2.0")
        await axon.resume(counter)

    If `code_change` raises, the old state stays, the server lives, and the error comes here. Raises `NotSuspended` if
    the server runs, since its next message might find half of the new code. https://www.erlang.org/doc/man/sys#change_code-4
    """

    def change(process: ServerProcess) -> None:
        if not process.suspended:
            raise NotSuspended(process.path)
        process.state = process.handle.code_change(process.state, extra)

    await ask_system(server_of(target), change)


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
    process.count_batch()
    return Statistics(
        handled=process.handled,
        queued=process.waiting(),
        pending=len(process.work or ()),
        recent=tuple(map(as_text, status_of(process, messages=recent_of(process)).messages)),
    )


async def stop(target: Target, reason: ExitReason = normal, *, timeout: float | None = None) -> None:
    """End a server in order, and wait until it is gone: `terminate(state, reason)` runs first.

    timeout: seconds to wait, default no limit; then `CallTimeout`, and the server still ends when it can. Raises
    `NoProcess` if nobody is there, and `ServerDied` if it ended with another reason than asked for.
    https://www.erlang.org/doc/man/gen_server#stop-3
    """
    if timeout is None and reason is normal and is_server(target):
        # An idle server that nobody has to be told of, stopped by a plain coroutine: most that are (0.4 of 1.1 µs).
        slot = target._axon_slot
        home = None if slot is None or here.get() is not slot.runtime else slot.runtime
        if slot is not None and home is not None and home.gate._is_owned():
            idle = slot.process
            if idle is not None and idle.calm and not idle.busy and home.in_place:
                if not home.take_in_place():
                    await turn()
                elif idle.ends_alone():
                    return
    if reason is not normal:
        checked(reason)
    sender = running.get()
    if sender is not None:
        sender.refuse_if_dead()
    limit = None if timeout is None else checked_seconds(timeout, "timeout")
    server = slot_of(target).process if is_server(target) else find(target, runtime())
    if server is None:
        raise NoProcess(target if isinstance(target, str) else repr(target))
    if not isinstance(server, ServerProcess):
        raise _no_server(server)
    home = server.runtime
    if not server.busy and home.in_place and not home.take_in_place():
        await asyncio.sleep(0)
    in_place = server.calm and not server.busy and home.in_place
    if in_place and sender is None:  # a plain coroutine makes no edge
        server.stop_in_place(reason)
    if server.reason is None:
        due = deadline_at.get()
        with WaitEdge(sender, server, limit, due):
            if not in_place:
                server.stop_soon(reason)
            elif sender is not None:
                server.stop_in_place(reason)
            if server.reason is None:
                await _wait_for(server, limit, due)
    ended = server.reason
    if ended is not reason and ended != reason:
        raise ServerDied(server.path, ended)


async def _wait_for(server: ServerProcess, limit: float | None, due: float | None) -> None:
    try:
        async with asyncio.timeout(limit) if due is None else asyncio.timeout_at(due):
            await wait_down(server)
    except TimeoutError:
        raise CallTimeout(server.path, limit or 0.0) if due is None else DeadlineExceeded(server.path) from None
