"""The program of a child process: `python -m axon.port`, started by a port and by nobody else."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import socket
import sys

from ._child import Child
from ._proc import MARK

CHANNEL, HEARTBEAT = 3, 4


async def live() -> None:
    """Serve the runtime at the other end of the channel."""
    child = Child(HEARTBEAT)
    channel = socket.socket(fileno=CHANNEL)
    await asyncio.get_running_loop().create_unix_connection(lambda: child, sock=channel)
    await child.live()


def main() -> None:
    """Run until the server has ended, or the runtime is gone."""
    if MARK not in os.environ:
        sys.exit("python -m axon.port is started by axon.port.isolated(...), which gives it a channel")
    for fd in (CHANNEL, HEARTBEAT):
        os.set_inheritable(fd, False)
    os.environ.pop("PYTHONPATH", None)  # it was for this interpreter
    faulthandler.enable()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # they are those of the interpreter
    asyncio.run(live())


if __name__ == "__main__":
    main()
