"""What the system says of processes, and signals to those that are meant; of the guard, too, which has only this file."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

MARK = "AXON_PORT_MARK"
"""The environment variable that says whose a process is: `<pid>-<start>-<random>.<number>@<pids>`: its program, its port,
and the kernel's name of the space in which that process id holds.
"""
LINUX = sys.platform == "linux"


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


def is_zombie(pid: int) -> bool:
    """Whether it has ended, and nobody has taken note of it."""
    return stat_of(pid)[:1] in (["Z"], ["X"])


def parent_of(pid: int) -> int:
    """0 if it has none that is seen here."""
    return int([*stat_of(pid), "0", "0"][1])


def group_of(pid: int) -> int:
    """Its process group, 0 if it is gone."""
    return int([*stat_of(pid), "0", "0", "0"][2])


def began(pid: int) -> int:
    """When it did, in ticks of the system's clock; 0 if it is gone."""
    return int([*stat_of(pid), *["0"] * 20][19])


def ancestors(pid: int) -> list[int]:
    """Its parent, the parent of that, and so on."""
    found: list[int] = []
    while (pid := parent_of(pid)) > 0 and pid not in found:
        found.append(pid)
    return found


def children_of(pid: int) -> list[int]:
    """The processes that a process is the parent of now."""
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
            found += map(int, read(f"/proc/{pid}/task/{task}/children").split())
    except OSError as error:
        if error.errno == errno.ENOENT and os.path.exists(f"/proc/{pid}"):  # noqa: PTH110
            return [other for other in all_pids() if stat_of(other)[1:2] == [str(pid)]]
    return found


def family(pid: int) -> list[int]:
    """All that descend from a process, its children first."""
    found = dict.fromkeys(children_of(pid))
    look_at = list(found)
    while look_at:
        new = [child for child in children_of(look_at.pop()) if child not in found]
        found |= dict.fromkeys(new)
        look_at += new
    return list(found)


def mark_of(pid: int) -> str | None:
    """Whose a process is, as its environment says."""
    try:
        entries = read(f"/proc/{pid}/environ").split(b"\0")
    except OSError:
        return None
    start = f"{MARK}=".encode()
    return next((entry[len(start) :].decode(errors="replace") for entry in entries if entry.startswith(start)), None)


def pid_space() -> str:
    """The name of the space of process ids that this process is in: containers have their own."""
    with suppress(OSError):
        return os.readlink("/proc/self/ns/pid").strip("pid:[]")  # noqa: PTH115
    return ""


def all_pids() -> list[int]:
    """Those of all processes that are seen here."""
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208
    except OSError:
        return []


def pidfd_of(pid: int) -> int | None:
    """A descriptor of the process, None if it is gone or the system has none."""
    if hasattr(os, "pidfd_open"):
        with suppress(OSError):
            return os.pidfd_open(pid)
    return None


def send(pid: int, number: int, by: Callable[[int, int], None] = os.kill) -> None:
    """A signal, to a process that cannot be another one by now; nothing happens if it is gone."""
    with suppress(ProcessLookupError, PermissionError):
        by(pid, number)


def send_if(pid: int, number: signal.Signals, still: Callable[[int], bool]) -> None:
    """A signal, if the process that has this id is still the one that is meant: also if it changes hands meanwhile."""
    fd = pidfd_of(pid)
    try:
        if still(pid):
            if fd is None:
                send(pid, number)
            else:
                send(fd, number, signal.pidfd_send_signal)
    finally:
        if fd is not None:
            os.close(fd)


def sweep() -> list[int]:
    """End those who have lost their guard, which was killed, and that of no other one. Returns whom."""
    left = others()
    for _ in range(3):  # one whose parent ends just now is seen without a guard, and has one at the next look
        left = [pid for pid in left if is_lost(pid)]
    for pid in left:
        send_if(pid, signal.SIGKILL, is_lost)
    return left


def others() -> list[int]:
    """All processes but this one and whom it descends from: a program that was itself left behind is not ended by the
    guard of its own children.
    """
    own = {os.getpid(), *ancestors(os.getpid())}
    return [pid for pid in all_pids() if pid not in own]


def is_lost(pid: int) -> bool:
    """Whether a process is one that a guard has started, and no longer has one. Those of another space of process ids,
    as containers have, may have guards that are not seen here.
    """
    return (mark_of(pid) or "").endswith(f"@{pid_space()}") and not _has_guard(pid)


def _has_guard(pid: int) -> bool:
    """Whether a process still has somebody above it who ends it."""
    while pid > 1:
        try:
            if b"/port/_guard.py\0" in read(f"/proc/{pid}/cmdline"):
                return True
        except OSError:
            return False
        pid = parent_of(pid)
    return False
