"""The child's side: makes the server that it is told to, and serves what comes over the channel, until either ends."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import copy_context
from typing import Any

from ..errors import CallTimeout, Ignored, NoProcess, ServerDied, StartFailed
from ..process import ExitReason, Process, checked, kill, normal, rest_of, runtime, shutdown, wait_down
from ..process import exit as send_exit
from ..server import GenServer, Slot, Stream, bound, deadline, launch, started, stop
from ..telemetry import CancelIgnored, attach
from ..wire import Interface, Method, Request, frame_of
from ._errors import FrameTooLarge
from ._forward import Forward
from ._frames import VERSION, Decoder, Frame, Kind, encode
from ._heartbeat import Heartbeat
from ._hello import Hello, Ready
from ._inbox import WINDOW
from ._log_line import LogLine
from ._onbehalf import OnBehalf, acting_for
from ._reasons import error_as_data, reason_as_data, reason_from_data
from ._spec import from_data, interface_of

LOG_ROOM = 2**18
"""Bytes that may wait to be sent before log lines are dropped."""
LATER = 0.1
"""Seconds that the runtime has to see by itself that a request is late; it knows its name."""
ORPHAN_GRACE = 1.0
"""Seconds that the server has to end in order when the runtime has gone."""


class Child(asyncio.Protocol):
    """One program, with one server."""

    def __init__(self, heartbeat_fd: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._home = runtime()
        self._heartbeat_fd = heartbeat_fd
        self._heartbeat: Heartbeat | None = None
        self._decoder = Decoder()
        self._hello: asyncio.Future[Hello] = self._loop.create_future()
        self._tasks: set[asyncio.Task[None]] = set()
        self._contexts: dict[int, OnBehalf] = {}
        self._readers: dict[int, _Reader] = {}
        self._interface: Interface[Any] | None = None
        self._handle: GenServer[Any] | None = None
        self._channel: asyncio.Transport | None = None
        self._gone = False
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._stop: asyncio.Future[ExitReason] = self._loop.create_future()
        self._ticker: asyncio.TimerHandle | None = None

    # -- its life

    async def live(self) -> None:
        """From the first word to the last."""
        self._loop.add_signal_handler(signal.SIGTERM, self._asked_to_end, shutdown)
        hello = await self._hello
        if hello.version != VERSION:
            raise SystemExit(f"the runtime speaks version {hello.version} of the protocol, and this program {VERSION}")
        self._heartbeat = Heartbeat(self._heartbeat_fd, hello.heartbeat)
        self._tick(hello.heartbeat)
        _set_up_logging(hello.levels, self._log)
        self._home.cancel_grace = hello.grace + LATER
        attach(self._overran, CancelIgnored)
        try:
            process = await self._start(hello)
        except BaseException as error:
            reason = checked(error.reason) if isinstance(error, StartFailed) else error
            self._write(Kind.FAILED, int(isinstance(error, Ignored)), reason_as_data(reason))
        else:
            self._write(Kind.READY, 0, Ready(version=VERSION, token=hello.token).model_dump_json().encode())
            self._write(Kind.EXIT, 0, reason_as_data(await self._end_of(process)))
        await self._close()

    async def _start(self, hello: Hello) -> Process:
        spec = from_data(hello.spec)
        self._interface = interface_of(spec, trusted=True)  # its runtime has looked at it
        slot = Slot(self._home, hello.path)
        slot.reported = True
        handle = bound(spec, slot)
        process = launch(handle, slot, None, linked=False)
        await started(process)
        self._handle = handle
        return process

    async def _end_of(self, process: Process) -> ExitReason:
        """Why the server ended: by itself, or because it was told to."""
        ended = asyncio.ensure_future(wait_down(process))
        either: set[asyncio.Future[Any]] = {ended, self._stop}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            reason = self._stop.result()
            if reason in (kill, normal) or process.trap_exit:
                with suppress(ServerDied):
                    await stop(process, reason, timeout=ORPHAN_GRACE if self._gone else None)
            else:
                send_exit(process, reason)
            if self._gone and not ended.done():
                await asyncio.wait({ended}, timeout=ORPHAN_GRACE)
                send_exit(process, kill)
        return (await ended).reason

    def _asked_to_end(self, reason: ExitReason) -> None:
        if not self._stop.done():
            self._stop.set_result(reason)

    def _overran(self, event: CancelIgnored) -> None:
        """Nothing in here can end that work: its process has to be ended."""
        self._write(Kind.OVERRAN, 0, event.what.encode())

    async def _close(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
        for task in self._tasks:
            task.cancel()
        if self._heartbeat is not None:
            self._heartbeat.end()
        if self._channel is not None:
            self._channel.close()
            await asyncio.wait({self._closed})

    def _tick(self, seconds: float) -> None:
        assert self._heartbeat is not None
        self._heartbeat.went_round = self._loop.time()
        self._ticker = self._loop.call_later(seconds / 2, self._tick, seconds)

    # -- the channel

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        assert isinstance(transport, asyncio.Transport)
        self._channel = transport

    def data_received(self, data: bytes) -> None:
        """Bytes of the runtime's."""
        for frame in self._decoder.feed(data):
            self._hear(frame)

    def connection_lost(self, exc: Exception | None) -> None:
        """The runtime is gone, or this side has closed."""
        self._gone = True
        if not self._closed.done():
            self._closed.set_result(None)
        self._asked_to_end(shutdown)
        if not self._hello.done():
            self._hello.set_exception(SystemExit("the runtime ended before it said anything"))

    def _write(self, kind: Kind, number: int = 0, body: bytes = b"") -> None:
        if self._channel is not None and not self._gone:
            self._channel.write(encode(kind, number, body))

    def _hear(self, frame: Frame) -> None:
        kind, number, body = frame
        if kind is Kind.REQUEST:
            self._serve(number, body)
        elif kind is Kind.CONTEXT:
            self._contexts[number] = OnBehalf.model_validate_json(body)
        elif kind is Kind.CREDIT and number in self._readers:
            self._readers[number].more(int(body))
        elif kind is Kind.CLOSE and number in self._readers:
            self._readers[number].task.cancel()
        elif kind is Kind.HELLO:
            self._hello.set_result(Hello.model_validate_json(body))
        elif kind is Kind.STOP:
            self._asked_to_end(reason_from_data(body))

    # -- requests

    def _serve(self, number: int, body: bytes) -> None:
        assert self._interface is not None, "requests come after READY"
        who = self._contexts.pop(number, None)
        try:
            request = self._interface.decode(body)
        except Exception as error:
            self._write(Kind.ERROR, number, error_as_data(error))
            return
        if request.method.kind == "stream":
            reader = _Reader()
            self._readers[number] = reader
            reader.task = self._loop.create_task(self._pump(number, request, who, reader))
            self._keep(reader.task)
            reader.task.add_done_callback(lambda _: self._readers.pop(number, None))
        else:
            self._begin(self._ask(number, request, who), is_plain=who is None and request.timeout is None)

    def _begin(self, work: Coroutine[Any, Any, None], *, is_plain: bool) -> None:
        """Take the first step on the spot, so that requests come to the server in order; only what has to wait gets a
        task. is_plain: it leaves nothing in its context.
        """
        context = None if is_plain else copy_context()
        try:
            awaited = work.send(None) if context is None else context.run(work.send, None)
        except StopIteration:
            return
        self._keep(self._loop.create_task(rest_of(work, awaited, None), context=context))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, number: int, request: Request, who: OnBehalf | None) -> None:
        assert self._handle is not None
        try:
            if who is None:
                answer = await request.ask(self._handle)
            else:
                with acting_for(self._home, who):
                    answer = await request.ask(self._handle)
            if request.method.kind == "call":
                self._answer(Kind.ANSWER, number, request.method, answer)
        except Exception as error:
            self._failed(number, error)

    async def _pump(self, number: int, request: Request, who: OnBehalf | None, reader: _Reader) -> None:
        assert self._handle is not None
        with acting_for(self._home, who):
            try:
                if request.timeout is None:
                    await self._items(number, request, reader)
                else:
                    async with deadline(request.timeout):
                        await self._items(number, request, reader)
            except Exception as error:
                self._failed(number, error)

    async def _items(self, number: int, request: Request, reader: _Reader) -> None:
        stream: Stream[Any] = request.send(self._handle)  # type: ignore[arg-type]  # it was asked above
        async with stream:
            while True:
                await reader.credit()
                try:
                    item = await anext(stream)
                except CallTimeout:
                    continue  # the patience is that of the reader, who is on the other side
                except StopAsyncIteration:
                    break
                reader.left -= 1
                self._answer(Kind.ITEM, number, request.method, item)
        self._write(Kind.END, number)

    def _answer(self, kind: Kind, number: int, method: Method, value: object) -> None:
        try:
            self._write(kind, number, frame_of(method, value))
        except FrameTooLarge as error:
            self._failed(number, error)

    def _failed(self, number: int, error: Exception) -> None:
        if isinstance(error, ServerDied | NoProcess) and error.target == self._hello.result().path:
            return  # all who ask hear of it, with its reason
        self._write(Kind.ERROR, number, error_as_data(error))

    # -- what is logged

    def _log(self, dropped: int, line: LogLine | None) -> bool:
        """A line, or none, after so many that were dropped; whether there was room for it."""
        if self._gone or self._channel is None or self._channel.get_write_buffer_size() > LOG_ROOM:
            return False
        self._write(Kind.LOG, dropped, b"" if line is None else line.model_dump_json().encode())
        return True


class _Reader:
    """The other end of a stream, and how many items it still takes."""

    def __init__(self) -> None:
        self.left = WINDOW
        self.task: asyncio.Task[None]
        self._waiter: asyncio.Future[None] | None = None

    def more(self, items: int) -> None:
        self.left += items
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def credit(self) -> None:
        while self.left <= 0:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter


def _set_up_logging(levels: dict[str, int], send: Callable[[int, LogLine | None], bool]) -> None:
    if levels:
        logging.getLogger().addHandler(Forward(send))
    for name, level in levels.items():
        logging.getLogger(name or None).setLevel(level)
