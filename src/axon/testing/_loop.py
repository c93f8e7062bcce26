"""The event loop of a simulation: one seed decides who runs next, time jumps, and there is no outside world.

After FoundationDB's simulation (https://apple.github.io/foundationdb/testing.html) and, for the schedules that favour
some tasks over others, after Burckhardt et al., "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs"
(https://www.microsoft.com/en-us/research/publication/a-randomized-scheduler-with-probabilistic-guarantees-of-finding-bugs/).
"""

from __future__ import annotations

import asyncio
import heapq
import math
import random
import threading
from collections import deque
from collections.abc import Callable
from contextvars import Context
from operator import attrgetter
from typing import Any, NoReturn, TypeAlias, TypeVarTuple, cast
from weakref import ref

from ..errors import UsageError
from ..process import Process, kill, running
from ._choices import Choices
from ._faults import Faults
from ._runtime import SimulatedRuntime
from ._world import World

MOST_STEPS = 1_000_000
"""Steps after which a run is taken for one that never ends."""
CLEANUP_STEPS = 100_000
"""Steps that the cleanup may take after a run that was given up."""
DEMOTION = 1 / 16
"""How often, in a schedule by priority, the one that runs falls behind all others."""

Ts = TypeVarTuple("Ts")

Strand: TypeAlias = "asyncio.Task[Any] | Process | None"
"""Whose step it is: a task's, a process's that has no task, or a callback's; callbacks stay in order among themselves."""


class SimulationStuck(AssertionError):
    """Everybody waits, and no timer will wake anybody: a deadlock, shown with those who wait."""


class SimulationRunsOn(AssertionError):
    """The run did not end within its number of steps."""


class SimulationLoop(asyncio.BaseEventLoop):
    """Made by `simulation()`; see there."""

    # asyncio's own: the handles that are ready, in order, and the heap of timers
    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _stopping: bool

    def __init__(self, choices: Choices, faults: Faults, most_steps: int) -> None:
        super().__init__()
        self.now: float = 0.0
        self.steps: int = 0
        self.kills: list[str] = []
        """The paths of those that were killed as a fault, in order."""
        self.digest: int = 0
        """A number that two runs have in common only if all their decisions were the same."""
        self.choices = choices
        self._faults = faults
        self._most_steps = most_steps
        self._is_over = False
        self._world = World(random.Random(choices.below(2**32)), self.time)
        self._thread = threading.get_ident()
        self._serials: dict[int, int] = {id(None): 0}
        self._strands: dict[int, ref[asyncio.Task[Any] | Process]] = {}
        self._last_serial: int = 0
        self._priorities: dict[int, float] | None = {} if choices.below(2) else None
        self._axon_runtime = SimulatedRuntime(self, choices)

    # -- time

    def time(self) -> float:
        """Seconds of virtual time since the simulation began."""
        return self.now

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As in asyncio, and late by as much as the faults allow."""
        return super().call_at(when + self.choices.seconds(self._faults.late), callback, *args, context=context)

    # -- one step

    def _run_once(self) -> None:
        """What is a whole turn of the loop in asyncio is one step of one strand here."""
        timers = self._scheduled
        while timers and timers[0].cancelled():  # as asyncio does, for they keep their context alive
            heapq.heappop(timers)
        if not self._ready and not self._stopping:
            self._jump()
        if self._stopping:
            return
        if self.choices.broken_off is not None and not self._is_over:
            self._give_up(self.choices.broken_off)
        self.steps += 1
        if self.steps > self._most_steps:
            self._give_up(SimulationRunsOn(f"the run did not end within {self._most_steps} steps (most_steps)"))
        handle = self._pick()
        if handle is not None:
            self._perhaps_kill(handle)
            handle._run()

    def _jump(self) -> None:
        """Nobody can run: it is as late as the next timer."""
        timers = self._scheduled
        if not timers:
            self._give_up(SimulationStuck(self._who_waits()))
        self.now = max(self.now, timers[0].when())
        late = self.now + max(1e-9, math.ulp(self.now))
        while timers and timers[0].when() < late:
            self._ready.append(heapq.heappop(timers))

    def _give_up(self, error: BaseException) -> NoReturn:
        """End the run from outside of it. If it was over in this very step, the callback that says so to asyncio is
        taken out: it would stop the loop while the runner cleans up. Its own failure is nobody's business then.
        """
        self.end_choices()
        for handle in [handle for handle in self._ready if strand_of(handle) is None]:
            if getattr(_callback_of(handle), "__name__", "") == "_run_until_complete_cb":
                self._ready.remove(handle)
                for ended in _arguments_of(handle):
                    if not ended.cancelled():
                        ended.exception()  # or asyncio logs that nobody looked
        self._most_steps = self.steps + CLEANUP_STEPS
        raise error

    def _pick(self) -> asyncio.Handle | None:
        """The next handle to run: the first of each strand is a candidate, in an order that no address decides."""
        first: dict[int, int] = {}
        for index, handle in enumerate(self._ready):
            if not handle.cancelled():
                first.setdefault(self._serial_of(strand_of(handle)), index)
        if not first:
            self._ready.clear()
            return None
        serials = sorted(first)
        chosen = self._choose(serials)
        self.digest = hash((self.digest, chosen, len(serials), self.now))
        index = first[chosen]
        handle = self._ready[index]
        del self._ready[index]
        return handle

    def _serial_of(self, strand: Strand) -> int:
        """The number of a strand, in the order of their first steps; it is not kept alive for it."""
        key = id(strand)
        serial = self._serials.get(key)
        if serial is None:
            assert strand is not None, "the strand of the callbacks has its number from the beginning"
            serial = self._last_serial = self._serials[key] = self._last_serial + 1
            self._strands[key] = ref(strand, lambda _: self._forget(key))
        return serial

    def _forget(self, key: int) -> None:
        del self._serials[key], self._strands[key]

    def _choose(self, serials: list[int]) -> int:
        if self._priorities is None:
            return serials[self.choices.below(len(serials))]
        for serial in serials:
            if serial not in self._priorities:
                self._priorities[serial] = self.choices.seconds(1.0)
        chosen = max(serials, key=self._priorities.__getitem__)
        if self.choices.happens(DEMOTION):
            self._priorities[chosen] = -float(self.steps)
        return chosen

    def _perhaps_kill(self, handle: asyncio.Handle) -> None:
        most = self._faults.most_kills
        if not self._faults.kill or (most is not None and len(self.kills) >= most):
            return
        process = process_of(handle)
        if process is None or process.reason is not None or not self._faults.may_hit(process.path):
            return
        if self.choices.happens(self._faults.kill):
            self.kills.append(process.path)
            process.runtime.signal(process.receive_exit, None, kill)

    def end_choices(self) -> None:
        """The program is over: what cleans up after it takes the first way of each."""
        self._is_over = True
        self.choices.end()

    def has_trouble(self) -> bool:
        """Whether something that may go wrong goes wrong now."""
        return self.choices.happens(self._faults.trouble)

    def _who_waits(self) -> str:
        strands = [strand() for strand in self._strands.values()]
        waiting = [task for task in strands if isinstance(task, asyncio.Task) and not task.done()]
        lines = [f"  {task.get_name()}: {task.get_coro()!r}" for task in waiting]
        return "\n".join(["everybody waits, and no timer is set:", *lines])

    # -- the world

    def run_forever(self) -> None:
        """As in asyncio, in a world that the seed decides."""
        self._thread = threading.get_ident()
        with self._world.entered():
            super().run_forever()

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """As in asyncio, from the loop's own thread only: another one would act whenever the machine likes."""
        if self.is_running() and threading.get_ident() != self._thread:
            raise UsageError("a thread cannot reach into a simulation: no seed says when it acts")
        return self.call_soon(callback, *args, context=context)

    async def shutdown_default_executor(self, *_: object) -> None:
        """There is none."""


REFUSED = """
    run_in_executor getaddrinfo getnameinfo create_connection create_server create_datagram_endpoint
    create_unix_connection create_unix_server connect_accepted_socket sendfile start_tls connect_read_pipe
    connect_write_pipe subprocess_exec subprocess_shell add_reader remove_reader add_writer remove_writer sock_recv
    sock_recv_into sock_recvfrom sock_recvfrom_into sock_sendall sock_sendto sock_connect sock_accept sock_sendfile
"""
"""The doors to the outside world."""


def _refuse(loop: SimulationLoop, *_: object, **__: object) -> NoReturn:
    raise UsageError(
        "a simulation has no files, sockets, threads or processes: no seed says when they answer; "
        "put a fake in their place, or use virtual_clock"
    )


for _door in REFUSED.split():
    setattr(SimulationLoop, _door, _refuse)


# asyncio's debugging shows a handle's task in the same way (`_format_handle` in base_events.py).
_callback_of: Callable[[asyncio.Handle], object] = attrgetter("_callback")
_arguments_of: Callable[[asyncio.Handle], tuple[asyncio.Future[Any]]] = attrgetter("_args")
_context_of: Callable[[asyncio.Handle], Context] = attrgetter("_context")


def strand_of(handle: asyncio.Handle) -> Strand:
    """Whose step a handle is."""
    owner: object = getattr(_callback_of(handle), "__self__", None)
    return cast("Strand", owner) if isinstance(owner, asyncio.Task | Process) else None


def process_of(handle: asyncio.Handle) -> Process | None:
    """The process whose code would run, if it is one's."""
    owner = strand_of(handle)
    return _context_of(handle).get(running) if isinstance(owner, asyncio.Task) else owner
