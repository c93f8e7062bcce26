"""A child process: started, kept an eye on and ended. How it is spoken to is what its kinds have of their own."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from ..process import ExitReason, Timer
from ..server import ServerProcess, Stop
from ._errors import GuardLost, OutOfMemory, OutOfTime, PortError, PortExited, PortHung, PortStartFailed
from ._events import PortEnded, PortStarted
from ._life import Life, Verdict
from ._output import Output
from ._proc import stat_of
from ._spawner import Ended, Spawned, Spawner
from ._surroundings import Surroundings

LAST_WORDS = 0.2
"""Seconds that the last word of a process that has ended may take to arrive."""
BURIAL = 2.0
"""Seconds after a kill in which the end of the process is seen; then it is given up on."""

Failure = Callable[[tuple[str, ...]], PortError]


class ChildProcess:
    """One child process. Its owner is a server's process here, which ends when the child does, with its reason."""

    def __init__(self, owner: ServerProcess, options: Surroundings, hang: float | None) -> None:
        self._owner = owner
        self._home = owner.runtime
        self._loop = owner.runtime.loop
        self._surroundings = options
        self.life: Life = Life(self._loop.time(), options.start_within, hang, options.grace)
        self._spawner: Spawner | None = None
        self._child: Spawned | None = None
        self._outputs: list[Output] = []
        self._timer: Timer | None = None
        self._look_at: float | None = None
        self._late = 0.0  # seconds from when it was to be looked at
        self._last_look: Timer | None = None
        self._failure: Failure | None = None  # why it was killed from here
        self._own_reason: ExitReason | None = None  # the child's own word
        self._ended: Ended | None = None
        self._heard_out = False
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._over: asyncio.Future[ExitReason] = self._loop.create_future()
        self._stopping = False
        self._closed = False

    @property
    def pid(self) -> int:
        """The id of the child process, 0 before there is one."""
        return 0 if self._child is None else self._child.pid

    # -- what its kinds have of their own

    async def _open(self) -> None:
        """Start it, by `_spawn`."""
        raise NotImplementedError

    def _ask_to_end(self, reason: ExitReason) -> None:
        """Tell it that it is to end."""
        raise NotImplementedError

    def _look_for_signs(self) -> None:
        """Before it is judged: see whether it has given a sign of life."""

    def _why_overran(self, request: int) -> Failure | None:
        """Why it was killed, if a request went on after its deadline."""

    def _why_hung(self, seconds: float, state: str) -> Failure:
        """Why it was killed, if it gave no sign of life."""
        return partial(PortHung, seconds, state)

    def _why_not(self, reason: ExitReason) -> BaseException:
        """What its start raises, if it ended with this reason."""
        return Stop(reason)

    def _let_go(self) -> None:
        """Close what it was spoken to by."""

    # -- its start

    async def _start(self) -> None:
        """Start it, and wait until it is ready. Raises `Stop` with the reason why it does not get so."""
        self._owner.on_death(self.close)
        self._spawner = Spawner.of(self._home)
        self._arm()
        opening = asyncio.ensure_future(self._open())
        either: set[asyncio.Future[Any]] = {opening, self._over}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if opening.done() and opening.exception() is None:
                first: set[asyncio.Future[Any]] = {self._ready, self._over}
                await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        finally:
            opening.cancel()
        if opening.done() and not opening.cancelled() and (error := opening.exception()) is not None:
            raise error
        if self._over.done():
            raise self._why_not(self._over.result())
        if self._home.bus.wants(PortStarted):
            took = self._loop.time() - self.life.began
            self._home.bus.emit(PortStarted(path=self._owner.path, pid=self.pid, seconds=took))

    async def _spawn(self, argv: Sequence[str], env: Mapping[str, str], theirs: Sequence[int]) -> None:
        """Start it with these descriptors of its own, from 3 on. Raises `Stop`."""
        assert self._spawner is not None
        given, limits, cwd = [*theirs], self._surroundings.limits.resources(), self._surroundings.cwd
        try:
            for name in ("stdout", "stderr"):
                read, write = os.pipe()
                given.append(write)
                self._outputs.append(Output(read, name, self._owner))
            self._child = await self._spawner.spawn(argv, env, given, limits, cwd, self._process_ended)
        except PortError as error:
            raise Stop(error) from error
        finally:
            for fd in given[len(theirs) :]:
                os.close(fd)
        for output in self._outputs:
            output.pid = self.pid
        if self.life.phase == "dead":  # it was quick to deserve that
            self._child.kill()

    def _is_ready(self) -> None:
        """It has said so."""
        self.life.ready(self._loop.time())
        self._arm()
        if not self._ready.done() and self.life.phase != "dead":
            self._ready.set_result(None)

    # -- its time

    def _arm(self) -> None:
        at = self.life.next_look()
        if at is None or self._closed or (self._look_at is not None and self._look_at <= at):
            return
        if self._timer is not None:
            self._home.timers.cancel(self._timer)
        self._look_at = at
        self._timer = self._home.timers.after(max(0.0, at - self._loop.time()), self._look)

    def _look(self) -> None:
        self._late = 0.0 if self._look_at is None else max(0.0, self._loop.time() - self._look_at)
        self._timer = self._look_at = None
        self._look_for_signs()  # this loop may have stood still, and not the child
        verdict = self.life.look(self._loop.time())
        if verdict is not None:
            self._carry_out(verdict)
        self._arm()

    def _carry_out(self, verdict: Verdict) -> None:
        if verdict.what == "term":
            if self._child is not None:
                self._child.terminate_group()
        elif verdict.what == "late":
            within = self._surroundings.start_within
            self._kill(partial(PortStartFailed, f"it took longer than start_within={within:g} s"))
        elif verdict.what == "hung":
            assert self.life.hang is not None
            self._kill(self._why_hung(self.life.hang, _state_of(self.pid)))
        elif verdict.what == "overran":
            self._kill(self._why_overran(verdict.request))
        else:
            self._kill(None)

    def _kill(self, failure: Failure | None) -> None:
        """End the process, now."""
        if self._failure is None and self._own_reason is None:
            self._failure = failure
        self.life.ended()
        if self._child is not None:
            self._child.kill()
        self._settle_in(BURIAL)

    # -- its end

    def _says_no_more(self) -> None:
        """What it was listened to by is closed."""
        self._heard_out = True
        if self._ended is not None:
            self._settle()

    def _leaves(self) -> None:
        """It has said its last word, or was told to end, and has its time to go."""
        self.life.told_to_end(self._loop.time())
        self._arm()

    def _process_ended(self, how: Ended | GuardLost) -> None:
        if self._closed:
            return
        if isinstance(how, GuardLost):
            if self._own_reason is None:  # what it has said itself counts
                self._failure = self._failure or (lambda _: how)
            self._settle()
            return
        self._ended = how
        if self._home.bus.wants(PortEnded):
            self._home.bus.emit(
                PortEnded(
                    path=self._owner.path,
                    pid=self.pid,
                    status=how.status,
                    memory=how.memory,
                    cpu=how.cpu,
                    left=how.left,
                )
            )
        if self._heard_out:
            self._settle()
        else:
            self._settle_in(LAST_WORDS)

    def _settle_in(self, seconds: float) -> None:
        if self._last_look is not None:
            self._home.timers.cancel(self._last_look)
        self._last_look = self._home.timers.after(seconds, self._settle)

    def _settle(self) -> None:
        """The child is gone: so is its server here, with the reason."""
        if self._over.done() or self._closed:
            return
        self.life.ended()
        for output in self._outputs:
            output.drain()
        reason = self._reason()
        self._over.set_result(reason)
        if self._owner.phase == "running" or (self._ready.done() and not self._stopping):
            self._owner.request_exit(reason)

    def _reason(self) -> ExitReason:
        said = tuple(self._outputs[1].said) if self._outputs else ()
        if self._failure is not None:
            return self._failure(said)
        killed = Ended(-signal.SIGKILL, 0, 0.0, 0)  # and its end has yet to be told
        status, limits = self._ended or killed, self._surroundings.limits
        own = self._own_reason
        out_of_memory = isinstance(own, MemoryError) or any(line.startswith("MemoryError") for line in said[-3:])
        if limits.memory is not None and out_of_memory and (own is None or isinstance(own, MemoryError)):
            return OutOfMemory(status.status, limits.memory, status.memory, said)
        if own is not None:
            return own
        if limits.memory is not None and limits.ran_out(status.status, status.memory):
            return OutOfMemory(status.status, limits.memory, status.memory, said)
        if limits.cpu is not None and status.status in (-24, -9) and status.cpu >= limits.cpu - 0.5:
            return OutOfTime(status.status, limits.cpu, said)
        return PortExited(status.status, said)

    async def stop(self, reason: ExitReason) -> None:
        """Have it end, and wait until its process has. Raises `Stop` if it ended with another reason."""
        self._stopping = True
        if not self._over.done():
            self._ask_to_end(reason)
            self._leaves()
        ended = await self._over
        spawner, self._spawner = self._spawner, None
        guard = None if spawner is None else spawner.release()
        if guard is not None:
            await asyncio.wait({guard})
        if ended != reason:
            raise Stop(ended)

    def close(self) -> None:
        """Its owner is dead: nothing is left of it."""
        if self._closed:
            return
        self._closed = True
        for timer in (self._timer, self._last_look):
            if timer is not None:
                self._home.timers.cancel(timer)
        if self._child is not None and self._ended is None:
            self._child.kill()
        for output in self._outputs:
            output.close()
        self._let_go()
        if self._spawner is not None:
            self._spawner.release()


_STATES = {"R": "running", "S": "sleeping", "T": "stopped", "t": "stopped", "D": "waiting for a device"}


def _state_of(pid: int) -> str:
    return _STATES.get((stat_of(pid) or ["?"])[0], "unknown")
