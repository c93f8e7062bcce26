"""One session with an MCP server: the task that enters pydantic-ai's toolset is the one that leaves it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from contextvars import Context
from typing import TYPE_CHECKING, Any

from fastmcp.exceptions import McpError, ToolError
from mcp_types import CONNECTION_CLOSED
from pydantic_ai.exceptions import ApprovalRequired, CallDeferred, ModelRetry, ToolFailed

from ..errors import InvalidOption, UsageError
from ..process import running
from ._errors import MCPConnectionLost, MCPDuplicateTools, MCPServerFailed, MCPServerHung, MCPStartTimeout
from ._source import connection, shown
from ._status import SessionState
from ._transport import ChildTransport

if TYPE_CHECKING:
    from pydantic_ai.mcp import MCPToolset

    from ._server import MCPServer
    from ._transport import WatchedTransport

PROBE_TIMEOUT = 5.0
"""Seconds a server has to list its tools when it is doubted whether it is well."""


class Session:
    """From the start of an MCP server to its end.

    opened: called when it is ready for calls, with the seconds that took. failed: called once, with the reason, if it
    breaks by itself.
    """

    toolset: MCPToolset[Any]
    transport: WatchedTransport | None = None
    tools: tuple[str, ...] = ()
    """The names of its tools, once it is open."""
    reason: Exception | None = None
    """Why it is not open any more, or never was."""

    def __init__(
        self,
        server: MCPServer,
        opened: Callable[[Session, float], None],
        failed: Callable[[Session, Exception], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self._server = server
        self._opened = opened
        self._failed = failed
        self.settled: asyncio.Future[None] = loop.create_future()
        """Done when it is open, or never will be."""
        self._closing: asyncio.Future[None] = loop.create_future()
        context = Context()  # not that of the request that needs it, which it outlives
        context.run(running.set, running.get())
        self._task = loop.create_task(self._live(), context=context)

    @property
    def pid(self) -> int | None:
        """The process id of the server, if it is a child of this program."""
        return None if self.transport is None else self.transport.pid

    @property
    def state(self) -> SessionState:
        """How it is with it."""
        if self.reason is not None:
            return "broken"
        return "open" if self.settled.done() else "opening"

    # -- the task

    async def _live(self) -> None:
        began = self._task.get_loop().time()
        try:
            async with AsyncExitStack() as stack:
                self.tools = await self._open(stack)
                self.settled.set_result(None)
                self._opened(self, self._task.get_loop().time() - began)
                await self._end()
        except Exception as error:
            if not self._closing.done():  # what goes wrong at an end that was asked for changes nothing
                self.fail(error if self.transport is None else self._named(error))
        finally:
            if not self.settled.done():  # it was ended before it was open
                self.reason = self.reason or MCPConnectionLost(self.label)
                self.settled.set_result(None)

    async def _end(self) -> None:
        """Wait until it is to end, or breaks."""
        assert self.transport is not None
        either: set[asyncio.Future[Any]] = {self.transport.failed, self._closing}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if self.transport.failed.done() and not self.transport.failed.cancelled():
            self.fail(self.transport.failed.result())

    async def _open(self, stack: AsyncExitStack) -> tuple[str, ...]:
        server = self._server
        limit = asyncio.timeout(server.start_timeout)
        try:
            async with limit:
                self.toolset, self.transport = connection(server.server, server.env, server.cwd)
                await stack.enter_async_context(self.toolset)
                # Calls that are under way hold the session open, too; its end is here all the same.
                stack.push_async_callback(self.toolset.client.close)
                if not self.toolset.is_running:
                    raise InvalidOption(
                        "server", self.toolset, "a toolset with fixed auth and headers: one session is for all runs"
                    )
                names = [tool.name for tool in await self.toolset.list_tools()]
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise MCPStartTimeout(self.label, server.start_timeout, self._said()) from error
        twice = [name for name, times in Counter(names).items() if times > 1]
        if twice:
            raise MCPDuplicateTools(self.label, twice)
        return tuple(names)

    @property
    def label(self) -> str:
        """What it runs or talks to."""
        return shown(self._server.server) if self.transport is None else self.transport.label

    def _said(self) -> tuple[str, ...]:
        return self.transport.said if isinstance(self.transport, ChildTransport) else ()

    def _named(self, error: Exception) -> Exception:
        """What broke it, by its name: the transport knows, or it is inside what fastmcp made of it."""
        if self.transport is not None and self.transport.failed.done() and not self.transport.failed.cancelled():
            return self.transport.failed.result()
        inner: BaseException | None = error
        while inner is not None and not isinstance(inner, MCPServerFailed | UsageError):
            inner = inner.__cause__
        return inner if isinstance(inner, Exception) else MCPConnectionLost(self.label, error)

    # -- what its owner does

    def fail(self, reason: Exception) -> None:
        """It is broken. The first reason counts."""
        if self.reason is not None or self._closing.done():
            return
        self.reason = reason
        if not self.settled.done():
            self.settled.set_result(None)
        if self.transport is not None and isinstance(reason, MCPServerFailed):
            self.transport.failure(reason)  # which ends it without ceremony
        self._failed(self, reason)

    async def why(self, error: BaseException) -> Exception:
        """What broke it, after a call has failed with a closed connection."""
        if self.transport is not None:
            either: set[asyncio.Future[Any]] = {self.transport.failed, self._task}
            await asyncio.wait(either, timeout=1, return_when=asyncio.FIRST_COMPLETED)
        if self.reason is None:
            found = self._named(MCPConnectionLost(self.label, error))
            self.fail(found)
        return self.reason or MCPConnectionLost(self.label, error)

    async def is_well(self) -> bool:
        """Whether it still lists its tools; if not it is broken."""
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                await self.toolset.client.list_tools()
        except TimeoutError:
            self.fail(MCPServerHung(self.label, PROBE_TIMEOUT))
        except Exception as error:
            if is_closed(error) or not isinstance(error, McpError):
                await self.why(error)
        return self.reason is None

    async def close(self) -> None:
        """End it in order, and wait until it has ended."""
        if not self._closing.done():
            self._closing.set_result(None)
        if not self.settled.done():
            self._task.cancel()
        await asyncio.wait({self._task})

    def abort(self) -> None:
        """End it now: its process is killed in this step."""
        if not self._closing.done():
            self._closing.set_result(None)
        if self.transport is not None:
            self.transport.abort()
        self._task.cancel()


def is_closed(error: BaseException | None) -> bool:
    """Whether an error of a call says that the connection is closed."""
    while error is not None:
        if isinstance(error, McpError) and error.error.code == CONNECTION_CLOSED:
            return True
        group: tuple[BaseException, ...] = getattr(error, "exceptions", ())
        if any(map(is_closed, group)):
            return True
        error = error.__cause__
    return False


def is_expected(error: Exception) -> bool:
    """Whether an error of a call is what a server that is well may answer; others make one doubt that it is."""
    return isinstance(error, ModelRetry | ToolFailed | ApprovalRequired | CallDeferred | ToolError | McpError)
