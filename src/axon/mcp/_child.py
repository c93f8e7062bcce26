"""The process of an MCP server: the leader of a session of its own, which is ended as a whole."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, SubprocessStreamProtocol
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Self

from mcp.client.stdio import get_default_environment

from ._errors import MCPCommandNotFound

STOP_GRACE = 1.0
"""Seconds a server has to end after its input was closed, and again after SIGTERM, before it is killed."""
LAST_LINES = 20
"""Lines of its standard error that are kept."""


class Child(SubprocessStreamProtocol):
    """One process with its pipes. All that it starts and leaves in its process group ends with it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=2**16, loop=loop)
        self.exited: asyncio.Future[int] = loop.create_future()
        self.said: deque[str] = deque(maxlen=LAST_LINES)
        self.listening: asyncio.Task[None] | None = None
        self._made: asyncio.SubprocessTransport | None = None
        self._gone = False

    @classmethod
    async def start(cls, command: Sequence[str], env: Mapping[str, str], cwd: str | None) -> Self:
        """Start `command`; raises `MCPCommandNotFound`.

        It inherits only what MCP servers are known to need (PATH, HOME, USER …), and what `env` says.
        """
        loop = asyncio.get_running_loop()
        try:
            _, child = await loop.subprocess_exec(
                lambda: cls(loop),
                *command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                env=get_default_environment() | dict(env),
                cwd=cwd,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise MCPCommandNotFound(command[0], str(error)) from error
        child.listening = asyncio.create_task(child._listen())
        return child

    @property
    def pid(self) -> int:
        """Its process id, which is also that of its session and group."""
        return self._open.get_pid()

    @property
    def _open(self) -> asyncio.SubprocessTransport:
        assert self._made is not None, "a child is used after it was started"
        return self._made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It runs."""
        super().connection_made(transport)
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._made = transport

    def process_exited(self) -> None:
        """It has ended: with it goes what it started, though that may still hold its pipes."""
        super().process_exited()
        status = self._open.get_returncode()
        if not self.exited.done():
            self.exited.set_result(-1 if status is None else status)
        self.kill()

    async def _listen(self) -> None:
        """Read its standard error, so that it never has to wait for somebody to do so."""
        assert self.stderr is not None
        rest = b""
        while data := await self.stderr.read(2**16):
            *lines, rest = (rest + data).split(b"\n")
            self.said.extend(line.decode(errors="replace")[:500] for line in lines if line.strip())
            rest = rest[-2000:]
        if rest.strip():
            self.said.append(rest.decode(errors="replace")[:500])

    async def died(self, within: float) -> int | None:
        """Its exit status, if it ends within so many seconds, with what it last said."""
        await asyncio.wait({self.exited}, timeout=within)
        if not self.exited.done():
            return None
        if self.listening is not None:
            await asyncio.wait({self.listening}, timeout=0.1)
        return self.exited.result()

    async def stop(self) -> None:
        """End it in order: close its input, then SIGTERM, then SIGKILL for what is left, each after `STOP_GRACE`."""
        stdin = self._open.get_pipe_transport(0)
        if stdin is not None:
            stdin.close()
        if await self.died(STOP_GRACE) is None:
            self._signal(signal.SIGTERM)
            await self.died(STOP_GRACE)

    def kill(self) -> None:
        """End it and what is left of its group, now."""
        if hasattr(signal, "SIGKILL"):
            self._signal(signal.SIGKILL)
        elif not self.exited.done():
            self._open.kill()

    async def close(self) -> None:
        """Kill what is left, and let go of its pipes."""
        self.kill()
        try:
            await self.died(STOP_GRACE)
        finally:
            self._gone = True
            self._open.close()
            if self.listening is not None:
                self.listening.cancel()

    def _signal(self, number: int) -> None:
        if not self._gone and hasattr(os, "killpg"):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)  # the group keeps its number as long as anybody is in it
