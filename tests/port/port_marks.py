"""What this program has started, as the system sees it."""

from __future__ import annotations

import os
import time
from pathlib import Path

from axon.port._proc import family, mark_of, stat_of
from axon.port._spawner import owner_of


def marked(owner: int | None = None) -> set[int]:
    """The processes that ports of a program have started, and their guards; default of this one."""
    mine = owner is None
    pid = os.getpid() if owner is None else owner
    start = f"{owner_of(pid)}-" if mine else f"{pid}-"
    found = {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    theirs = {one for one in found if (mark_of(one) or "").startswith(start)}
    return theirs | (set(family(pid)) if mine else set())


def descriptors() -> list[str]:
    """What is open here: pipes, sockets and process descriptors by their kind, files by their names.

    Not the locks of environments, which are theirs who manage them, and those are forgotten in their own time.
    """
    found: list[str] = []
    for fd in Path("/proc/self/fd").iterdir():
        try:
            name = str(fd.readlink())
        except FileNotFoundError:
            continue
        kind = name.partition(":")[0]
        if name.endswith(".use"):
            continue
        found.append(kind if kind in ("pipe", "socket", "anon_inode") else name)
    return sorted(found)


def is_alive(pid: int) -> bool:
    state = stat_of(pid)[:1]
    return bool(state) and state[0] not in "ZX"


def gone_within(pids: list[int], seconds: float) -> bool:
    """Whether all of these end in time."""
    due = time.monotonic() + seconds
    while any(map(is_alive, pids)):
        if time.monotonic() > due:
            return False
        time.sleep(0.01)
    return True
