"""The guard: a small program between a runtime and its child processes, so that none of them is ever left behind.

It is their parent, and on Linux the subreaper of all that they start: whoever they leave behind, in whatever session,
becomes a child of the guard. A child that ends takes those along, and when the runtime ends, however it does, all of them
are ended within `LONGEST` seconds. It is run by its path, and imports the standard library and `_proc.py` alone: it has
to be small.
https://man7.org/linux/man-pages/man2/PR_SET_CHILD_SUBREAPER.2const.html
"""

from __future__ import annotations

import array
import ctypes
import fcntl
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any

if not __package__:  # run by its path: the files of this folder are a package, whose __init__ is not run
    __package__ = "port"
    sys.modules[__package__] = ModuleType(__package__)
    sys.modules[__package__].__path__ = [os.path.dirname(os.path.abspath(__file__))]  # noqa: PTH100, PTH120

from ._proc import (
    LINUX,
    MARK,
    ancestors,
    began,
    children_of,
    family,
    group_of,
    is_zombie,
    mark_of,
    pid_space,
    pidfd_of,
    send,
    send_if,
    sweep,
)

ORDERLY = 1.5
"""Seconds that the children have to end by themselves after their runtime has."""
TERM_GRACE = 0.5
"""Seconds between SIGTERM and SIGKILL for what a child has left behind, and for a child without a runtime."""
LONGEST = 4.5
"""Seconds after which the guard of a runtime that has ended ends, whatever happens."""
TICK = 0.02
"""Seconds between two looks at what is being ended."""
BEGIN = 5.0
"""Seconds in which a program has to begin: its folder and its file may be on a disk that does not answer."""
ROUNDS = 50
"""How often at one time those are looked for that are to be killed: they may go on making new ones meanwhile."""

_SET_DEATH_SIGNAL, _SET_SUBREAPER = 1, 36
_LENGTH = struct.Struct("!I")


class Ward:
    """A child of the guard."""

    def __init__(self, number: int, pid: int, mark: str) -> None:
        self.number, self.pid, self.mark = number, pid, mark
        self.began = began(pid)
        self.ended_at: float | None = None
        self.termed = self.killed = False


class Guard:
    """Starts children when it is told to, and tells when they, and all that they left, are gone."""

    def __init__(self, control: socket.socket, runtime: int) -> None:
        self._control, self._runtime = control, runtime
        self._wards: dict[int, Ward] = {}  # by process id
        self._data = b""
        self._descriptors: list[int] = []
        self._out: deque[tuple[bytes, int | None]] = deque()  # what the runtime has not yet taken
        self._closing_at: float | None = None
        self._prctl: Any = ctypes.CDLL(None, use_errno=True).prctl if LINUX else None
        if self._prctl is not None:
            self._prctl(_SET_SUBREAPER, 1, 0, 0, 0)
        self._wake, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if LINUX else os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            # It ends when its runtime does, and not when somebody ends a whole group of processes. Handlers, unlike
            # ignored signals, are not inherited by what it starts.
            signal.signal(number, _go_on)

    def run(self) -> None:
        """Serve until the runtime has ended and nothing is left."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        runtime = pidfd_of(self._runtime)
        if runtime is not None:
            poll.register(runtime, select.POLLIN)
        if os.getppid() != self._runtime:
            self._close()
        swept = False
        while not self._over():
            busy = self._closing_at is not None or any(w.ended_at is not None for w in self._wards.values())
            found = dict(poll.poll(TICK * 1000 if busy else None if swept else 200))
            if self._wake in found:
                with suppress(BlockingIOError):
                    os.read(self._wake, 4096)
            if self._closing_at is None:
                if found.get(self._control.fileno(), 0) & ~select.POLLOUT:
                    self._read()
                self._flush()
                if runtime is not None and runtime in found:
                    self._close()
                if self._closing_at is not None:
                    poll.unregister(self._control)
                    if runtime is not None:
                        poll.unregister(runtime)
            self._tend(time.monotonic())
            if self._closing_at is None:
                poll.modify(self._control, select.POLLIN | (select.POLLOUT if self._out else 0))
            if not swept and not found:
                swept = True
                sweep()
        if not swept:
            sweep()
        self._kill_all(lambda: family(os.getpid()))

    def _over(self) -> bool:
        if self._closing_at is None:
            return False
        late = time.monotonic() > self._closing_at + LONGEST
        return late or (not self._wards and not family(os.getpid()))

    def _close(self) -> None:
        self._closing_at = time.monotonic()

    # -- what the runtime says

    def _read(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, 65536, 64)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            data, descriptors = b"", []
        for fd in descriptors:
            os.set_inheritable(fd, False)
        self._descriptors += descriptors
        if not data:
            return self._close()
        self._data += data
        while len(self._data) >= 4:
            (length,) = _LENGTH.unpack_from(self._data)
            if len(self._data) < 4 + length:
                return None
            order, self._data = json.loads(self._data[4 : 4 + length]), self._data[4 + length :]
            if "signal" in order:
                self._pass_on(order["number"], order["signal"])
                continue
            count = order["descriptors"]
            fds, self._descriptors = self._descriptors[:count], self._descriptors[count:]
            try:
                self._start(order, fds)
            except Exception as error:
                self._tell({"failed": order["number"], "error": f"{type(error).__name__}: {error}"})
            finally:
                for fd in fds:
                    os.close(fd)
        return None

    def _pass_on(self, number: int, which: int) -> None:
        """A signal for the group of a child. Nobody else has its id, as long as its end was not taken note of."""
        for ward in self._wards.values():
            if ward.number == number:
                send(ward.pid, which, os.killpg)

    def _tell(self, message: dict[str, object], descriptor: int | None = None) -> None:
        body = json.dumps(message).encode()
        self._out.append((_LENGTH.pack(len(body)) + body, descriptor))
        self._flush()

    def _flush(self) -> None:
        """Say what there is to say, as far as the runtime takes it: nobody waits here for one that stands still."""
        while self._out:
            data, fd = self._out[0]
            attached = [] if fd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
            try:
                sent = self._control.sendmsg([data], attached)
            except BlockingIOError:
                return
            except OSError:  # the runtime has gone, which is seen in a moment
                sent = len(data)
            if fd is not None:
                os.close(fd)
            self._out[0] = data[sent:], None
            if sent == len(data):
                self._out.popleft()

    def _start(self, order: dict[str, Any], fds: list[int]) -> None:
        read, write = os.pipe()
        me = os.getpid()
        mark = order["env"][MARK] = f"{order['env'][MARK]}@{pid_space()}"
        try:
            pid = os.fork()
        except OSError:  # there are too many processes
            os.close(read)
            os.close(write)
            raise
        if pid == 0:
            try:
                self._become(order, fds, me)
            except BaseException as error:
                os.write(write, f"{type(error).__name__}: {error}".encode()[:4000])
            finally:
                os._exit(127)
        os.close(write)
        text = _said(read)  # nothing, if the program has begun
        if text:
            send(pid, signal.SIGKILL)  # and note is taken of its end when it has come
            raise RuntimeError(text)
        ward = self._wards[pid] = Ward(order["number"], pid, mark)
        pidfd = pidfd_of(pid)
        self._tell({"spawned": ward.number, "pid": pid, "pidfd": pidfd is not None}, pidfd)

    def _become(self, order: dict[str, Any], fds: list[int], guard: int) -> None:
        """Turn the forked process into what was asked for."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        if self._prctl is not None:
            self._prctl(_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != guard:  # it was faster
                os._exit(127)
        *others, out, err = fds
        sources = [os.open(os.devnull, os.O_RDONLY), out, err, *others]
        for target, fd in enumerate([fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 64) for fd in sources]):
            os.dup2(fd, target)
        for name, (soft, hard) in order["limits"].items():
            kind = getattr(resource, name)
            _, most = resource.getrlimit(kind)
            bound = hard if most == resource.RLIM_INFINITY else min(hard, most)
            resource.setrlimit(kind, (min(soft, bound), bound))
        if order["cwd"] is not None:
            os.chdir(order["cwd"])
        os.execve(order["argv"][0], order["argv"], order["env"])  # noqa: S606  # a list of arguments, and no shell

    # -- who has ended

    def _tend(self, now: float) -> None:
        for ward in list(self._wards.values()):
            if ward.ended_at is not None or is_zombie(ward.pid):
                self._settle(ward, now)
        while (pid := _ended()) is not None:
            if pid not in self._wards:
                os.waitpid(pid, 0)  # whom a child had left behind
                continue
            self._settle(self._wards[pid], now)
            if pid in self._wards:
                break  # what it left is being ended; nobody else has its number until it is taken note of
        if self._closing_at is not None:
            self._end_all(now, self._closing_at)

    def _settle(self, ward: Ward, now: float) -> None:
        """End what a child has left behind, and tell when it is gone."""
        ward.ended_at = now if ward.ended_at is None else ward.ended_at
        waited = now - ward.ended_at
        left = self._left_by(ward)
        if left and waited >= TERM_GRACE:
            send(ward.pid, signal.SIGKILL, os.killpg)
            left = self._kill_all(lambda: self._left_by(ward))
        if left and waited < LONGEST:
            if not ward.termed:
                ward.termed = True
                for pid in left:
                    send_if(pid, signal.SIGTERM, _is_mine)
            return
        send(ward.pid, signal.SIGKILL, os.killpg)  # where nobody is seen he is asked by his group
        _, status, usage = os.wait4(ward.pid, 0)
        del self._wards[ward.pid]
        self._tell(
            {
                "exited": ward.number,
                "status": os.waitstatus_to_exitcode(status),
                "memory": usage.ru_maxrss * (1024 if LINUX else 1),
                "cpu": usage.ru_utime + usage.ru_stime,
                "left": len(left),
            }
        )

    def _left_by(self, ward: Ward) -> list[int]:
        """Whom a child that has ended left behind: by their mark, and if they hide it by being nobody else's, and not older
        than it.
        """
        living = {other.mark for other in self._wards.values() if other is not ward}
        found: list[int] = []
        for pid in children_of(os.getpid()):
            if pid in self._wards or is_zombie(pid):
                continue
            mark = mark_of(pid)
            if mark == ward.mark or (mark not in living and began(pid) >= ward.began):
                found += [pid, *family(pid)]
        return found

    def _kill_all(self, living: Callable[[], list[int]]) -> list[int]:
        """Kill all of these, by their groups, too, of which none is made while it is killed. Returns who is left."""
        kept = {os.getpgrp(), *(ward.pid for ward in self._wards.values() if ward.ended_at is None)}
        for _ in range(ROUNDS):
            left = living()
            for group in {group_of(pid) for pid in left if _is_mine(pid)} - kept - {0}:
                send(group, signal.SIGKILL, os.killpg)
            for pid in left:
                send_if(pid, signal.SIGKILL, _is_mine)
            if not left:
                return []
            self._bury()
        return living()

    def _bury(self) -> None:
        """Take note of the ends of those whom children have left behind."""
        for pid in children_of(os.getpid()):
            if pid not in self._wards and is_zombie(pid):
                os.waitpid(pid, 0)

    def _end_all(self, now: float, since: float) -> None:
        """The runtime has ended: its children see that, too, and have their time; then nobody is asked any more."""
        for ward in self._wards.values():
            if ward.ended_at is None and now >= since + ORDERLY and not ward.termed:
                ward.termed = True
                send(ward.pid, signal.SIGTERM, os.killpg)
            if ward.ended_at is None and now >= since + ORDERLY + TERM_GRACE and not ward.killed:
                ward.killed = True
                send(ward.pid, signal.SIGKILL, os.killpg)
        if not self._wards:
            self._kill_all(lambda: family(os.getpid()))


def _go_on(number: int, frame: object) -> None:
    """A signal came, which wakes the guard up."""


def _is_mine(pid: int) -> bool:
    """Whether a process descends from the guard, as far as that can be seen."""
    return not LINUX or os.getpid() in ancestors(pid)


def _said(pipe: int) -> str:
    """What a program that cannot begin has said; nothing if it has begun."""
    with os.fdopen(pipe, "rb") as failure:
        if not select.select([failure], [], [], BEGIN)[0]:
            return f"it did not begin within {BEGIN:g} s"
        return failure.read().decode(errors="replace")


def _ended() -> int | None:
    """Somebody who has ended, without taking note of it."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return None if found is None else found.si_pid


def _close_inherited() -> None:
    """What the runtime has open for its own programs is neither the guard's nor its children's."""
    try:
        found = [int(name) for name in os.listdir("/dev/fd")]  # noqa: PTH208
    except OSError:
        found = list(range(3, 1024))
    for fd in found:
        if fd > 2:
            with suppress(OSError):
                os.close(fd)


def main() -> None:
    """The program: the runtime's process id as its argument, its orders on descriptor 0."""
    with suppress(OSError):
        os.setsid()  # Ctrl-C is for the runtime
    _close_inherited()
    control = socket.socket(fileno=os.dup(0))
    control.setblocking(False)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    Guard(control, int(sys.argv[1])).run()
    os._exit(0)  # it has nothing to tidy up


if __name__ == "__main__":
    main()
