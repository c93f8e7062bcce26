"""Starting a server: the starter waits for `init`, and has either a handle or the reason why there is none."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from ..errors import Ignored, InvalidOption, NameTaken, NotInProcess, NotStarted, StartFailed
from ..process import ExitReason, Process, checked_seconds, connect, killed, running, runtime
from ._genserver import GenServer, bound, check_at_start, is_server, is_server_class
from ._process import ServerProcess
from ._request import WaitEdge
from ._send import SLOT
from ._slot import Slot

G = TypeVar("G", bound=GenServer[Any])


def checked_spec(spec: object, option: str) -> GenServer[Any]:
    """`spec` if it is one that can be started."""
    if is_server_class(spec):
        raise InvalidOption(option, spec, f"an instance: {spec.__name__}(...)")
    if not is_server(spec):
        raise InvalidOption(option, spec, "an instance of a GenServer class")
    if SLOT in spec.__dict__:
        raise InvalidOption(option, spec, "a spec, not a running server (dataclasses.replace makes a spec of one)")
    check_at_start(spec)
    return spec


def checked_limit(limit: object) -> int | None:
    """`mailbox=` as None or an int >= 1."""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise InvalidOption("mailbox", limit, "None or a number of messages >= 1")
    return limit


def checked_name(name: object, option: str = "name") -> str | None:
    """`name=` as None or a text that is not empty."""
    if name is not None and (not isinstance(name, str) or not name):
        raise InvalidOption(option, name, "a text that is not empty")
    return name


def launch(
    handle: GenServer[Any],
    slot: Slot,
    parent: Process | None,
    *,
    linked: bool,
    name: str | None = None,
    limit: int | None = None,
    reported: bool = False,
) -> ServerProcess:
    """Make the process, its link and its name in one step, and run its `init` as far as it is plain."""
    holder = None if name is None else slot.runtime.names.get(name)
    if name is not None and holder is not None:
        raise NameTaken(name, holder.path, slot.label if parent is None else f"{parent.path}/{slot.label}")
    process = ServerProcess(handle, slot, parent, parent if linked else None)
    process.limit, process.reported = limit, reported
    if name is not None:
        slot.runtime.names[name] = process
        process.name = name
    if linked and parent is not None:
        connect(parent, process)
    slot.process, slot.gave_up = process, None
    process.begin()
    return process


async def started(process: ServerProcess, timeout: float | None = None, *, given_up: ExitReason = killed) -> None:
    """Wait until `init` is done; raises `StartFailed` or `Ignored` if it did not start.

    A start that is not waited for any more is ended with the reason `given_up`.
    """
    if process.phase == "init" and process.reason is None:
        process.ack = process.runtime.loop.create_future()
        limit = asyncio.timeout(timeout)
        try:
            with WaitEdge(running.get(), process):
                async with limit:
                    await process.ack
        except BaseException as error:
            if process.phase == "init" and process.reason is None:
                if isinstance(error, TimeoutError) and limit.expired():
                    late = TimeoutError(f"init took longer than {timeout:g} s")
                    process.outcome = StartFailed(process.path, late)
                process.request_exit(given_up)
                if process.name is not None and process.runtime.names.get(process.name) is process:
                    del process.runtime.names[process.name]  # free for a retry, however long its end takes
                if process.outcome is not None:
                    raise process.outcome from process.outcome.__cause__
            raise
    if process.outcome is not None:
        raise process.outcome


async def _start(spec: G, linked: bool, name: str | None, timeout: float | None, mailbox: int | None) -> G:
    checked_spec(spec, "spec")
    home, parent = runtime(), running.get()
    if parent is not None:
        parent.refuse_if_dead()
    elif linked:
        raise NotInProcess("start_link", "; in a plain coroutine use start() or a Supervisor block")
    limit = None if timeout is None else checked_seconds(timeout, "timeout")
    label = name or f"{type(spec).__name__}#{home.next_serial()}"
    slot = Slot(home, checked_name(label) or label, None)
    handle = bound(spec, slot)
    process = launch(handle, slot, parent, linked=linked, name=checked_name(name), limit=checked_limit(mailbox))
    await started(process, limit)
    return handle


async def start(spec: G, *, name: str | None = None, timeout: float | None = None, mailbox: int | None = None) -> G:
    """Start one server alone, without a supervisor, and return its handle when `init` is done.

    name: register it under this name, default none. timeout: seconds `init` may take, default no limit.
    mailbox: most messages that may wait, default no limit.

    Raises `StartFailed` with the cause, `Ignored` if `init` raised `Ignore`, `NameTaken`. Nobody restarts it: for a
    server that is to live, use a `Supervisor`. https://www.erlang.org/doc/man/gen_server#start-4
    """
    return await _start(spec, False, name, timeout, mailbox)


async def start_link(
    spec: G, *, name: str | None = None, timeout: float | None = None, mailbox: int | None = None
) -> G:
    """As `start`, linked to the calling process, which becomes its parent: when the parent ends, so does it."""
    return await _start(spec, True, name, timeout, mailbox)


__all__ = ["Ignored", "NotStarted", "launch", "start", "start_link", "started"]
