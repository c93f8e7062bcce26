"""Links and monitors: who hears of a death, and how.

https://www.erlang.org/doc/system/ref_man_processes.html#links
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import ClassVar

from ..errors import InvalidOption, NoProcess
from ._context import acting, running
from ._messages import Down, Exit
from ._process import Process, Target, connect, disconnect, find, need
from ._reason import ExitReason, checked, noproc
from ._runtime import runtime

_WAIT_INSTEAD = "; in a plain coroutine, `await axon.wait_down(target)`"


class Subscription(ABC):
    """What sends a process messages until it is dropped, by `demonitor` or because the process ends."""

    __slots__ = ("_watcher",)
    flushes: ClassVar[bool] = False  # whether `demonitor` always removes what has arrived
    _watcher: Process | None

    @abstractmethod
    def drop(self) -> bool:
        """Send nothing any more; whether it was still active."""

    @abstractmethod
    def sent(self, message: object) -> bool:
        """Whether a message is one of its own."""


class Monitor(Subscription):
    """One subscription to one death. `target` is what was given to `monitor()`."""

    __slots__ = ("_process", "target")

    def __init__(self, target: Target, process: Process | None, watcher: Process) -> None:
        self.target: Target = target
        self._process = process
        self._watcher = watcher

    def __repr__(self) -> str:
        return f"<Monitor of {self.target!r}>"

    def fire(self, reason: ExitReason) -> None:
        """Deliver the one `Down`, unless the monitor was removed meanwhile."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None and watcher.reason is None:
            if watcher.monitoring is not None:
                watcher.monitoring.discard(self)
            watcher.deliver(Down(self, self._process, reason))

    def drop(self) -> bool:
        """Stop watching; whether it was still active."""
        active, self._watcher = self._watcher is not None, None
        if self._process is not None and self._process.monitors is not None:
            self._process.monitors.pop(self, None)
        return active

    def sent(self, message: object) -> bool:
        return isinstance(message, Down) and message.monitor is self


class _Waiter(Monitor):
    """A monitor whose `Down` resolves a future: for coroutines that are no process."""

    __slots__ = ("future",)

    def __init__(self, target: Target, process: Process, future: asyncio.Future[Down]) -> None:
        self.target = target
        self._process = process
        self._watcher = None
        self.future: asyncio.Future[Down] | None = future

    def fire(self, reason: ExitReason) -> None:
        future, self.future = self.future, None  # which gets the monitor: a ring
        if future is not None and not future.done():
            future.set_result(Down(self, self._process, reason))


def monitor(target: Target) -> Monitor:
    """Be told of a death: the calling process gets one `Down` when `target` ends, or at once if nobody is there.

    A handle is watched as the incarnation it has now. Each call is a monitor of its own and gives a `Down` of its
    own. Raises `NotInProcess` in a plain coroutine: use `wait_down` there.
    https://www.erlang.org/doc/man/erlang#monitor-2
    """
    watcher = acting("monitor", _WAIT_INSTEAD)
    process = find(target, watcher.runtime)
    made = Monitor(target, process, watcher)
    if process is None:
        made.fire(noproc)
    elif process is watcher:
        made.drop()
    else:
        process.monitors = {} if process.monitors is None else process.monitors
        process.monitors[made] = None
        watcher.monitoring = set() if watcher.monitoring is None else watcher.monitoring
        watcher.monitoring.add(made)
    return made


def demonitor(monitor: Subscription, *, flush: bool = False) -> bool:
    """Stop watching; returns whether the monitor was still active.

    flush: also remove its `Down` from the caller's mailbox, default False. What a monitor of a group has sent is
    always removed.
    """
    watcher = acting("demonitor")
    if not isinstance(monitor, Subscription):
        raise InvalidOption("monitor", monitor, "what monitor() returned")
    active = monitor.drop()
    if watcher.monitoring is not None:
        watcher.monitoring.discard(monitor)
    if flush or monitor.flushes:
        watcher.take_back(monitor.sent)
    return active


async def wait_down(target: Target) -> Down:
    """Wait until `target` has ended; returns its `Down`, with `noproc` at once if nobody is there. For anybody."""
    home = runtime()
    process = find(target, home)
    future: asyncio.Future[Down] = home.loop.create_future()
    if process is None:
        return Down(_Nobody(target), None, noproc)
    waiter = _Waiter(target, process, future)
    process.monitors = {} if process.monitors is None else process.monitors
    process.monitors[waiter] = None
    try:
        return await future
    finally:
        waiter.drop()


class _Nobody(Monitor):
    __slots__ = ()

    def __init__(self, target: Target) -> None:
        self.target = target
        self._process = self._watcher = None


def link(target: Target) -> None:
    """Share fates with `target`: when one ends abnormally the other gets the exit signal, too.

    Linking twice is one link. If nobody is there: an `Exit` with `noproc` when the caller traps exits, otherwise
    `NoProcess` is raised. https://www.erlang.org/doc/man/erlang#link-1
    """
    me = acting("link")
    process = find(target, me.runtime)
    if process is not None:
        if process is not me:
            connect(me, process)
    elif me.trap_exit:
        me.deliver(Exit(target if isinstance(target, Process) else None, noproc))
    else:
        raise NoProcess(target if isinstance(target, str) else repr(target), "cannot link")


def unlink(target: Target) -> None:
    """Remove the link to `target`; no exit signal of it can arrive any more, though an `Exit` may be in the mailbox."""
    me = acting("unlink")
    process = find(target, me.runtime)
    if process is not None:
        disconnect(me, process)


def exit(target: Target, reason: ExitReason) -> None:
    """Send an exit signal: `kill` ends any process, other reasons end one that does not trap exits.

    A dead target is no error. From a plain coroutine, too. https://www.erlang.org/doc/man/erlang#exit-2
    """
    checked(reason)
    sender = running.get()
    if sender is not None:
        sender.refuse_if_dead()
    process = find(target, runtime())
    if process is not None:
        process.runtime.signal(process.receive_exit, sender, reason)


def trap_exit(flag: bool) -> bool:
    """Whether exit signals reach the calling process as `Exit` messages from now on; returns the old value."""
    me = acting("trap_exit")
    old, me.trap_exit = me.trap_exit, flag
    return old


__all__ = ["Monitor", "demonitor", "exit", "link", "monitor", "need", "trap_exit", "unlink", "wait_down"]
