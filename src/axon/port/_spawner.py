"""The runtime's end of its guard: one guard for all children of an event loop, from the first to the last of them."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..process import Runtime
from ._errors import GuardLost, PortStartFailed
from ._proc import MARK, began, pidfd_of

PROGRAM = Path(__file__).with_name("_guard.py")
PATIENCE = 6.0
"""Seconds in which a guard that nobody needs ends by itself: what is left its children have 4.5 s to do. Then it is killed."""
AGAIN = 0.05
"""Seconds until the guard is told again what the system had no room for."""
_LENGTH = struct.Struct("!I")


def owner_of(pid: int) -> str:
    """What tells a program from others, also from a later one with the same number."""
    return f"{pid}-{began(pid)}"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended. status: its exit status, or the number of a signal, negative. memory: bytes that were
    resident at most; cpu: seconds of processor time; left: processes of its that could not be ended.
    """

    status: int
    memory: int
    cpu: float
    left: int


@dataclass(slots=True)
class Spawned:
    """A child: its id, a descriptor that stands for it as long as it is not closed, and who is told of its end."""

    number: int
    spawner: Spawner
    at_end: Callable[[Ended | GuardLost], None]
    pid: int = 0
    pidfd: int | None = None

    def kill(self) -> None:
        """End it, whatever it does. What it leaves behind the guard ends."""
        if self.pidfd is None:
            self.spawner.pass_on(self.number, signal.SIGKILL)
        else:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def terminate_group(self) -> None:
        """Ask it and those of its group to end."""
        self.spawner.pass_on(self.number, signal.SIGTERM)

    def close(self) -> None:
        """Let go of the descriptor."""
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None


class Spawner:
    """Has the guard start children, and passes on what it says of them."""

    def __init__(self, home: Runtime) -> None:
        self._home = home
        self._loop = home.loop
        self._users = 0
        self._closed = False
        self._next = 0
        self._mark = f"{owner_of(os.getpid())}-{secrets.token_hex(4)}"
        self._children: dict[int, Spawned] = {}
        self._spawning: dict[int, asyncio.Future[None]] = {}
        self._out: deque[tuple[bytes, list[int]]] = deque()  # what the guard has not yet taken
        self._data = b""
        self._pidfds: list[int] = []
        self._killer: asyncio.TimerHandle | None = None
        self._socket, theirs = socket.socketpair()
        self._socket.setblocking(False)
        self.gone: asyncio.Future[None] = self._loop.create_future()
        """Done when the guard has ended."""
        actions = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0)]
        arguments = [sys.executable, "-I", "-S", str(PROGRAM), str(os.getpid())]
        kept = {name: value for name, value in os.environ.items() if name != MARK}
        try:  # whatever signals this thread does not take: the guard waits for those of its children
            self._pid = os.posix_spawn(sys.executable, arguments, kept, file_actions=actions, setsigmask=())
        except OSError:
            self._socket.close()
            raise
        finally:
            theirs.close()
        self._pidfd = pidfd_of(self._pid)
        self._loop.add_reader(self._socket.fileno(), self._read)

    @classmethod
    def of(cls, home: Runtime) -> Spawner:
        """That of the runtime, made now if there is none; `release` it when the child is gone."""
        found = home.spawner
        spawner = found if isinstance(found, Spawner) and not found._closed else cls(home)
        home.spawner = spawner
        spawner._users += 1
        return spawner

    def release(self) -> asyncio.Future[None] | None:
        """One child less; with the last one the guard ends: returns what is done when it has."""
        self._users -= 1
        if self._users > 0:
            return None
        self._close()
        return self.gone

    async def spawn(  # noqa: PLR0917
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        descriptors: Sequence[int],
        limits: Mapping[str, tuple[int, int]],
        cwd: str | None,
        at_end: Callable[[Ended | GuardLost], None],
    ) -> Spawned:
        """A child of the guard. descriptors: what it has from the third one on, and at last its stdout and its stderr.
        Raises `PortStartFailed`, `GuardLost`.
        """
        if self._closed:
            raise GuardLost
        self._next += 1
        number = self._next
        child = self._children[number] = Spawned(number, self, at_end)
        answer = self._spawning[number] = self._loop.create_future()
        order = {
            "number": number,
            "argv": list(argv),
            "env": {**env, MARK: f"{self._mark}.{number}"},
            "limits": dict(limits),
            "cwd": cwd,
            "descriptors": len(descriptors),
        }
        try:
            self._send(order, _copies(descriptors))
            await answer
        except BaseException:
            child.at_end = _nobody
            child.kill()  # or if it comes to be later, then
            raise
        finally:
            self._spawning.pop(number, None)
        return child

    def pass_on(self, number: int, which: signal.Signals) -> None:
        """A signal for the group of a child, by the guard, which knows whether there still is one."""
        if not self._closed:
            self._send({"number": number, "signal": int(which)})

    def _send(self, order: dict[str, Any], descriptors: list[int] | None = None) -> None:
        body = json.dumps(order).encode()
        self._out.append((_LENGTH.pack(len(body)) + body, descriptors or []))
        if len(self._out) == 1:
            self._flush()

    def _flush(self) -> None:
        """Say what there is to say, as far as the guard takes it; what was begun is said to its end."""
        if self._closed:
            return
        while self._out:
            data, descriptors = self._out[0]
            try:
                sent = socket.send_fds(self._socket, [data], descriptors) if descriptors else self._socket.send(data)
            except BlockingIOError:
                self._loop.add_writer(self._socket.fileno(), self._flush)
                return
            except (BrokenPipeError, ConnectionResetError):  # it has gone, which is read in a moment
                break
            except OSError:  # there are too many descriptors under way, or there is no memory
                self._loop.remove_writer(self._socket.fileno())
                self._loop.call_later(AGAIN, self._flush)
                return
            for fd in descriptors:
                os.close(fd)
            self._out[0] = data[sent:], []
            if sent == len(data):
                self._out.popleft()
        self._loop.remove_writer(self._socket.fileno())

    # -- what the guard says

    def _read(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._socket, 65536, 64)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data, descriptors = b"", list[int]()
        for fd in descriptors:
            os.set_inheritable(fd, False)
        self._pidfds += descriptors
        if not data:
            self._lost()
            return
        self._data += data
        while len(self._data) >= 4:
            (length,) = _LENGTH.unpack_from(self._data)
            if len(self._data) < 4 + length:
                return
            body, self._data = self._data[4 : 4 + length], self._data[4 + length :]
            self._hear(json.loads(body))

    def _hear(self, message: dict[str, Any]) -> None:
        if "spawned" in message:
            child, answer = self._children[message["spawned"]], self._spawning.get(message["spawned"])
            child.pid = message["pid"]
            child.pidfd = self._pidfds.pop(0) if message["pidfd"] and self._pidfds else None
            if answer is not None and not answer.done():
                answer.set_result(None)
            elif child.at_end is _nobody:
                child.kill()
        elif "failed" in message:
            child, answer = self._children.pop(message["failed"]), self._spawning.get(message["failed"])
            if answer is not None and not answer.done():
                answer.set_exception(PortStartFailed(message["error"]))
        else:
            child = self._children.pop(message["exited"])
            child.close()
            child.at_end(Ended(message["status"], message["memory"], message["cpu"], message["left"]))

    # -- the end

    def _close(self) -> None:
        """Nobody needs it any more: it ends what is left, and itself."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._socket.fileno())
        self._loop.remove_writer(self._socket.fileno())
        self._socket.close()
        for fd in [*self._pidfds, *(fd for _, descriptors in self._out for fd in descriptors)]:
            os.close(fd)
        self._pidfds.clear()
        self._out.clear()
        for child in self._children.values():
            child.close()
        self._children.clear()
        self._killer = self._loop.call_later(PATIENCE, self._kill_guard)
        self._reap()

    def _lost(self) -> None:
        """The guard has ended, and the kernel has ended its children."""
        lost = list(self._children.values())
        self._close()
        with suppress(OSError):
            Spawner(self._home)._close()  # a guard that ends at once, and sweeps up before
        for answer in self._spawning.values():
            if not answer.done():
                answer.set_exception(GuardLost())
        for child in lost:
            child.at_end(GuardLost())

    def _kill_guard(self) -> None:
        """It stands still: the kernel ends its children with it."""
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)  # nobody else has its number, of whose end no note was taken

    def _reap(self) -> None:
        """Take note of the end of the guard, when it has come."""
        if self._pidfd is not None:
            self._loop.add_reader(self._pidfd, self._ended)
        else:
            self._loop.call_later(0.02, self._look)

    def _ended(self) -> None:
        assert self._pidfd is not None
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = None
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)
        self._is_gone()

    def _look(self) -> None:
        with suppress(ChildProcessError):
            if os.waitpid(self._pid, os.WNOHANG) == (0, 0):
                return self._reap()
        return self._is_gone()

    def _is_gone(self) -> None:
        if self._killer is not None:
            self._killer.cancel()
        if self._home.spawner is self:
            self._home.spawner = None
        if not self.gone.done():
            self.gone.set_result(None)


def _copies(descriptors: Sequence[int]) -> list[int]:
    """Descriptors for the same, all of them or none."""
    copied: list[int] = []
    try:
        for fd in descriptors:
            copied.append(os.dup(fd))  # noqa: PERF401  # those that are made have to be known
    except OSError:
        for fd in copied:
            os.close(fd)
        raise
    return copied


def _nobody(_: Ended | GuardLost) -> None:
    """Nobody wants to hear of the end."""
