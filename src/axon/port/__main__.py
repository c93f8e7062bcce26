"""The program of child processes: of an isolated server if a port has started it, without arguments, and otherwise this one:

    python -m axon.port agents.example_agent --http 0 --model test

It serves an agent by the protocol of the gateway. That is a later room, so its program is run by its name: nothing in this
room depends on what stands there.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import runpy
import socket
import sys

from ._proc import MARK

CHANNEL, HEARTBEAT = 3, 4
SERVICE = "axon.gateway.service"
"""The program of an agent that stays a plain service."""


async def live() -> None:
    """Serve the runtime at the other end of the channel."""
    from ._child import Child

    child = Child(HEARTBEAT)
    channel = socket.socket(fileno=CHANNEL)
    await asyncio.get_running_loop().create_unix_connection(lambda: child, sock=channel)
    await child.live()


def main() -> None:
    """Run until the server has ended, or the runtime is gone."""
    if MARK in os.environ:
        os.environ.pop("PYTHONPATH", None)  # it was for this interpreter
    if MARK not in os.environ or len(sys.argv) > 1:
        runpy.run_module(SERVICE, run_name="__main__", alter_sys=True)
        return
    for fd in (CHANNEL, HEARTBEAT):
        os.set_inheritable(fd, False)
    faulthandler.enable()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # they are those of the interpreter
    asyncio.run(live())


if __name__ == "__main__":
    main()
