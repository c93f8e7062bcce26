"""What the processes of one event loop share: the run queue, names, timers, and the list of zombies."""

from __future__ import annotations

import asyncio
import itertools
from asyncio.events import _get_running_loop  # the public one raises where there is none
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from threading import RLock, get_ident
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

from ..errors import WrongLoop
from ..telemetry import Bus, DeadLetter, bus
from ._context import Nobody, here, running
from ._step import FirstSteps
from ._timers import TimerHeap

if TYPE_CHECKING:
    from ._letters import Letter, Why
    from ._process import Process

SLICE = 0.001
"""Seconds the run queue may hold the loop before it goes round (fairness, measured: p99 gaps of 1.1 ms)."""
TURNS = 128
"""Turns after which the loop goes round in any case, since a virtual clock stands still meanwhile."""


BURST = 64
"""Messages a process handles in its turn before the others have theirs."""
IN_PLACE = 128
"""Plain calls answered in place before the loop goes round, or half as many of others: these take twice as long, and
those with coroutines nest (measured: gaps of 50 µs, 25 ns a call)."""


class Runnable(Protocol):
    """What the run queue serves: something with mail."""

    context: Context | None

    def own_context(self) -> Context:
        """`context`, made if there is none yet."""
        ...

    def run(self) -> None:
        """Serve what waits; called in the context."""


class Share(Protocol):
    """Of a turn of the loop."""

    def release(self) -> None:
        """Take one; raises `RuntimeError` if none is left."""


class Gate(Share, Protocol):
    """A lock that tells whether the thread that asks owns it, and that can be owned many times at once;
    `threading.Condition` relies on both, too.
    """

    def acquire(self) -> bool: ...
    def _is_owned(self) -> bool: ...
    def _acquire_restore(self, state: tuple[int, int], /) -> None: ...


class Runtime:
    """One per event loop, made at first use. Reach it with `runtime()`."""

    reason: ClassVar[None] = None  # as of a process: it never ends
    in_place: bool
    gate: Gate
    share: Share

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.runtime: Runtime = self  # as of a process
        self.sends_in: Runtime = self
        self.thread: int = 0
        self.bus: Bus = bus(loop)
        self.bus.on_tracer = self._set_gate
        self.names: dict[str, Process] = {}
        self.zombies: dict[Process, asyncio.Task[None]] = {}
        self.dead_letters: int = 0
        self.collectors: dict[object, Callable[[Letter], None]] = {}
        self.timers: TimerHeap = TimerHeap(loop, self._serve_after)
        self.interrupts: dict[object, Callable[[KeyboardInterrupt], None]] = {}
        self.waits: dict[Process, Any] = {}
        """Who waits, and for whom: an edge of the server room."""
        self.trees: dict[Process, None] = {}  # the live supervisors at the top, of blocks and of programs
        self.blocks: dict[object, list[object]] = {}
        self.scopes: dict[str, object] = {}  # of process groups, which are kept a room above
        self.ends: dict[asyncio.Task[Any], dict[Callable[[], None], None]] = {}  # what ends with a plain coroutine
        self.serials: itertools.count[int] = itertools.count(1)
        self.ready: deque[Runnable] = deque()
        self.armed: bool = False  # whether the loop is told that there are some
        self.lent: list[Any] = []  # tasks that belong to nobody yet, of a room above
        self.spawner: object = None  # of child processes, which is kept in a room above
        self.first_steps: FirstSteps = FirstSteps(loop)
        self._signals: deque[tuple[Callable[..., None], tuple[object, ...]]] = deque()
        self._delivering = False
        self._context = Context()
        self.has_deadlines: bool = False
        self.cancel_grace: float = 5.0
        """Seconds after its cancellation in which work may clean up before it is told of."""
        self.enter_thread()
        self.burst: int = BURST
        self.in_place = True
        """Whether what need not wait is done on the spot: answers of idle servers, first steps of coroutines."""

    def enter_thread(self) -> None:
        """The loop runs in this thread."""
        self.thread = get_ident()
        # Owned by this thread as long as a request needs nothing but to be queued. To ask it is two questions in one:
        # 8 ns instead of 30 for `get_ident() == self.thread`.
        self.gate = cast("Gate", RLock())
        # Owned once for each call that may still be answered on the spot before the loop goes round. To release it is to
        # ask for the gate and to count, 9 ns instead of 27; who may not, because either has come to its end, gets an error.
        self._share = cast("Gate", RLock())
        self.share = self._share
        self.deal()
        self._set_gate()

    def expect_deadlines(self) -> None:
        """`deadline` is used: until it was nobody looks for one."""
        self.has_deadlines = True
        self._set_gate()

    def _set_gate(self) -> None:
        is_open = not self.has_deadlines and self.bus.tracer is None
        if is_open == self.gate._is_owned() or get_ident() != self.thread:
            return
        if is_open:
            self.gate.acquire()
            self.share = self._share
        else:
            self.gate.release()
            self.share = self.gate

    def next_serial(self) -> int:
        """A number that no other process of this loop has."""
        return next(self.serials)

    def take_in_place(self) -> bool:
        """Whether one more request, of which nothing else is known, may be handled in its sender's turn."""
        try:
            self._share.release()
            self._share.release()
        except RuntimeError:
            self.deal()
            return False
        return True

    def deal(self) -> None:
        """The loop goes round: what is done on the spot has a whole share of its turn again."""
        if not self._share._is_owned():
            self._share._acquire_restore((IN_PLACE, self.thread))

    def start_task(self, body: Coroutine[Any, Any, None], context: Context, name: str) -> asyncio.Task[None]:
        """A task that takes its first step in a later turn, whatever task factory the program has set: an eager one
        would run it here, before anybody knows of it.
        """
        return asyncio.Task(body, loop=self.loop, name=name, context=context)

    def wake(self, runnable: Runnable) -> None:
        """Queue something that has mail; one loop callback serves all that are queued."""
        self.ready.append(runnable)
        if not self.armed:
            self.arm()

    def arm(self) -> None:
        """Have those served that are ready."""
        self.armed = True
        self.loop.call_soon(self._serve, context=self._context)

    def _serve(self) -> None:
        ready, time = self.ready, self.timers.time
        end = time() + SLICE
        try:
            for _ in range(TURNS if ready else 0):
                runnable = ready.popleft()
                context = runnable.context
                if context is None:
                    context = runnable.own_context()
                context.run(runnable.run)
                if not ready or time() > end:
                    break
        finally:
            if ready:
                self.loop.call_soon(self._serve, context=self._context)
            else:
                self.armed = False

    def _serve_after(self, deliver: Callable[[], None]) -> None:
        """Call `deliver`, and serve those who have mail then in this turn of the loop and not in another, which is 0.9
        of 7.5 µs for a timer that fires alone.
        """
        if self.armed or not self.in_place:
            deliver()
            return
        self.armed = True
        try:
            deliver()
        finally:
            self._serve()

    def signal(self, deliver: Callable[..., None], *args: object) -> None:
        """Deliver a signal after those that are under way, so that a chain of deaths needs no recursion."""
        if self._delivering:
            self._signals.append((deliver, args))
            return
        self._delivering = True
        try:
            deliver(*args)
            while self._signals:
                deliver, args = self._signals.popleft()
                deliver(*args)
        finally:
            self._delivering = False

    def dead_letter(self, path: str, why: Why, text: Callable[[], str], letter: Callable[[], Letter]) -> None:
        """Count a message that nobody took; it is made into a text or a letter only for those who want one."""
        self.dead_letters += 1
        if self.bus.wants(DeadLetter):
            self.bus.emit(DeadLetter(path=path, text=text(), why=why))
        if self.collectors:
            lost = letter()
            for collect in list(self.collectors.values()):
                collect(lost)

    def is_watched(self, quiet: bool) -> bool:
        """Whether anybody may be told of a process's end, or of the messages that it leaves.

        quiet: it leaves none and did not crash, so that there is nothing to log.
        """
        return bool(self.collectors or self.bus.listeners) or (not quiet and self.bus.is_logged())

    def serve_now(self, runnable: Runnable) -> None:
        """Let something with mail have its turn now instead of in the loop's next one, if nobody else waits for his:
        a server that has crashed in its caller's turn is restarted in this one.
        """
        ready = self.ready
        if len(ready) == 1 and ready[0] is runnable:
            ready.clear()
            runnable.own_context().run(runnable.run)

    def interrupted(self, error: KeyboardInterrupt) -> None:
        """Ctrl-C was raised inside a process: end the programs of this loop in order (rule Z7)."""
        for stop in tuple(self.interrupts.values()):
            stop(error)


_ATTRIBUTE = "_axon_runtime"


def runtime() -> Runtime:
    """The runtime of the running event loop, made at first use and kept on the loop itself."""
    known = here.get().runtime
    if known is not None and get_ident() == known.thread and known.loop.is_running():
        return known  # asyncio takes twice as long to say which loop runs
    loop = _get_running_loop()
    if loop is None:
        raise WrongLoop("no event loop runs in this thread; from a thread use axon.from_thread.call or .cast")
    found: Runtime | None = getattr(loop, _ATTRIBUTE, None)
    if found is None:
        found = Runtime(loop)
        setattr(loop, _ATTRIBUTE, found)
    return found


def sending() -> Process | Runtime:
    """Who sends from here: the running process, who must be alive, or the runtime; looked up once in each context."""
    sender = here.get()
    home = sender.sends_in
    if home is not None and home.gate._is_owned() and home.loop.is_running() and not isinstance(sender, Nobody):
        return sender  # 10 ns to ask whose thread it is, and not 30
    if isinstance(sender, Nobody) or get_ident() != sender.runtime.thread or not sender.runtime.loop.is_running():
        sender = running.get() or runtime()
        here.set(sender)
    if sender.reason is not None:
        sender.refuse_if_dead()
    return sender
