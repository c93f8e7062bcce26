"""Transports that say when they end: a child process of Axon's own, and any other one, watched."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import mcp_types
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from fastmcp.client.transports import ClientTransport
from fastmcp.client.transports.base import TransportOptions
from mcp import ClientSession
from mcp.shared.message import SessionMessage

from ._child import Child
from ._errors import MCPConnectionLost, MCPProtocolError, MCPServerExited, MCPServerFailed

Incoming = MemoryObjectSendStream[SessionMessage | Exception]
Outgoing = MemoryObjectReceiveStream[SessionMessage]

LONGEST_LINE = 2**26
"""Bytes of a message, at most."""
NOTICE = 0.3
"""Seconds in which a process whose pipe has closed is seen to have ended, too."""


class WatchedTransport(ClientTransport):
    """A transport whose end is known at once, and that can be ended at once."""

    def __init__(self, label: str) -> None:
        self.label: str = label
        self.pid: int | None = None
        self.failed: asyncio.Future[MCPServerFailed] = asyncio.get_running_loop().create_future()

    def failure(self, error: MCPServerFailed) -> None:
        """Something is wrong with the server; the first thing counts."""
        if not self.failed.done():
            self.failed.set_result(error)

    @abstractmethod
    def abort(self) -> None:
        """End it in this very step, as far as that can be: what is left of it ends in the background."""


class ChildTransport(WatchedTransport):
    """An MCP server that is a child process, and talks over its standard input and output."""

    def __init__(self, label: str, command: Sequence[str], env: Mapping[str, str], cwd: str | None) -> None:
        super().__init__(label)
        self._how = (command, env, cwd)
        self._child: Child | None = None

    @property
    def said(self) -> tuple[str, ...]:
        """The last lines of its standard error."""
        return () if self._child is None else tuple(self._child.said)

    def abort(self) -> None:
        if self._child is not None:
            self._child.kill()

    @asynccontextmanager
    async def connect_session(
        self, *, transport_options: TransportOptions | None = None, **session_kwargs: Any
    ) -> AsyncGenerator[ClientSession, None]:
        """A session with a process that lives as long as the block does."""
        self._child = child = await Child.start(*self._how)
        self.pid = child.pid
        incoming, read = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        write, outgoing = anyio.create_memory_object_stream[SessionMessage](0)
        session_class = (transport_options or TransportOptions()).session_class
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._watch, child)
                group.start_soon(self._read, child, incoming)
                group.start_soon(self._write, child, outgoing, incoming)
                try:
                    async with session_class(read, write, **session_kwargs) as session:
                        yield session
                except Exception:
                    await self._look_after(child)  # a session that fails may only be the first to notice
                    raise
                if self.failed.cancel():  # nothing was wrong with it so far, and that it ends now is no failure
                    await child.stop()
                group.cancel_scope.cancel()
        finally:
            self.failed.cancel()
            for stream in (incoming, read, write, outgoing):
                stream.close()
            with anyio.CancelScope(shield=True):
                await child.close()

    async def _look_after(self, child: Child) -> None:
        status = await child.died(NOTICE)
        if status is not None:
            self.failure(MCPServerExited(self.label, status, tuple(child.said)))

    async def _watch(self, child: Child) -> None:
        await asyncio.wait({child.exited})
        await self._look_after(child)

    async def _read(self, child: Child, incoming: Incoming) -> None:
        assert child.stdout is not None
        buffer = bytearray()
        while data := await child.stdout.read(2**16):
            buffer += data
            if b"\n" in data:
                *lines, rest = bytes(buffer).split(b"\n")
                buffer = bytearray(rest)
                for line in lines:
                    if line.strip() and not await self._take(line, incoming):
                        return
            if len(buffer) > LONGEST_LINE:
                self._refuse(bytes(buffer[:200]), incoming)
                return
        incoming.close()
        if await child.died(NOTICE) is None:
            self.failure(MCPServerExited(self.label, None, tuple(child.said)))

    async def _take(self, line: bytes, incoming: Incoming) -> bool:
        try:
            message = mcp_types.jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValueError:
            self._refuse(line, incoming)
            return False
        # When the session is over, what the server still says is read, so that it need not wait to end.
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await incoming.send(SessionMessage(message))
        return True

    def _refuse(self, line: bytes, incoming: Incoming) -> None:
        self.failure(MCPProtocolError(self.label, line[:200].decode(errors="replace")))
        incoming.close()

    async def _write(self, child: Child, outgoing: Outgoing, incoming: Incoming) -> None:
        assert child.stdin is not None
        try:
            async for message in outgoing:
                text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                child.stdin.write(text.encode() + b"\n")
                await child.stdin.drain()
        except (OSError, RuntimeError):  # its pipe is closed: whoever waits for an answer hears of it
            incoming.close()


class OtherTransport(WatchedTransport):
    """Any other transport; it fails when the task that holds its session ends."""

    def __init__(self, inner: ClientTransport, label: str) -> None:
        super().__init__(label)
        self.inner: ClientTransport = inner
        self.legacy_only: bool = inner.legacy_only
        self._task: asyncio.Task[Any] | None = None

    def abort(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def get_session_id(self) -> str | None:
        """That of the transport inside."""
        return self.inner.get_session_id()

    async def close(self) -> None:
        """Close the transport inside."""
        close: Callable[[], Awaitable[None]] = self.inner.close
        await close()

    @asynccontextmanager
    async def connect_session(
        self, *, transport_options: TransportOptions | None = None, **session_kwargs: Any
    ) -> AsyncGenerator[ClientSession, None]:
        """A session of the transport inside."""
        if transport_options is not None:
            session_kwargs["transport_options"] = transport_options
        self._task = asyncio.current_task()
        try:
            async with self.inner.connect_session(**session_kwargs) as session:
                yield session
        except Exception as error:
            self.failure(MCPConnectionLost(self.label, error))
            raise
        finally:
            self.failed.cancel()
