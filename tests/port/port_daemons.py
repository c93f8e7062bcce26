"""A server that leaves processes behind which are hard to find, or to end. Each of them ends by itself after 20 s."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from axon import GenServer, call

COMET = """
import os, time
end = time.monotonic() + 20
while time.monotonic() < end:
    if os.fork():
        os._exit(0)
    os.setsid()
"""
"""It is always another process, in another session."""
SPRING = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
end = time.monotonic() + 20
while time.monotonic() < end:
    if os.fork() == 0:
        time.sleep(20)
        os._exit(0)
    time.sleep(0.002)
"""
"""It makes new processes all the time, and none of them ends when it is asked to."""


def open_files(pid: int | str = "self") -> list[str]:
    """What a process has open, by its names."""
    found: list[str] = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # the descriptor of this very look
            found.append(str(entry.readlink()))
    return found


class Breeder(GenServer[None]):
    def init(self) -> None: ...

    @call
    def breed(self, state: None, *, code: str) -> None:
        subprocess.Popen([sys.executable, "-I", "-S", "-c", code], stdin=subprocess.DEVNULL)

    @call
    def leave_daemon(self, state: None) -> int:
        """One that hides whose it is: it has no parent, a session of its own, and an empty environment."""
        line = "env -i sleep 20 >/dev/null 2>&1 & echo $!"
        done = subprocess.run(
            ["/bin/sh", "-c", line], capture_output=True, text=True, check=True, start_new_session=True
        )
        return int(done.stdout)

    @call
    def blocked(self, state: None) -> list[int]:
        return sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ()))

    @call
    def open_files(self, state: None) -> list[str]:
        return open_files()

    @call
    def die(self, state: None) -> None:
        os._exit(1)
