"""A program of the operating system that a server owns: started, and ready once it has said where it serves."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextvars import Context
from functools import partial
from typing import Self, TypeAlias

from ..errors import UsageError
from ..process import ExitReason, current, normal
from ..server import ServerProcess
from ._announcement import ANNOUNCE, Announcement, Announcing
from ._child_process import ChildProcess, Failure
from ._command import Command
from ._errors import BadFrame, PortExited, PortHung
from ._heartbeat import Sign
from ._proc import stat_of

Probe: TypeAlias = Callable[[Announcement], Awaitable[None]]
"""Asks a program for a sign of life: returns if it answers, and raises, or goes on, if it does not."""

PROBES = 5
"""Probes in the time that a program may give no sign of life, and one a second at least."""
_TICKS, _PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
ORDERLY = frozenset({0, -15, 128 + 15})
"""The statuses of a program that ends because of SIGTERM."""


class RunningProgram(ChildProcess):
    """The state of a server that owns a program, such as `Program`: for servers that do more with one.

        async def init(self) -> RunningProgram:
            return await RunningProgram.open(Command(argv=[...]))

        async def terminate(self, state: RunningProgram, reason: ExitReason) -> None:
            await state.stop(reason)

    The server should set `trap_exit`, or the program is killed where it might have ended in order. It ends when its
    program does, with the reason.
    """

    def __init__(self, owner: ServerProcess, command: Command, probe: Probe | None) -> None:
        super().__init__(owner, command, None if probe is None else command.hang)
        self._command = command
        self._probe = probe
        self._pause = 1.0 if command.hang is None else min(1.0, command.hang / PROBES)
        self._announcing: Announcing | None = None
        self._said: Announcement | None = None
        self._prober: asyncio.Task[None] | None = None
        self._unanswered: Exception | None = None
        self._asked: ExitReason = normal  # to end, with this reason

    @classmethod
    async def open(cls, command: Command, probe: Probe | None = None) -> Self:
        """Start a program in the name of the present server, and wait until it has announced itself.

        probe: asked again and again from then on; if none is answered for `command.hang` seconds the program is killed.

        Raises `Stop` with the reason why it is not there, for the server's `init` to end with; `UsageError` elsewhere.
        """
        owner = current()
        if not isinstance(owner, ServerProcess):
            raise UsageError("RunningProgram.open() is for the init of a server, which owns the program")
        program = cls(owner, command, probe)
        await program._start()
        return program

    @property
    def at(self) -> Announcement:
        """Where it serves."""
        assert self._said is not None, "it is there once it has said that"
        return self._said

    async def ends(self, within: float) -> ExitReason | None:
        """Why it ended, if it does within so many seconds, None if it goes on: whose connection breaks may see that first."""
        await asyncio.wait({self._over}, timeout=within)
        return self._over.result() if self._over.done() else None

    def last_sign(self) -> Sign:
        """What the system says of it, and when a probe was answered: a sign of life as servers give them."""
        stat = stat_of(self.pid)
        cpu, memory = (sum(map(int, stat[11:13])) / _TICKS, int(stat[21]) * _PAGE) if len(stat) > 21 else (0.0, 0)
        return Sign(0.0 if self._prober is None else self._loop.time() - self.life.sign, memory, cpu)

    async def _open(self) -> None:
        self._announcing = announcing = Announcing(self._announced, self._broken, self._says_no_more, self._loop)
        env = {**self._command.environment(), ANNOUNCE: "3"}
        try:
            await self._spawn(list(self._command.argv), env, [announcing.theirs])
        finally:
            os.close(announcing.theirs)

    def _announced(self, at: Announcement) -> None:
        self._said = at
        self._is_ready()
        if self._probe is not None and self.life.hang is not None and self.life.phase == "ready":
            probing = self._probing(self._probe, at)
            self._prober = self._loop.create_task(probing, name=f"{self._owner.path} probe", context=Context())

    def _broken(self, error: BadFrame) -> None:
        self._kill(partial(BadFrame, error.problem))

    # -- its time

    async def _probing(self, probe: Probe, at: Announcement) -> None:
        while True:
            patience = None if self.life.hang is None else self.life.hang / 2
            try:
                async with asyncio.timeout(patience):
                    await probe(at)
            except TimeoutError:
                self._unanswered = TimeoutError(f"no answer within {patience} s")
            except Exception as error:
                self._unanswered = error  # told with the reason, if no other one is answered in time
            else:
                self._unanswered = None
                self.life.gave_sign(self._loop.time())
            await asyncio.sleep(self._pause)

    def _look_for_signs(self) -> None:
        """While this loop stood still no answer could be read: then the program has the time of two more probes."""
        if self.life.hang is not None and self._late > self._pause:
            self.life.gave_sign(self._loop.time() - self.life.hang + 2 * self._pause)

    def _why_hung(self, seconds: float, state: str) -> Failure:
        unanswered = self._unanswered  # that of later probes is that it was killed

        def hung(said: tuple[str, ...]) -> PortHung:
            reason = PortHung(seconds, state, said)
            reason.__cause__ = unanswered
            return reason

        return hung

    # -- its end

    def _ask_to_end(self, reason: ExitReason) -> None:
        self._asked = reason
        if self._child is not None:
            self._child.terminate_group()

    def _reason(self) -> ExitReason:
        reason = super()._reason()
        is_orderly = self._failure is None and self._ended is not None and self._ended.status in ORDERLY
        return self._asked if self._stopping and is_orderly and isinstance(reason, PortExited) else reason

    def _let_go(self) -> None:
        if self._announcing is not None:
            self._announcing.close()
        if self._prober is not None:
            self._prober.cancel()
