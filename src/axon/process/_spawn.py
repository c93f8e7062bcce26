"""The inbox loop: a coroutine function as a process, which receives for itself."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Literal, ParamSpec

from ..errors import InvalidOption, NoProcess, NotInProcess
from ._context import acting, here, running
from ._letters import Letter, short
from ._messages import Timeout
from ._monitor import Monitor, monitor
from ._name import Via
from ._process import Process, Target, connect, find
from ._reason import ExitReason, Stop, is_clean, normal
from ._runtime import Runtime, runtime, sending
from ._timers import Timer, checked_seconds

P = ParamSpec("P")
_NAME = (str, Via)  # as `str | Via` in isinstance, which takes 250 ns


class TaskProcess(Process):
    """A process that is a coroutine function: it has a task from the start and takes its mail with `receive`."""

    __slots__ = ("_burst", "_seen", "_started", "_waiter", "mailbox")
    task: asyncio.Task[None] | None  # said again, so that every checker infers the same for what is assigned here

    def __init__(self, runtime: Runtime, parent: Process | None, label: str, body: Coroutine[Any, Any, object]) -> None:
        super().__init__(runtime, parent, label)
        self.mailbox: deque[object] | None = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._started = False
        self._burst = runtime.burst
        self._seen = 0  # messages that the present `receive` has looked at and left
        self.task = runtime.start_task(self._main(body), self.own_context(), label)
        # A task that is cancelled before its first step never enters its body (rule Z4), so this one looks after it.
        self.task.add_done_callback(lambda task: self._never_started(body))

    async def _main(self, body: Coroutine[Any, Any, object]) -> None:
        self._started = True
        reason: ExitReason = normal
        try:
            await body
        except Stop as stop:
            reason = stop.reason
        except BaseException as error:
            reason = error
        asked = self.exit_requested
        if asked is not None and (
            reason is normal or isinstance(reason, asyncio.CancelledError) or not is_clean(asked)
        ):  # what stays is the failure of a cleanup on the way to an orderly end
            reason = asked
        self.die(reason)

    def _never_started(self, body: Coroutine[Any, Any, object]) -> None:
        if not self._started:
            body.close()
            self.die(asyncio.CancelledError() if self.exit_requested is None else self.exit_requested)

    @property
    def runs_user_code(self) -> bool:
        return self._started

    def request_exit(self, reason: ExitReason) -> None:
        super().request_exit(reason)
        if not self._started and self.task is not None:
            self.task.cancel()

    def deliver(self, message: object) -> None:
        if self.mailbox is None:
            return
        self.mailbox.append(message)
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def waiting(self) -> int:
        return len(self.mailbox or ())

    def take_back(self, unwanted: Callable[[object], bool]) -> None:
        if self.mailbox:
            kept = [message for message in self.mailbox if not unwanted(message)]
            self.mailbox.clear()
            self.mailbox.extend(kept)
        self._seen = 0

    def discard(self) -> None:
        self.mailbox = None

    async def receive(self, timeout: float | None, match: Callable[[object], bool] | None) -> object:
        deadline = None if timeout is None else self.runtime.loop.time() + timeout
        self._seen = 0
        self._burst -= 1
        if self._burst <= 0:
            self._burst = self.runtime.burst
            await asyncio.sleep(0)
        while True:
            if self.exit_requested is not None and self.reason is None:
                self.die(self.exit_requested)
                raise asyncio.CancelledError(f"{self.path} has to end, and its first cancellation was swallowed")
            mailbox = self.mailbox
            if mailbox is None:
                await asyncio.sleep(0)  # for everybody else's sake, should the caller try again for ever
                self.refuse_if_dead()
                raise AssertionError("a live process has a mailbox")
            if match is None and mailbox:
                return mailbox.popleft()
            for index in range(self._seen, len(mailbox)):
                if match is not None and match(mailbox[index]):
                    message = mailbox[index]
                    del mailbox[index]
                    return message
            self._seen = len(mailbox)
            await self._mail(deadline)

    async def _mail(self, deadline: float | None) -> None:
        loop = self.runtime.loop
        self._burst = self.runtime.burst
        self._waiter = waiter = loop.create_future()
        timer: Timer | None = None
        if deadline is not None:
            timer = self.runtime.timers.after(max(0.0, deadline - loop.time()), _time_out, waiter)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                self.runtime.timers.cancel(timer)


def _time_out(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError("no matching message came in time"))


def _spawn(
    fn: Callable[P, Coroutine[Any, Any, object]], linked: bool, /, *args: P.args, **kwargs: P.kwargs
) -> TaskProcess:
    home = runtime()
    parent = running.get()
    if parent is not None:
        parent.refuse_if_dead()
    if linked:
        acting("spawn_link")
    body = fn(*args, **kwargs) if callable(fn) else None
    if not asyncio.iscoroutine(body):
        raise InvalidOption("fn", fn, "a coroutine function (async def)")
    label = f"{getattr(fn, '__name__', 'process')}#{home.next_serial()}"
    process = TaskProcess(home, parent, label, body)
    if linked and parent is not None:
        connect(parent, process)
    return process


def spawn(fn: Callable[P, Coroutine[Any, Any, object]], /, *args: P.args, **kwargs: P.kwargs) -> Process:
    """Run `fn(*args, **kwargs)` as a new process, in a fresh context; it takes its messages with `receive`.

    The process ends `normal` when the function returns, with the reason of a `Stop` that it raises, and with any
    other exception itself. For a server with requests and answers use `GenServer`; this is the floor below.
    https://www.erlang.org/doc/man/erlang#spawn-1
    """
    return _spawn(fn, False, *args, **kwargs)


def spawn_link(fn: Callable[P, Coroutine[Any, Any, object]], /, *args: P.args, **kwargs: P.kwargs) -> Process:
    """As `spawn`, linked to the calling process in the same step."""
    return _spawn(fn, True, *args, **kwargs)


def spawn_monitor(
    fn: Callable[P, Coroutine[Any, Any, object]], /, *args: P.args, **kwargs: P.kwargs
) -> tuple[Process, Monitor]:
    """As `spawn`, monitored by the calling process in the same step."""
    acting("spawn_monitor")
    process = _spawn(fn, False, *args, **kwargs)
    return process, monitor(process)


async def receive(*, timeout: float | None = None, match: Callable[[object], bool] | None = None) -> object:
    """The next message of the calling process, which must have been made with `spawn`.

    timeout: seconds to wait, then `TimeoutError`; None (default) waits without limit. match: take the first
    message it accepts and leave the others in place (selective receive). Not for servers: their messages come to
    their handlers. https://www.erlang.org/doc/system/expressions.html#receive
    """
    me = running.get()
    if me is None:
        raise NotInProcess("receive")
    if not isinstance(me, TaskProcess) or asyncio.current_task() is not me.task:
        raise InvalidOption("receive", me, "called in the own task of a process made with spawn")
    return await me.receive(None if timeout is None else checked_seconds(timeout, "timeout"), match)


def send(target: Target, message: object) -> None:
    """Put a message into the mailbox of `target`, and return at once.

    A dead process and one whose mailbox is at its limit get nothing: the message goes to the dead letters. An unknown name raises `NoProcess`.
    https://www.erlang.org/doc/man/erlang#send-2
    """
    home = runtime()
    sender = running.get()
    if sender is not None:
        sender.refuse_if_dead()
    process = find(target, home)
    if process is None:
        if isinstance(target, str | Via):
            raise NoProcess(str(target))
        path = target.path if isinstance(target, Process) else repr(target)
        undelivered(home, path, target, message, "no process")
    elif process.is_full():
        undelivered(home, process.path, target, message, "mailbox full")
    else:
        process.deliver(message)


def undelivered(
    home: Runtime, path: str, target: Target, message: object, why: Literal["no process", "mailbox full"]
) -> None:
    """A plain message that nobody took becomes a dead letter."""
    home.dead_letter(
        path,
        why,
        partial(getattr(target, "__axon_text__", short), message),
        lambda: Letter(path=path, message=message, why=why, send_again=lambda: send(target, message)),
    )


def send_after(seconds: float, target: Target, message: object) -> Timer:
    """Send `message` to `target` once, `seconds` from now at the earliest; 0 is the next turn of the loop.

    A name is looked up when the timer fires. The timer outlives its creator, not its target.
    https://www.erlang.org/doc/man/erlang#send_after-3
    """
    home = here.get().sends_in
    if home is None or not home.gate._is_owned() or not home.loop.is_running():
        home = sending().runtime  # asked without its frame before: 35 ns
    if type(seconds) is not float or not seconds >= 0:
        seconds = checked_seconds(seconds, "seconds")
    if isinstance(target, _NAME):
        return home.timers.after(seconds, _send_to_name, target, message)
    owner = find(target, home)
    if owner is None:
        return home.timers.fired()  # it was aimed at a process that has ended
    return home.timers.send(seconds, owner, message)


def start_timer(seconds: float, target: Target, message: object) -> Timer:
    """As `send_after`, but what arrives is `Timeout(timer, message)`, so that a stale one can be told apart."""
    timer = send_after(seconds, target, message)
    if timer.is_pending:
        stamped = Timeout(timer, message)
        timer._what = (target, stamped) if timer.target is None else stamped
    return timer


def _send_to_name(target: Target, message: object) -> None:
    process = find(target, runtime())
    if process is not None:
        process.deliver(message)


def cancel_timer(timer: Timer) -> float | None:
    """Seconds that were left, or None if it had fired (its message may be in the mailbox), was cancelled, or its
    target has ended.
    """
    if not isinstance(timer, Timer):
        raise _no_timer(timer)
    timers = runtime().timers
    left = timers.left(timer)
    if left is not None:
        timers.cancel(timer)
    return left


def read_timer(timer: Timer) -> float | None:
    """Seconds until the timer fires, or None if it has fired, was cancelled, or its target has ended."""
    if not isinstance(timer, Timer):
        raise _no_timer(timer)
    return runtime().timers.left(timer)


def _no_timer(value: object) -> InvalidOption:
    return InvalidOption("timer", value, "what send_after or start_timer returned")
