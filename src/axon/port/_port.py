"""A port: what a server that lives in another process has in this one. It starts the child, talks to it, and ends it."""

from __future__ import annotations

import os
import secrets
import socket
from contextlib import ExitStack, suppress
from functools import partial

from pydantic import ValidationError

from ..process import ExitReason
from ..server import Ignore, ServerProcess
from ._channel import Channel
from ._child_process import ChildProcess, Failure
from ._errors import BadFrame, PortError, PortOverran
from ._frames import VERSION, Frame, Kind
from ._heartbeat import Sign, last_sign
from ._hello import Hello, Ready
from ._log_line import levels
from ._logs import Logs
from ._options import Options
from ._reasons import reason_as_data, reason_from_data
from ._requests import Requests
from ._spec import SpecAsData

LONGEST_NAME = 1000
"""Bytes that the name of work that goes on may have."""


class Port(ChildProcess):
    """The child process of an isolated server."""

    def __init__(self, owner: ServerProcess, options: Options) -> None:
        super().__init__(owner, options, options.hang)
        self._options = options
        self.sign: Sign | None = None
        self.token: str = secrets.token_hex(16)
        self._spec: SpecAsData | None = None
        self._requests: Requests | None = None
        self._channel: Channel | None = None
        self._heartbeat = -1
        self._logs = Logs(owner)

    # -- its start

    async def open(self, spec: SpecAsData) -> None:
        """Start the child, and wait until its server runs. Raises `Stop` with the reason why it does not, `Ignore`."""
        self._spec = spec
        await self._start()

    async def _open(self) -> None:
        assert self._spec is not None
        with ExitStack() as given:  # what is the child's is closed here, however far this comes
            self._heartbeat, write = os.pipe()
            given.callback(os.close, write)
            os.set_blocking(self._heartbeat, False)
            self._loop.add_reader(self._heartbeat, self._read_signs)
            ours, theirs = socket.socketpair()
            given.callback(theirs.close)
            ours.setblocking(False)
            self._channel = await Channel.over(ours, self._hear, self._broken, self._channel_closed)
            self._requests = Requests(self._home, self.life, self._channel, self._arm)
            await self._spawn(self._options.argv(), self._options.environment(), [theirs.fileno(), write])
        self._logs.pid = self.pid
        hello = Hello(
            version=VERSION,
            token=self.token,
            path=self._owner.path,
            spec=self._spec,
            heartbeat=self._options.heartbeat,
            grace=self._options.grace,
            levels=levels(),
        )
        self._channel.send(Kind.HELLO, 0, hello.model_dump_json().encode())

    def _why_not(self, reason: ExitReason) -> BaseException:
        return Ignore() if isinstance(reason, _Ignored) else super()._why_not(reason)

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
            elif kind == Kind.FAILED and self.life.phase not in ("ready", "busy"):
                reason = reason_from_data(body)
                self._own_reason = _Ignored() if number else reason
                self._leaves()
            elif kind == Kind.EXIT:
                self._own_reason = reason_from_data(body)
                self._leaves()
            elif kind == Kind.OVERRAN:
                self._hear_overran(body[:LONGEST_NAME].decode(errors="replace"))
            elif kind == Kind.LOG:
                self._logs.hear(number, body)
            else:
                raise BadFrame(f"a child does not say {kind.name} now")
        except ValidationError as error:
            raise BadFrame(f"{kind.name} cannot be read: {error.errors(include_input=False)[0]['msg']}") from error

    def _hear_ready(self, ready: Ready) -> None:
        if ready.version != VERSION or ready.token != self.token:
            raise BadFrame("its first word is not the one that was agreed on")
        self._is_ready()

    def _hear_overran(self, what: str) -> None:
        if self.life.phase in ("ready", "busy"):  # in a child that ends its time to do so is bounded anyway
            self._kill(partial(PortOverran, what, self._options.grace))

    def _broken(self, error: BadFrame) -> None:
        self._kill(partial(BadFrame, error.problem))

    def _channel_closed(self) -> None:
        self._says_no_more()
        if self._ended is None and not self._closed:
            self._leaves()

    # -- its time

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

    def _look_for_signs(self) -> None:
        if self._heartbeat >= 0:
            self._read_signs()

    def _why_overran(self, request: int) -> Failure:
        return partial(PortOverran, self.requests.name_of(request), self._options.grace)

    # -- its end

    def _ask_to_end(self, reason: ExitReason) -> None:
        if self._channel is not None:
            with suppress(PortError):
                self._channel.send(Kind.STOP, 0, reason_as_data(reason))

    def _let_go(self) -> None:
        if self._channel is not None:
            self._channel.close()
        if self._heartbeat >= 0:
            self._loop.remove_reader(self._heartbeat)
            os.close(self._heartbeat)
            self._heartbeat = -1
        self._logs.close()
        if self._requests is not None:
            self._requests.forget()


class _Ignored(Exception):
    """The server chose not to start."""
