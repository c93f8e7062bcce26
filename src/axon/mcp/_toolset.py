"""What an agent has of an MCP server: a toolset of pydantic-ai's that borrows it for each run."""

from __future__ import annotations

import asyncio
import math
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from pydantic_ai.exceptions import ToolFailed
from pydantic_ai.messages import InstructionPart
from pydantic_ai.tools import RunContext
from pydantic_ai.toolsets import AbstractToolset, ToolsetTool

from ..errors import DeadlineExceeded, InvalidOption, NoProcess
from ..process import deadline_at, running
from ..registry import lookup
from ..server import GenServer, checked_name
from ._ask import LOOK_AGAIN
from ._errors import MCPServerError, MCPUnavailable
from ._job import Ask, Lease, Lend, Return
from ._server import PATIENCE, MCPServer

if TYPE_CHECKING:
    from pydantic_ai.mcp import MCPToolset


@dataclass(frozen=True)
class _Listing:
    """What a server said it has."""

    tools: dict[str, ToolsetTool[Any]]
    instructions: InstructionPart | None


class BorrowedToolset(AbstractToolset[Any]):
    """The tools of a shared MCP server, for any pydantic-ai agent: `Agent(toolsets=[BorrowedToolset("files")])`.

    server: the handle of a started `MCPServer`, or the name it is registered under; a name is looked up when a run
    needs it, so that agents can be made before anything is started. prefix: `fs` makes a tool `read` of the server
    `fs_read` for the model, default none: for servers whose tools have the same names, which pydantic-ai refuses when
    a run begins. id: as of all toolsets, default the name.

    Each run has a lease of its own, from its beginning to its end or to the death of its process, whichever is first.
    A call that did not come to its end is told to the model as a failure of the tool (`ToolFailed`), with the text of
    `MCPCallLost`, `MCPCallTimeout` or `MCPUnavailable`; the run goes on. One of a tool that its server declares
    `readOnlyHint` or `idempotentHint` is made once more first, and in a durable agent after a crash (such tools have
    `metadata["idempotent"]`). A run that has seen the tools keeps them while the server is away; one that begins then
    waits for it, and raises `MCPUnavailable` when its `patience` ends. Raises `InvalidOption`.
    https://ai.pydantic.dev/toolsets/
    """

    def __init__(self, server: MCPServer | str, *, prefix: str | None = None, id: str | None = None) -> None:
        if isinstance(server, type) or not isinstance(server, MCPServer | str) or not server:
            raise InvalidOption("server", server, "the handle of a started MCPServer, or its registered name")
        if isinstance(server, MCPServer) and not _is_started(server):
            raise InvalidOption("server", server, "started: give its registered name, to make agents before it is")
        if prefix is not None and (not isinstance(prefix, str) or not re.fullmatch(r"[A-Za-z0-9_-]+", prefix)):
            raise InvalidOption("prefix", prefix, "letters, digits, _ and -, or None")
        self._server: MCPServer | str = server
        self._handle: MCPServer | None = server if isinstance(server, MCPServer) else None
        self._prefix = prefix
        self._id = checked_name(id, "id") or (server if isinstance(server, str) else None)
        self._leases: list[Lease] = []
        self._known: _Listing | None = None

    @property
    def id(self) -> str | None:
        """What it is called among the toolsets of an agent."""
        return self._id

    @property
    def tool_name_conflict_hint(self) -> str:
        """What pydantic-ai says when two toolsets have a tool of one name."""
        return "Give one of them a prefix: BorrowedToolset(server, prefix='...')."

    # -- leases

    async def for_run(self, ctx: RunContext[Any]) -> BorrowedToolset:
        """One for this run alone, with its lease."""
        return BorrowedToolset(self._server, prefix=self._prefix, id=self._id)

    async def __aenter__(self) -> Self:
        lease = Lease(running.get())
        self._leases.append(lease)
        server = self._found()
        if server is not None:
            server._tell(Lend(lease))
        return self

    async def __aexit__(self, *args: object) -> None:
        lease = self._leases.pop()
        server = self._found()
        if server is not None:
            server._tell(Return(lease))

    def _found(self) -> MCPServer | None:
        if self._handle is None:
            with suppress(NoProcess):
                self._handle = lookup(MCPServer, self._server)
        return self._handle

    async def _there(self) -> MCPServer:
        """The handle behind the name, which somebody may be about to register again."""
        name, loop = self._server, asyncio.get_running_loop()
        due, until = deadline_at.get(), loop.time() + PATIENCE
        while (server := self._found()) is None:
            if due is not None and loop.time() >= due:
                raise DeadlineExceeded(str(name))
            if loop.time() >= until:
                raise MCPUnavailable(str(name), PATIENCE, NoProcess(str(name), "nobody holds this name"))
            await asyncio.sleep(LOOK_AGAIN)
        return server

    # -- what pydantic-ai asks of it

    async def get_tools(self, ctx: RunContext[Any]) -> dict[str, ToolsetTool[Any]]:
        """The tools of the server as it is now; while it is away, those that were there before."""
        listing = await self._list(ctx)
        return {(name := self._called(tool)): self._mine(name, tool) for tool in listing.tools.values()}

    async def get_instructions(self, ctx: RunContext[Any]) -> InstructionPart | None:
        """Those of the server, if its toolset is made with `include_instructions`."""
        return (self._known or await self._list(ctx)).instructions

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: ToolsetTool[Any]
    ) -> Any:
        """Call a tool of the server; what went wrong with the server is told to the model."""
        plain = name if self._prefix is None else name.removeprefix(f"{self._prefix}_")
        inner_ctx = replace(ctx, tool_name=plain)
        inner = replace(tool, tool_def=replace(tool.tool_def, name=plain))

        async def work(toolset: MCPToolset[Any]) -> Any:
            return await toolset.call_tool(plain, tool_args, inner_ctx, replace(inner, toolset=toolset))

        ask = Ask(plain, work, self._leases[-1] if self._leases else None)
        again = 1 if (tool.tool_def.metadata or {}).get("idempotent") else 0
        try:
            server = await self._there()
            return await server._ask(ask, again=again)
        except MCPServerError as error:
            raise ToolFailed(str(error)) from error

    async def _list(self, ctx: RunContext[Any]) -> _Listing:
        async def work(toolset: MCPToolset[Any]) -> _Listing:
            return _Listing(await toolset.get_tools(ctx), await toolset.get_instructions(ctx))

        ask = Ask("list_tools", work, self._leases[-1] if self._leases else None, takes_turn=False)
        server = await self._there()
        listing: _Listing
        if self._known is None:
            listing = await server._ask(ask, again=math.inf)
        else:
            listing = await server._ask_once(ask) or self._known
        self._known = listing
        return listing

    def _called(self, tool: ToolsetTool[Any]) -> str:
        name = tool.tool_def.name
        return name if self._prefix is None else f"{self._prefix}_{name}"

    def _mine(self, name: str, tool: ToolsetTool[Any]) -> ToolsetTool[Any]:
        metadata = tool.tool_def.metadata or {}
        hints: dict[str, object] = metadata.get("annotations") or {}
        if hints.get("readOnlyHint") or hints.get("idempotentHint"):
            metadata = {**metadata, "idempotent": True}
        return replace(tool, toolset=self, tool_def=replace(tool.tool_def, name=name, metadata=metadata))


def _is_started(server: GenServer[Any]) -> bool:
    return server._axon_slot is not None
