"""One process: its mailbox, its links and monitors, and its death, which is one synchronous step.

https://www.erlang.org/doc/system/ref_man_processes.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ..errors import InvalidOption, NoProcess, NotPicklable, ProcessDead, WrongLoop
from ..telemetry import ProcessCrashed, ProcessExited, ZombieDeclared
from ._context import NOBODY, here, running
from ._messages import Down, Exit
from ._reason import ExitReason, is_clean, kill, killed, normal
from ._runtime import Runtime

if TYPE_CHECKING:
    from ._monitor import Monitor, Subscription
    from ._name import Name
    from ._timers import Timer

CANCEL_AGAIN = 0.1
"""Seconds between the cancellations of a killed process that does not end."""
KILL_GRACE = 1.0
"""Seconds after which a killed process that still runs is declared dead, and listed as a zombie."""


class Process:
    """A process and its address in one; what a dead one leaves is its address and its exit reason.

    Users get one from `spawn`, `current`, `whereis` or in a `Down`, and only pass it on: every operation is a
    function of `axon`. How it consumes its mailbox is the business of a subclass.
    """

    # A slot for what every process has or is asked at every message; the rest, which few ever need, is in a dict that
    # is made with the first of it, so that an idle process is small, and soon looked at by the garbage collector (15 ns
    # for each slot until it is old).
    __slots__ = (
        "__dict__",
        "__weakref__",
        "_label",
        "calm",
        "context",
        "links",
        "monitors",
        "parent",
        "reason",
        "runtime",
        "sends_in",
        "serial",
        "task",
        "timers",
    )
    monitors: dict[Monitor, None] | None
    timers: set[Timer] | None
    name: Name | None = None
    trap_exit: bool = False
    exit_requested: ExitReason | None = None
    monitoring: set[Subscription] | None = None
    at_death: dict[Callable[[], None], None] | None = None

    def __init__(self, runtime: Runtime, parent: Process | None, label: str | None) -> None:
        self.runtime: Runtime = runtime
        self.sends_in: Runtime | None = runtime  # None once it is dead: it sends nothing more
        self.parent: Process | None = parent
        self.serial: int = next(runtime.serials)
        self._label: str | None = label
        self.context: Context | None = None
        self.task: asyncio.Task[None] | None = None
        self.calm: bool = False  # nothing but messages is to be looked after
        self.links: dict[Process, None] | None = None
        self.reason: ExitReason | None = None
        self.monitors = self.timers = None

    # -- what it looks like

    @property
    def label(self) -> str:
        """Its name among the children of its parent; without one, its class and its number."""
        return f"{self.kind}#{self.serial}" if self._label is None else self._label

    @property
    def kind(self) -> str:
        """What it is called if nobody names it."""
        return "process"

    @property
    def path(self) -> str:
        """The labels from the root, joined by `/`."""
        labels: list[str] = []
        process: Process | None = self
        while process is not None:  # a chain of parents has no bound, a recursion would
            labels.append(process.label)
            process = process.parent
        return "/".join(reversed(labels))

    def __repr__(self) -> str:
        return f"<Process {self.serial} {self.path}{'' if self.reason is None else ' ended'}>"

    def __reduce__(self) -> str:
        raise NotPicklable(f"{self!r} is an address in one event loop; send its name instead")

    def __axon_process__(self) -> Process | None:
        return self

    def own_context(self) -> Context:
        """The context in which all its code runs: https://docs.python.org/3/library/contextvars.html

        An idle server has none as long as none of its callbacks has left anything there.
        """
        context = self.context
        if context is None:
            context = self.context = Context()
            context.run(running.set, self)
        return context

    # -- what a subclass says about how it runs

    def deliver(self, message: object) -> None:
        """Put a message into the mailbox, and see that the process runs."""
        raise NotImplementedError

    def deliver_all(self, messages: list[object]) -> None:
        """Put messages into the mailbox, in this order."""
        for message in messages:
            self.deliver(message)

    def waiting(self) -> int:
        """How many messages wait in the mailbox."""
        raise NotImplementedError

    def take_back(self, unwanted: Callable[[object], bool]) -> None:
        """Remove from the mailbox the messages that are not wanted any more."""
        raise NotImplementedError

    @property
    def runs_user_code(self) -> bool:
        """Whether user code is on the stack or suspended, so that an exit has to interrupt it first."""
        raise NotImplementedError

    def discard(self) -> None:
        """Called once at death, to see to what was left in the mailbox."""
        raise NotImplementedError

    def is_full(self) -> bool:
        """Whether the mailbox has a limit and is at it: what others send is refused then."""
        return False

    def shown(self, reason: ExitReason) -> tuple[object, tuple[str, ...]]:
        """What the report of a crash shows: the reason, and as text what the process handled last."""
        return reason, ()

    def ends_quietly(self, reason: ExitReason) -> bool:
        """Whether there is nothing to be logged of its end."""
        return is_clean(reason)

    def report(self, reason: ExitReason) -> None:
        """Tell whoever listens that the process ended; a supervised server's crash is its supervisor's to report.

        Not called where nobody does.
        """
        bus = self.runtime.bus
        if bus.wants(ProcessExited):
            bus.emit(ProcessExited(path=self.path, reason=reason))
        if not is_clean(reason):
            self.report_crash(reason, "none: it has no supervisor and stays down")

    def report_crash(self, reason: ExitReason, decision: str) -> None:
        """One event per crash, with what is done about it."""
        if self.runtime.bus.wants(ProcessCrashed):
            shown, messages = self.shown(reason)
            self.runtime.bus.emit(
                ProcessCrashed(path=self.path, reason=shown, decision=decision, last_messages=messages)
            )

    # -- exit signals

    def refuse_if_dead(self) -> None:
        """Raise if this process was declared dead: a zombie sends nothing."""
        if self.reason is not None:
            raise ProcessDead(self.path, self.reason)

    def receive_exit(self, sender: Process | None, reason: ExitReason, linked: bool = False) -> None:
        """An exit signal arrives: the matrix of https://www.erlang.org/doc/system/ref_man_processes.html#signals."""
        if self.reason is not None:
            return
        if linked and self.links is not None and sender is not None:
            self.links.pop(sender, None)
        if not linked and reason == kill:
            self.request_exit(killed)
        elif self.trap_exit:
            self.deliver(Exit(sender, reason))
        elif reason != normal or sender is self:
            self.request_exit(reason)

    def request_exit(self, reason: ExitReason) -> None:
        """End this process with `reason`: at once if no user code runs, otherwise by cancelling that code.

        Only `killed` may follow an earlier request, and only it insists: a second cancel would abort a `finally`
        that awaits, so an orderly exit sends one.
        """
        if self.reason is not None or (self.exit_requested is not None and reason != killed):
            return
        again = self.exit_requested == killed
        self.exit_requested = reason
        self.calm = False
        if not self.runs_user_code:
            self.die(reason)
        elif self.task is not None:
            self.cancel_task()
            if reason == killed and not again:
                self._insist(KILL_GRACE)

    def cancel_task(self) -> None:
        """Interrupt the code that runs."""
        if self.task is not None:
            self.task.cancel()

    def _insist(self, left: float) -> None:
        self.runtime.timers.after(CANCEL_AGAIN, self._cancel_again, left - CANCEL_AGAIN)

    def _cancel_again(self, left: float) -> None:
        if self.reason is not None or self.task is None:
            return
        if left > CANCEL_AGAIN / 2:
            self.task.cancel()
            self._insist(left)
            return
        task, zombies = self.task, self.runtime.zombies
        zombies[self] = task
        task.add_done_callback(lambda _: zombies.pop(self, None))
        if self.runtime.bus.wants(ZombieDeclared):
            self.runtime.bus.emit(ZombieDeclared(path=self.path, grace=KILL_GRACE))
        self.die(killed)

    # -- death

    def on_death(self, release: Callable[[], None], *, first: bool = False) -> None:
        """Call `release()` in the step in which this process ends, in the order asked; `first`, before all others.

        It must not raise: that would break the step.
        """
        if first:
            self.at_death = {release: None, **(self.at_death or {})}
        elif self.at_death is None:
            self.at_death = {release: None}
        else:
            self.at_death[release] = None

    def forget_on_death(self, release: Callable[[], None]) -> None:
        """Take back what `on_death` was told, if it has not happened."""
        if self.at_death is not None:
            self.at_death.pop(release, None)

    def die(self, reason: ExitReason) -> None:
        """The one step in which a process ends: marked dead, name free, `Exit` to links, `Down` to monitors."""
        if self.reason is not None:
            return
        self.reason = reason
        calm, self.calm, self.sends_in = self.calm, False, None
        runtime = self.runtime
        name = self.name
        if name is not None and isinstance(name, str) and runtime.names.get(name) is self:
            del runtime.names[name]
        if self.at_death is not None:
            releases, self.at_death = self.at_death, None
            for release in releases:
                release()
        quiet = (calm and reason is normal) or self.ends_quietly(reason)
        if runtime.is_watched(quiet and not self.waiting()):
            copy_context().run(self._tell_watchers, reason)
        else:
            self.discard()
        if self.links is not None:
            links, self.links = self.links, None
            for peer in links:
                runtime.signal(peer.receive_exit, self, reason, True)
        if self.monitors is not None:
            monitors, self.monitors = self.monitors, None
            for monitor in monitors:
                runtime.signal(monitor.fire, reason)
        if self.monitoring is not None:
            for subscription in self.monitoring:
                subscription.drop()
            self.monitoring = None
        if self.timers is not None:
            timers, self.timers = self.timers, None
            for timer in timers:
                runtime.timers.cancel(timer)
        if reason is not normal and isinstance(reason, KeyboardInterrupt):
            runtime.interrupted(reason)

    def _tell_watchers(self, reason: ExitReason) -> None:
        running.set(None)  # who passes the news on does so in nobody's name, since the dead send nothing
        here.set(NOBODY)
        self.report(reason)
        self.discard()


def connect(a: Process, b: Process) -> None:
    """Link two live processes; a second time changes nothing."""
    a.links = {} if a.links is None else a.links
    b.links = {} if b.links is None else b.links
    a.links[b] = b.links[a] = None


def disconnect(a: Process, b: Process) -> None:
    """Remove the link between two processes, if there is one."""
    if a.links is not None:
        a.links.pop(b, None)
    if b.links is not None:
        b.links.pop(a, None)


class Address(Protocol):
    """Whatever leads to a process: a `Process`, or the handle of a server."""

    def __axon_process__(self) -> Process | None: ...


Target: TypeAlias = Address | str
"""An address, or the name that a process is registered under."""


def find(target: Target, runtime: Runtime) -> Process | None:
    """The live process behind a target, or None."""
    ask: Callable[[object], Process | None] | None = getattr(type(target), "__axon_process__", None)
    if ask is not None:
        process = ask(target)
    elif isinstance(target, str):
        process = runtime.names.get(target)
    else:
        raise InvalidOption("target", target, "a process, a handle or a registered name")
    if process is None or process.reason is not None:
        return None
    if process.runtime is not runtime:
        raise WrongLoop(
            f"{process!r} belongs to another event loop or thread; from a thread use axon.from_thread.call or .cast"
        )
    return process


def need(target: Target, runtime: Runtime) -> Process:
    """The live process behind a target; `NoProcess` otherwise."""
    process = find(target, runtime)
    if process is None:
        raise NoProcess(target if isinstance(target, str) else repr(target))
    return process


__all__ = ["Address", "Down", "Process", "Target", "connect", "disconnect", "find", "need"]
