"""Starting a server: the starter waits for `init`, and has either a handle or the reason why there is none."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from ..errors import Ignored, InvalidOption, NotInProcess, NotStarted, StartFailed
from ..process import (
    ExitReason,
    Name,
    Process,
    Runtime,
    Via,
    checked_seconds,
    claim,
    here,
    killed,
    release,
    running,
    sending,
)
from ._genserver import GenServer, bound, check_at_start, is_server, is_server_class
from ._process import ServerProcess
from ._send import SLOT
from ._slot import LIMITED, Slot
from ._waits import WaitEdge

G = TypeVar("G", bound=GenServer[Any])


def checked_spec(spec: object, option: str) -> GenServer[Any]:
    """`spec` if it is one that can be started."""
    if is_server(spec) and spec._axon_slot is None and type(spec).__axon_checked__:
        return spec
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


def checked_registration(name: object) -> Name | None:
    """`name=` of a process as None, a text that is not empty, or a name of another registry."""
    if name is None or (isinstance(name, str) and name) or isinstance(name, Via):
        return name
    raise InvalidOption("name", name, "a text that is not empty, or a name of a registry")


def launch(
    handle: GenServer[Any],
    slot: Slot,
    parent: Process | None,
    linked: bool,
    name: Name | None = None,
    *,
    limit: int | None = None,
) -> ServerProcess:
    """Make the process, its link and its name in one step, and run its `init` as far as it is plain."""
    process = ServerProcess(handle, slot, parent, parent if linked else None)
    if limit is not None:
        process.limit, slot.open_to = limit, LIMITED
    if name is not None:
        claim(name, process)
    if linked and parent is not None:
        process.links, links = {parent: None}, parent.links  # as `connect`, of one that has no links yet
        if links is None:
            parent.links = {process: None}
        else:
            links[process] = None
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
            with WaitEdge(running.get(), process, timeout):
                async with limit:
                    await process.ack
        except BaseException as error:
            if process.phase == "init" and process.reason is None:
                if isinstance(error, TimeoutError) and limit.expired():
                    late = TimeoutError(f"init took longer than {timeout:g} s")
                    process.outcome = StartFailed(process.path, late)
                process.request_exit(given_up)
                release(process)  # its name is free for a retry, however long its end takes
                if process.outcome is not None:
                    raise process.outcome from process.outcome.__cause__
            raise
    if process.outcome is not None:
        raise process.outcome


def _launched(spec: G, linked: bool, name: Name | None, mailbox: int | None) -> tuple[G, ServerProcess]:
    checked_spec(spec, "spec")
    starter = sending()
    home, parent = starter.runtime, None
    if isinstance(starter, Process):
        parent = starter
    elif linked:
        raise NotInProcess("start_link", "; in a plain coroutine use start() or a Supervisor block")
    if name is not None:
        checked_registration(name)
    limit = None if mailbox is None else checked_limit(mailbox)
    slot = Slot(home, None if name is None else str(name))
    handle = bound(spec, slot)
    return handle, launch(handle, slot, parent, linked=linked, name=name, limit=limit)


async def start(spec: G, *, name: Name | None = None, timeout: float | None = None, mailbox: int | None = None) -> G:
    """Start one server alone, without a supervisor, and return its handle when `init` is done.

    name: register it under this name, a text or a registry's `via(key)`, default none. timeout: seconds `init` may take, default no limit.
    mailbox: most messages that may wait, default no limit.

    Raises `StartFailed` with the cause, `Ignored` if `init` raised `Ignore`, `NameTaken`. Nobody restarts it: for a
    server that is to live, use a `Supervisor`. https://www.erlang.org/doc/man/gen_server#start-4
    """
    limit = None if timeout is None else checked_seconds(timeout, "timeout")
    home = here.get()
    if (
        name is None
        and mailbox is None
        and type(home) is Runtime
        and home.gate._is_owned()
        and isinstance(spec, GenServer)
        and spec._axon_slot is None
        and type(spec).__axon_checked__
    ):
        # As `_launched` and `launch`, by a plain coroutine that wants no more (0.3 µs less).
        slot = Slot(home, None)
        handle = bound(spec, slot)
        slot.process = process = ServerProcess(handle, slot, None, None)
        process.begin()
    else:
        handle, process = _launched(spec, False, name, mailbox)
    if process.phase == "init" or process.outcome is not None:
        await started(process, limit)
    return handle


async def start_link(
    spec: G, *, name: Name | None = None, timeout: float | None = None, mailbox: int | None = None
) -> G:
    """As `start`, linked to the calling process, which becomes its parent: when the parent ends, so does it."""
    limit = None if timeout is None else checked_seconds(timeout, "timeout")
    handle, process = _launched(spec, True, name, mailbox)
    if process.phase == "init" or process.outcome is not None:
        await started(process, limit)
    return handle


__all__ = ["Ignored", "NotStarted", "launch", "start", "start_link", "started"]
