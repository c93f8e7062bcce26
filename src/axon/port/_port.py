"""A port: what a server that lives in another process has in this one. It starts the child, talks to it, and ends it."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from pydantic import ValidationError

from ..process import ExitReason, Process, Timer
from ..server import Ignore, ServerProcess, Stop
from ._channel import Channel
from ._errors import (
    BadFrame,
    GuardLost,
    OutOfMemory,
    OutOfTime,
    PortError,
    PortExited,
    PortHung,
    PortOverran,
    PortStartFailed,
)
from ._events import PortEnded, PortStarted
from ._frames import VERSION, Frame, Kind
from ._guard import stat_of
from ._heartbeat import Sign, last_sign
from ._hello import Hello, LogLine, Ready, levels
from ._life import Life, Verdict
from ._options import Options
from ._output import Output
from ._reasons import reason_as_data, reason_from_data
from ._requests import Requests
from ._spawner import Ended, Spawned, Spawner
from ._spec import SpecAsData

LAST_WORDS = 0.2
"""Seconds that the last frame of a process that has ended may take to arrive."""
BURIAL = 2.0
"""Seconds after a kill in which the end of the process is seen; then it is given up on."""

Failure = Callable[[tuple[str, ...]], PortError]


class Port:
    """One child process. Its owner is the server's process here, which ends when the child does, with its reason."""

    def __init__(self, owner: ServerProcess, options: Options) -> None:
        self._owner = owner
        self._home = owner.runtime
        self._loop = owner.runtime.loop
        self._options = options
        self.life: Life = Life(self._loop.time(), options.start_within, options.hang, options.grace)
        self.sign: Sign | None = None
        self.token: str = secrets.token_hex(16)
        self._requests: Requests | None = None
        self._spawner: Spawner | None = None
        self._child: Spawned | None = None
        self._channel: Channel | None = None
        self._outputs: list[Output] = []
        self._heartbeat = -1
        self._timer: Timer | None = None
        self._look_at: float | None = None
        self._last_look: Timer | None = None
        self._failure: Failure | None = None  # why it was killed from here
        self._said_reason: ExitReason | None = None  # the child's own word
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

    # -- its start

    async def open(self, spec: SpecAsData) -> None:
        """Start the child, and wait until its server runs. Raises `Stop` with the reason why it does not, `Ignore`."""
        self._owner.on_death(self.close)
        self._spawner = Spawner.of(self._home)
        self._arm()
        opening = asyncio.ensure_future(self._open(spec))
        either: set[asyncio.Future[Any]] = {opening, self._ready, self._over}
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
            reason = self._over.result()
            raise Ignore if isinstance(reason, _Ignored) else Stop(reason)
        if self._home.bus.wants(PortStarted):
            took = self._loop.time() - self.life.began
            self._home.bus.emit(PortStarted(path=self._owner.path, pid=self.pid, seconds=took))

    async def _open(self, spec: SpecAsData) -> None:
        assert self._spawner is not None
        ours, theirs = socket.socketpair()
        pipes = [os.pipe() for _ in range(3)]
        (self._heartbeat, _), (out, _), (err, _) = pipes
        self._outputs = [Output(out, "stdout", self._owner), Output(err, "stderr", self._owner)]
        os.set_blocking(self._heartbeat, False)
        self._loop.add_reader(self._heartbeat, self._read_signs)
        ours.setblocking(False)
        try:
            self._channel = await Channel.over(ours, self._hear, self._broken, self._channel_closed)
            self._requests = Requests(self._home, self.life, self._channel, self._arm)
            self._child = await self._spawner.spawn(
                self._options.argv(),
                self._options.environment(),
                [theirs.fileno(), *(write for _, write in pipes)],
                self._options.limits.resources(),
                self._options.cwd,
                self._process_ended,
            )
        except PortError as error:
            raise Stop(error) from error
        finally:
            theirs.close()
            for _, write in pipes:
                os.close(write)
        for output in self._outputs:
            output.pid = self.pid
        hello = Hello(
            version=VERSION,
            token=self.token,
            path=self._owner.path,
            spec=spec,
            heartbeat=self._options.heartbeat,
            grace=self._options.grace,
            levels=levels(),
        )
        self._channel.send(Kind.HELLO, 0, hello.model_dump_json().encode())

    @property
    def requests(self) -> Requests:
        """Those under way; there is a channel, once it is open."""
        assert self._requests is not None, "it is used after it was opened"
        return self._requests

    # -- what the child says

    def _hear(self, frame: Frame) -> None:
        kind, number, body = frame
        try:
            if kind is Kind.ANSWER or kind in (Kind.ITEM, Kind.END, Kind.ERROR):
                self.requests.hear(frame)
            elif kind == Kind.READY:
                self._hear_ready(Ready.model_validate_json(body))
            elif kind == Kind.FAILED:
                reason = reason_from_data(body)
                self._said_reason = _Ignored() if number else reason
                self._leaves()
            elif kind == Kind.EXIT:
                self._said_reason = reason_from_data(body)
                self._leaves()
            elif kind == Kind.OVERRAN:
                self._hear_overran(body.decode(errors="replace"))
            elif kind == Kind.LOG:
                _log(LogLine.model_validate_json(body), self._owner, self.pid)
            else:
                raise BadFrame(f"a child does not say {kind.name}")
        except ValidationError as error:
            raise BadFrame(f"{kind.name} cannot be read: {error.errors(include_input=False)[0]['msg']}") from error

    def _hear_ready(self, ready: Ready) -> None:
        if ready.version != VERSION or ready.token != self.token:
            raise BadFrame("its first word is not the one that was agreed on")
        self.life.ready(self._loop.time())
        self._arm()
        if not self._ready.done():
            self._ready.set_result(None)

    def _hear_overran(self, what: str) -> None:
        if self.life.phase in ("ready", "busy"):  # in a child that ends its time to do so is bounded anyway
            self._kill(partial(PortOverran, what, self._options.grace))

    def _leaves(self) -> None:
        """It has said its last word, and has its time to go."""
        self.life.told_to_end(self._loop.time())
        self._arm()

    def _read_signs(self) -> None:
        try:
            sign = last_sign(os.read(self._heartbeat, 65536))
        except (BlockingIOError, InterruptedError):
            return
        if sign is None:
            self._loop.remove_reader(self._heartbeat)
            return
        self.sign = sign
        self.life.gave_sign(self._loop.time())

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
        self._timer = self._look_at = None
        if self._heartbeat >= 0:
            self._read_signs()  # this loop may have stood still, and not the child
        verdict = self.life.look(self._loop.time())
        if verdict is not None:
            self._carry_out(verdict)
        self._arm()

    def _carry_out(self, verdict: Verdict) -> None:
        options = self._options
        if verdict.what == "term":
            if self._child is not None:
                self._child.terminate_group()
        elif verdict.what == "late":
            self._kill(partial(PortStartFailed, f"it took longer than start_within={options.start_within:g} s"))
        elif verdict.what == "hung":
            assert options.hang is not None
            self._kill(partial(PortHung, options.hang, _state_of(self.pid)))
        elif verdict.what == "overran":
            self._kill(partial(PortOverran, self.requests.name_of(verdict.request), options.grace))
        else:
            self._kill(None)

    def _broken(self, error: BadFrame) -> None:
        self._kill(partial(BadFrame, error.problem))

    def _kill(self, failure: Failure | None) -> None:
        """End the process, now."""
        if self._failure is None and self._said_reason is None:
            self._failure = failure
        self.life.ended()
        if self._child is not None:
            self._child.kill()
            self._settle_in(BURIAL)
        else:
            self._settle()

    # -- its end

    def _process_ended(self, how: Ended | GuardLost) -> None:
        if self._closed:
            return
        if isinstance(how, GuardLost):
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

    def _channel_closed(self) -> None:
        self._heard_out = True
        if self._ended is not None:
            self._settle()
        elif not self._closed:
            self._leaves()

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
        status, limits = self._ended or Ended(0, 0, 0.0, 0), self._options.limits
        own = self._said_reason
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
        """Have the server end, and wait until its process has. Raises `Stop` if it ended with another reason."""
        self._stopping = True
        if not self._over.done() and self._channel is not None:
            with suppress(PortError):
                self._channel.send(Kind.STOP, 0, reason_as_data(reason))
            self.life.told_to_end(self._loop.time())
            self._arm()
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
        if self._channel is not None:
            self._channel.close()
        for output in self._outputs:
            output.close()
        if self._heartbeat >= 0:
            self._loop.remove_reader(self._heartbeat)
            os.close(self._heartbeat)
            self._heartbeat = -1
        if self._requests is not None:
            self._requests.forget()
        if self._spawner is not None:
            self._spawner.release()


class _Ignored(Exception):
    """The server chose not to start."""


def _log(line: LogLine, owner: Process, pid: int) -> None:
    dropped = f" ({line.dropped} lines before it were dropped)" if line.dropped else ""
    logger = logging.getLogger(line.logger)
    if logger.isEnabledFor(line.level):
        extra = {"path": owner.path, **line.fields, "pid": pid}
        logger.log(line.level, "%s%s", line.text, dropped, extra=extra)


_STATES = {"R": "running", "S": "sleeping", "T": "stopped", "t": "stopped", "D": "waiting for a device"}


def _state_of(pid: int) -> str:
    return _STATES.get((stat_of(pid) or ["?"])[0], "unknown")
