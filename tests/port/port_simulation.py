"""Ports in a simulation: real descriptors, which nobody but this thread reads and writes, and processes that are none.

What a child process does is drawn, and so is how long everything takes and in which pieces bytes arrive; the seed decides.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import select
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVarTuple

from port_servers import Counter, Refused

import axon
from axon.port import GuardLost, PortStartFailed
from axon.port._frames import Decoder, Frame, Kind, encode
from axon.port._heartbeat import _SIGN
from axon.port._hello import Hello, Ready
from axon.port._reasons import error_as_data, reason_as_data
from axon.port._spawner import Ended, Spawned, Spawner
from axon.port._spec import interface_of
from axon.process import Runtime
from axon.testing import SimulationLoop
from axon.wire import frame_of

Ts = TypeVarTuple("Ts")
INTERFACE = interface_of(Counter())


class PortLoop(SimulationLoop):
    """A simulation in which descriptors can be waited for: what is in them was put there by the simulation itself."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.readers: dict[int, asyncio.Handle] = {}
        self.failures: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _, failure: self.failures.append(failure))

    def _run_once(self) -> None:
        ready, _, _ = select.select(list(self.readers), [], [], 0)
        for handle in [self.readers[fd] for fd in ready]:
            if handle not in self._ready:
                self._ready.append(handle)
        super()._run_once()

    def add_reader(self, fd: Any, callback: Callable[[*Ts], object], *args: *Ts) -> None:
        self.remove_reader(fd)
        self.readers[int(fd)] = asyncio.Handle(callback, args, self)

    def remove_reader(self, fd: Any) -> bool:
        handle = self.readers.pop(int(fd), None)
        if handle is not None:
            handle.cancel()
        return handle is not None

    async def create_unix_connection(self, protocol_factory: Callable[[], Any], *_: Any, **options: Any) -> Any:
        protocol = protocol_factory()
        return Line(self, options["sock"], protocol), protocol


class Line(asyncio.Transport):
    """One end of a socket pair; the bytes come in pieces."""

    ROOM = 4096

    def __init__(self, loop: PortLoop, sock: socket.socket, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._loop, self._sock, self._protocol = loop, sock, protocol
        self._unsent, self._paused, self._closed = b"", False, False
        sock.setblocking(False)
        loop.add_reader(sock.fileno(), self._read)
        protocol.connection_made(self)

    def _read(self) -> None:
        try:
            data = self._sock.recv(random.choice([1, 7, 64, 65536]))
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._protocol.data_received(data)
        else:
            self.abort()

    def write(self, data: Any) -> None:
        self._unsent += bytes(data)
        self._send()
        if not self._paused and len(self._unsent) > self.ROOM:
            self._paused = True
            self._protocol.pause_writing()

    def _send(self) -> None:
        if self._closed:
            return
        try:
            self._unsent = self._unsent[self._sock.send(self._unsent) :]
        except BlockingIOError:
            pass
        except OSError as error:  # the other end is closed: as in asyncio nothing more is read either
            self._end(error)
            return
        if self._unsent:
            self._loop.call_later(0.01, self._send)
        elif self._paused:
            self._paused = False
            self._protocol.resume_writing()

    def abort(self) -> None:
        self._end(None)

    def _end(self, error: Exception | None) -> None:
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._sock.fileno())
            self._loop.call_soon(self._lost, error)

    def _lost(self, error: Exception | None) -> None:
        self._protocol.connection_lost(error)
        self._sock.close()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._sock if name == "socket" else default

    def is_closing(self) -> bool:
        return self._closed


class FakeChild(asyncio.Protocol):
    """A process that does what is drawn. did: what of it matters for how its end is told of, and since when; due: until
    when its requests are to be over; over: when they were.
    """

    def __init__(self, loop: PortLoop, descriptors: Sequence[int], at_end: Callable[[Ended | GuardLost], None]) -> None:
        self.did: dict[str, float] = {}
        self.due: dict[int, float] = {}
        self.over: dict[int, float] = {}
        self.path = ""
        self.status: int | None = None
        self._loop, self._at_end = loop, at_end
        self._decoder = Decoder()
        self._timers: list[asyncio.TimerHandle] = []
        channel, self._heartbeat, *self._outputs = map(os.dup, descriptors)
        for fd in (self._heartbeat, *self._outputs):
            os.set_blocking(fd, False)
        self._open: set[int] = set()
        self._line = Line(loop, socket.socket(fileno=channel), self)

    def _does(self, fact: str) -> None:
        self.did.setdefault(fact, self._loop.time())

    def overran(self, grace: float) -> bool:
        """Whether it let a request go on for so long after its deadline."""
        now = self._loop.time()
        return any(self.over.get(number, now) > due + grace for number, due in self.due.items())

    # -- its end

    def dies(self, status: int) -> None:
        if self.status is not None:
            return
        self.status = status
        self._does(f"died {status}")
        for timer in self._timers:
            timer.cancel()
        self._line.abort()
        for fd in (self._heartbeat, *self._outputs):
            os.close(fd)
        self._loop.call_later(random.uniform(0, 0.1), self._at_end, Ended(status, 1, 0.1, 0))

    def connection_lost(self, exc: Exception | None) -> None:
        self._after(1, lambda: self.dies(0))

    def terminated(self) -> None:
        if random.random() < 0.5:
            self._after(0.4, lambda: self.dies(-15))

    # -- what it does

    def _after(self, most: float, do: Callable[[], object]) -> None:
        if self.status is None:
            self._timers.append(self._loop.call_later(random.uniform(0, most), self._unless_dead, do))

    def _unless_dead(self, do: Callable[[], object]) -> None:
        if self.status is None:
            do()

    def _says(self, kind: Kind, number: int = 0, body: bytes = b"") -> None:
        if kind in (Kind.ANSWER, Kind.ERROR, Kind.END):
            self.over.setdefault(number, self._loop.time())
        if self.status is None:
            self._line.write(encode(kind, number, body))

    def _leaves(self, reason: axon.ExitReason) -> None:
        self._does("left")
        self._says(Kind.EXIT, 0, reason_as_data(reason))
        if random.random() < 0.9:
            self._after(0.2, lambda: self.dies(0))

    def _breaks(self) -> None:
        """Says what is no frame, or one that is not for it to say."""
        self._does("garbage")
        garbage = [b"\xff" * 64, encode(Kind.REQUEST, 1), encode(Kind.EXIT, 0, b"{"), encode(Kind.READY, 0, b"[]")]
        self._line.write(random.choice(garbage))

    def _beats(self, seconds: float) -> None:
        if random.random() < 0.03:
            self._does("hung")
            return
        with suppress(BlockingIOError):
            os.write(self._heartbeat, _SIGN.pack(0.0, 1, 0.1))
        self._timers.append(self._loop.call_later(seconds, self._unless_dead, lambda: self._beats(seconds)))

    def _lives(self) -> None:
        """Something happens to it by itself, sooner or later, or not at all."""
        happens = random.choice([None, None, None, self._breaks, "says", "dies", "leaves", "prints"])
        if happens == "dies":
            self._after(20, lambda: self.dies(random.choice([-9, -11, 0, 3])))
        elif happens == "leaves":
            reasons: list[axon.ExitReason] = [axon.normal, axon.shutdown, Refused("it", 1)]
            reason = random.choice(reasons)
            self._after(20, lambda: self._leaves(reason))
        elif happens == "says":
            self._after(20, self._overruns)
        elif happens == "prints":
            self._after(5, lambda: [os.write(fd, b"a line\nand a half") for fd in self._outputs])
        elif happens is not None:
            self._after(20, self._breaks)

    def _overruns(self) -> None:
        self._does("overran")
        self._says(Kind.OVERRAN, 0, b"some work")

    # -- what it is told

    def data_received(self, data: bytes) -> None:
        for frame in self._decoder.feed(data):
            if self.status is None:
                self._hears(frame)

    def _hears(self, frame: Frame) -> None:
        kind, number, body = frame
        if kind is Kind.HELLO:
            self._starts(Hello.model_validate_json(body))
        elif kind is Kind.STOP:
            if random.random() < 0.8:
                self._after(2, lambda: self._leaves(random.choice([axon.normal, axon.shutdown])))
        elif kind is Kind.CLOSE:
            self._open.discard(number)
            self.over.setdefault(number, self._loop.time())
        elif kind is Kind.REQUEST:
            self._serves(number, body)

    def _starts(self, hello: Hello) -> None:
        self.path, chance = hello.path, random.random()
        ready = Ready(version=hello.version, token=hello.token).model_dump_json().encode()
        if chance < 0.75:
            self._after(3, lambda: self._is_ready(ready, hello.heartbeat))
        elif chance < 0.8:
            self._does("failed")
            self._after(3, lambda: self._says(Kind.FAILED, random.randrange(2), reason_as_data(Refused("start", 1))))
        elif chance < 0.85:
            self._after(3, self._breaks)
        elif chance < 0.9:
            self._after(8, lambda: self.dies(random.choice([-9, 3])))

    def _is_ready(self, ready: bytes, heartbeat: float) -> None:
        self._says(Kind.READY, 0, ready)
        self._beats(heartbeat)
        self._lives()

    def _serves(self, number: int, body: bytes) -> None:
        request, chance = INTERFACE.decode(body), random.random()
        if number:
            self.due[number] = math.inf if request.timeout is None else self._loop.time() + request.timeout
        if request.method.kind == "stream":
            self._open.add(number)
            items = [frame_of(request.method, item) for item in range(random.randrange(16))]
            self._after(1, lambda: self._streams(number, items))
        elif request.method.kind == "call" and chance < 0.8:
            answer = frame_of(request.method, 1)
            self._after(2, lambda: self._answers(number, answer, random.choice([1, 1, 1, 1, 2])))
        elif chance < 0.87:
            self._after(2, lambda: self._says(Kind.ERROR, number, error_as_data(Refused("this", 1))))
        elif chance < 0.9:
            self._after(2, lambda: self._says(Kind.ANSWER, number, b'{"answer": "text"}'))
        elif chance < 0.92:
            self._after(2, lambda: self.dies(-11))

    def _answers(self, number: int, answer: bytes, times: int) -> None:
        for _ in range(times):
            self._says(Kind.ANSWER, number, answer)

    def _streams(self, number: int, items: list[bytes]) -> None:
        if number not in self._open:
            return
        if items:
            self._says(Kind.ITEM, number, items[0])
            self._after(0.3, lambda: self._streams(number, items[1:]))
        elif random.random() < 0.9:
            self._says(Kind.END, number)


class FakeSpawned(Spawned):
    """A process that is none, for its port."""

    child: FakeChild

    def kill(self) -> None:
        self.child.dies(-9)

    def terminate_group(self) -> None:
        self.child.terminated()


class FakeSpawner(Spawner):
    """Starts such processes. users: how many ports have it."""

    def __init__(self, home: Runtime, loop: PortLoop) -> None:
        self._home, self._sim = home, loop
        self._users, self._closed, self._next = 0, False, 0
        self.children: list[FakeChild] = []
        home.spawner = self

    @property
    def users(self) -> int:
        return self._users

    def release(self) -> None:
        self._users -= 1

    async def spawn(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        descriptors: Sequence[int],
        limits: Mapping[str, tuple[int, int]],
        cwd: str | None,
        at_end: Callable[[Ended | GuardLost], None],
    ) -> Spawned:
        await asyncio.sleep(random.choice([0.0, 0.1, 1.0]))
        if random.random() < 0.05:
            raise random.choice([PortStartFailed("there is no such interpreter"), GuardLost()])
        self._next += 1
        spawned = FakeSpawned(self._next, self, at_end, pid=2**22 + self._next)
        spawned.child = FakeChild(self._sim, descriptors, at_end)
        self.children.append(spawned.child)
        return spawned

    def is_lost(self) -> None:
        """The guard is killed, and its children are with it."""
        for child in self.children:
            if child.status is None:
                child._does("lost")
                at_end, child._at_end = child._at_end, _nobody
                child.dies(-9)
                at_end(GuardLost())


def _nobody(_: Ended | GuardLost) -> None:
    """Nobody hears of the end but by the guard's."""
