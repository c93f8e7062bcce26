"""The guard: a small program between a runtime and its child processes, so that none of them is ever left behind.

It is their parent, and on Linux the subreaper of all that they start: whoever they leave behind, in whatever session,
becomes a child of the guard. A child that ends takes those along, and when the runtime ends, however it does, all of them
are ended within `LONGEST` seconds. It is run by its path, and imports the standard library alone: it has to be small.
https://man7.org/linux/man-pages/man2/PR_SET_CHILD_SUBREAPER.2const.html
"""

from __future__ import annotations

import array
import ctypes
import errno
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
from collections.abc import Callable
from contextlib import suppress
from typing import Any

ORDERLY = 1.5
"""Seconds that the children have to end by themselves after their runtime has."""
TERM_GRACE = 0.5
"""Seconds between SIGTERM and SIGKILL for what a child has left behind, and for a child without a runtime."""
LONGEST = 4.5
"""Seconds after which the guard of a runtime that has ended ends, whatever happens."""
TICK = 0.02
"""Seconds between two looks at what is being ended."""

MARK = "AXON_PORT_MARK"
"""The environment variable that says whose a process is: `<pid>-<start>-<random>.<number>`, its program and its port."""
_LINUX = sys.platform == "linux"
_SET_DEATH_SIGNAL, _SET_SUBREAPER = 1, 36
_LENGTH = struct.Struct("!I")


class Ward:
    """A child of the guard."""

    def __init__(self, number: int, pid: int, mark: str) -> None:
        self.number, self.pid, self.mark = number, pid, mark
        self.ended_at: float | None = None
        self.termed = self.killed = False


class Guard:
    """Starts children when it is told to, and tells when they, and all that they left, are gone."""

    def __init__(self, control: socket.socket, runtime: int) -> None:
        self._control, self._runtime = control, runtime
        self._wards: dict[int, Ward] = {}  # by process id
        self._data = b""
        self._descriptors: list[int] = []
        self._closing_at: float | None = None
        self._prctl: Any = ctypes.CDLL(None, use_errno=True).prctl if _LINUX else None
        if self._prctl is not None:
            self._prctl(_SET_SUBREAPER, 1, 0, 0, 0)
        self._wake, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if _LINUX else os.pipe()
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
        runtime = _pidfd(self._runtime)
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
                if self._control.fileno() in found:
                    self._read()
                if runtime is not None and runtime in found:
                    self._close()
                if self._closing_at is not None:
                    poll.unregister(self._control)
                    if runtime is not None:
                        poll.unregister(runtime)
            self._tend(time.monotonic())
            if not swept and not found:
                swept = True
                sweep()
        if not swept:
            sweep()
        for pid in family(os.getpid()):
            _signal(pid, signal.SIGKILL)

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

    def _tell(self, message: dict[str, object], descriptors: tuple[int, ...] = ()) -> None:
        body = json.dumps(message).encode()
        attached = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        with suppress(OSError):  # the runtime has gone, which is seen in a moment
            self._control.setblocking(True)
            self._control.sendmsg([_LENGTH.pack(len(body)) + body], attached)
        self._control.setblocking(False)

    def _start(self, order: dict[str, Any], fds: list[int]) -> None:
        read, write = os.pipe()
        me = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                self._become(order, fds, me)
            except BaseException as error:
                os.write(write, f"{type(error).__name__}: {error}".encode()[:4000])
            finally:
                os._exit(127)
        os.close(write)
        with os.fdopen(read, "rb") as failure:
            text = failure.read()  # ends when the program has begun
        ward = self._wards[pid] = Ward(order["number"], pid, order["env"][MARK])
        if text:
            os.waitpid(pid, 0)
            del self._wards[pid]
            raise RuntimeError(text.decode(errors="replace"))
        pidfd = _pidfd(pid)
        self._tell({"spawned": ward.number, "pid": pid}, () if pidfd is None else (pidfd,))
        if pidfd is not None:
            os.close(pidfd)

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
            if ward.ended_at is not None or _is_zombie(ward.pid):
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
        left = self._left_by(ward)
        waited = now - ward.ended_at
        if left and waited < LONGEST:
            kill = waited >= TERM_GRACE
            if not ward.termed or kill:
                ward.termed = True
                for pid in left:
                    _signal(pid, signal.SIGKILL if kill else signal.SIGTERM)
            return
        if not _LINUX:  # who is left there can only be asked by its group
            _signal(ward.pid, signal.SIGKILL, os.killpg)
        _, status, usage = os.wait4(ward.pid, 0)
        del self._wards[ward.pid]
        self._tell(
            {
                "exited": ward.number,
                "status": os.waitstatus_to_exitcode(status),
                "memory": usage.ru_maxrss * (1024 if _LINUX else 1),
                "cpu": usage.ru_utime + usage.ru_stime,
                "left": len(left),
            }
        )

    def _left_by(self, ward: Ward) -> list[int]:
        """Whom a child that has ended left behind: by their mark, and if they hide it by being nobody else's."""
        living = {other.mark for other in self._wards.values() if other is not ward}
        found: list[int] = []
        for pid in children_of(os.getpid()):
            if pid not in self._wards and not _is_zombie(pid) and mark_of(pid) not in living:
                found += [pid, *family(pid)]
        return found

    def _end_all(self, now: float, since: float) -> None:
        """The runtime has ended: its children see that, too, and have their time; then nobody is asked any more."""
        for ward in self._wards.values():
            if ward.ended_at is None and now >= since + ORDERLY and not ward.termed:
                ward.termed = True
                _signal(ward.pid, signal.SIGTERM, os.killpg)
            if ward.ended_at is None and now >= since + ORDERLY + TERM_GRACE and not ward.killed:
                ward.killed = True
                _signal(ward.pid, signal.SIGKILL, os.killpg)
        if not self._wards:
            for pid in family(os.getpid()):
                _signal(pid, signal.SIGKILL)


def _go_on(number: int, frame: object) -> None:
    """A signal came, which wakes the guard up."""


# -- processes


def _pidfd(pid: int) -> int | None:
    if not hasattr(os, "pidfd_open"):
        return None
    with suppress(OSError):
        return os.pidfd_open(pid)
    return None


def _ended() -> int | None:
    """Somebody who has ended, without taking note of it."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return None if found is None else found.si_pid


def _signal(pid: int, number: signal.Signals, send: Callable[[int, int], None] = os.kill) -> None:
    with suppress(ProcessLookupError, PermissionError):
        send(pid, number)


def read(path: str) -> bytes:
    """A file of /proc, which is small and at hand."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = b""
        while data := os.read(fd, 65536):
            found += data
        return found
    finally:
        os.close(fd)


def stat_of(pid: int) -> list[str]:
    """What the system says of a process, from its state on; empty if it is gone."""
    try:
        return read(f"/proc/{pid}/stat").rpartition(b")")[2].decode().split()
    except OSError:
        return []


def _is_zombie(pid: int) -> bool:
    return stat_of(pid)[:1] in (["Z"], ["X"])


def children_of(pid: int) -> list[int]:
    """The processes that a process is the parent of now."""
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
            found += map(int, read(f"/proc/{pid}/task/{task}/children").split())
    except OSError as error:
        if error.errno == errno.ENOENT and os.path.exists(f"/proc/{pid}"):  # noqa: PTH110
            return [other for other in _all_pids() if stat_of(other)[1:2] == [str(pid)]]
    return found


def family(pid: int) -> list[int]:
    """All that descend from a process, its children first."""
    found = children_of(pid)
    for one in found:
        found += children_of(one)
    return found


def mark_of(pid: int) -> str | None:
    """Whose a process is, as its environment says."""
    try:
        entries = read(f"/proc/{pid}/environ").split(b"\0")
    except OSError:
        return None
    start = f"{MARK}=".encode()
    return next((entry[len(start) :].decode(errors="replace") for entry in entries if entry.startswith(start)), None)


def _all_pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208
    except OSError:
        return []


def sweep() -> list[int]:
    """End those who have lost their guard, which was killed, and that of no other one. Returns whom."""
    left = [pid for pid in _all_pids() if pid != os.getpid() and mark_of(pid) is not None]
    for _ in range(3):  # one whose parent ends just now is seen without a guard, and has one at the next look
        left = [pid for pid in left if not _has_guard(pid)]
    for pid in left:
        _signal(pid, signal.SIGKILL)
    return left


def _has_guard(pid: int) -> bool:
    """Whether a process still has somebody above it who ends it."""
    while pid > 1:
        try:
            if b"/_guard.py\0" in read(f"/proc/{pid}/cmdline"):
                return True
        except OSError:
            return False
        pid = int([*stat_of(pid), "0", "0"][1])
    return False


def main() -> None:
    """The program: the runtime's process id as its argument, its orders on descriptor 0."""
    with suppress(OSError):
        os.setsid()  # Ctrl-C is for the runtime
    control = socket.socket(fileno=os.dup(0))
    control.setblocking(False)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    Guard(control, int(sys.argv[1])).run()
    os._exit(0)  # it has nothing to tidy up


if __name__ == "__main__":
    main()
