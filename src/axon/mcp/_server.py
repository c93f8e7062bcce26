"""The owner of an MCP server."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import InvalidOption, NoProcess, ServerDied, WrongLoop
from ..process import Down, ExitReason, checked_seconds, current, running, send
from ..registry import whereis
from ..server import GenServer, Reply, ServerProcess, Status, Stop, call
from ._ask import patiently
from ._errors import MCPUnavailable
from ._job import Ask, Broke, GiveUp, Idle, Lease, Lend, Return
from ._owner import Owner
from ._source import Source, check_command, checked_source
from ._status import MCPStatus

if TYPE_CHECKING:
    from mcp_types import Tool
    from pydantic_ai.mcp import MCPToolset

START_TIMEOUT = 30.0
"""Seconds a server may take to be ready, unless told otherwise."""
CALL_TIMEOUT = 120.0
"""Seconds a call of a tool may take, unless told otherwise."""
PATIENCE = 10.0
"""Seconds that a call waits for a restart, unless told otherwise."""
MAX_CALLS = 32
"""Calls that are under way at the same time, unless told otherwise."""


@dataclass
class _Starts:
    """How often one spec was started."""

    count: int = 0


class MCPServer(GenServer[Owner]):
    """An MCP server as a supervised resource: one owner, which many agents borrow it from.

        files = MCPServer(["uvx", "mcp-server-files", "/srv"])
        agent = Agent("openai:gpt-5.2", toolsets=[BorrowedToolset("files")])      # any pydantic-ai agent

        async with Supervisor([child(files, name="files", backoff=wait_exponential_jitter(max=30)), ...]):
            ...

    server: a command, as a list; a URL; a transport or client of fastmcp's; or a function that makes a
    `pydantic_ai.mcp.MCPToolset`, for all its options. Each session has a toolset of its own. A command, and a
    `StdioTransport`, runs as a child in a process group of its own, which is ended as a whole whenever the session
    ends. env, cwd: of a command; it inherits only PATH, HOME and the like, and what `env` says.

    lazy: start it when it is first borrowed, default False: with its owner, whose start fails with it. That its command
    exists is looked at in either case. idle: seconds without a lease or call after which it is ended, to be started
    again by the next borrower; default never.

    max_calls: calls under way at the same time, default 32; more wait, and the borrowers take turns. call_timeout:
    seconds a call may take, default 120, None for no limit; then it is cancelled, and a server that does not even list
    its tools within 5 s is taken for hung. start_timeout: seconds until it has shaken hands and listed its tools,
    default 30. patience: seconds that a call waits while the owner is being restarted, default 10.

    If the server breaks, the owner ends with the reason, an `MCPServerFailed`, and its supervisor starts it again: a
    server that goes down often wants a `backoff`. Calls under way end in `MCPCallLost`; those of tools that the server
    declares `readOnlyHint` or `idempotentHint` are made once more first.

    Raises `InvalidOption`, showing the option and its value. Not for one agent in a script: that is
    `Agent(toolsets=[MCPToolset(...)])`. https://modelcontextprotocol.io, https://ai.pydantic.dev/mcp/
    """

    server: Source
    env: Mapping[str, str] = field(default_factory=dict[str, str], kw_only=True)
    cwd: str | None = field(default=None, kw_only=True)
    lazy: bool = field(default=False, kw_only=True)
    idle: float | None = field(default=None, kw_only=True)
    max_calls: int = field(default=MAX_CALLS, kw_only=True)
    call_timeout: float | None = field(default=CALL_TIMEOUT, kw_only=True)
    start_timeout: float = field(default=START_TIMEOUT, kw_only=True)
    patience: float = field(default=PATIENCE, kw_only=True)
    _starts: _Starts = field(default_factory=_Starts, init=False)

    trap_exit: ClassVar[bool] = True  # so that `terminate` ends the server in order

    def __post_init__(self) -> None:
        checked_source(self.server, self.env, self.cwd)
        if not isinstance(self.lazy, bool):
            raise InvalidOption("lazy", self.lazy, "True or False")
        for option in ("idle", "call_timeout", "start_timeout", "patience"):
            seconds = getattr(self, option)
            optional = option in ("idle", "call_timeout")
            if not (seconds is None and optional) and not checked_seconds(seconds, option) > 0:
                raise InvalidOption(option, seconds, f"a number of seconds > 0{', or None' if optional else ''}")
        if isinstance(self.max_calls, bool) or not isinstance(self.max_calls, int) or self.max_calls < 1:
            raise InvalidOption("max_calls", self.max_calls, "a number >= 1")

    # -- what a program asks of it

    async def list_tools(self) -> list[Tool]:
        """The tools of the server, as it describes them; starts it if it does not run.

        Raises `MCPUnavailable`, `DeadlineExceeded`, `CallCycle`.
        """
        tools: list[Tool] = await self._ask(Ask("list_tools", _list_tools, takes_turn=False), again=math.inf)
        return tools

    async def call_tool(self, name: str, args: Mapping[str, Any] | None = None, *, idempotent: bool = False) -> Any:
        """Call a tool with `args`, and return what it returns; starts the server if it does not run.

        idempotent: make the call once more if the server ends in the middle of it, default False. Cancelling this
        cancels the call at the server.

        Raises what pydantic-ai's `MCPToolset.direct_call_tool` raises for an error of the tool (`ModelRetry`, unless it
        is made to say otherwise); `MCPCallLost`, `MCPCallTimeout`, `MCPUnavailable`, `DeadlineExceeded`, `CallCycle`.
        For agents: `BorrowedToolset`.
        """
        given = dict(args or {})
        lease = Lease(running.get())
        try:
            ask = Ask(name, lambda toolset: toolset.direct_call_tool(name, given), lease)
            return await self._ask(ask, again=int(idempotent))
        finally:
            self._tell(Return(lease))

    @call
    def status(self, state: Owner) -> MCPStatus:
        """What may be seen of it, which `axon.get_status` shows, too. Raises `NoProcess`, `ServerDied`, `CallTimeout`."""
        return self._seen(state)

    async def _ask(self, ask: Ask, *, again: float) -> Any:
        return await patiently(self, ask.what, lambda: self._ask_here(ask), again=again)

    async def _ask_here(self, ask: Ask) -> Any:
        try:
            return await self._take(ask)
        except asyncio.CancelledError:
            self._tell(GiveUp(ask))
            raise

    async def _ask_once(self, ask: Ask) -> Any:
        """What it answers, or None if it is not there."""
        try:
            return await self._ask_here(ask)
        except (MCPUnavailable, NoProcess, ServerDied):
            return None

    def _tell(self, message: Lend | Return | GiveUp) -> None:
        """Say it if that can be said and heard: the death of either side says as much."""
        sender = running.get()
        if sender is not None and sender.reason is not None:
            return
        with suppress(WrongLoop):  # a loop that is over
            if whereis(self) is not None:
                send(self, message)

    # -- the owner

    async def init(self) -> Owner:
        me = current()
        assert isinstance(me, ServerProcess), "a server's init runs in its own process"
        if me.limit is not None:  # at it, that a borrower gave a lease back would be lost
            raise InvalidOption("mailbox", me.limit, "None for an MCP server; `max_calls` limits what it does at once")
        self._starts.count += 1
        owner = Owner(self, me)
        await check_command(self.server, self.env, self.cwd)
        if not self.lazy:
            session = await owner.opened()
            if session.reason is not None:
                raise session.reason
        owner.accepts_failure = True
        owner.see_whether_idle()
        return owner

    @call(timeout=None)
    def _take(self, state: Owner, ask: Ask) -> Reply[object]:
        return state.take(ask)

    def handle_info(self, state: Owner, message: object) -> Awaitable[None] | None:
        match message:
            case Lend():
                state.lend(message.lease)
            case Return():
                state.take_back(message.lease)
            case GiveUp():
                state.give_up(message.ask)
            case Broke():
                if message.session is state.session:
                    raise Stop(message.reason)
            case Idle():
                if not state.is_used:
                    return state.close("idle")
            case Down() if state.borrower_died(message):
                pass
            case _:
                return super().handle_info(state, message)
        return None

    async def terminate(self, state: Owner, reason: ExitReason) -> None:
        state.end(reason)
        await state.close("stopped")

    def format_status(self, status: Status) -> Status:
        """What its calls are about is not shown, and neither are its command, its environment and its address."""
        return replace(status, state=self._seen(status.state)) if isinstance(status.state, Owner) else status

    def _seen(self, owner: Owner) -> MCPStatus:
        session = owner.session
        return MCPStatus(
            session="closed" if session is None else session.state,
            pid=None if session is None else session.pid,
            tools=() if session is None else session.tools,
            calls=tuple(ask.what for ask in owner.running if ask.takes_turn),
            waiting=len(owner.turns),
            leases=len(owner.leases),
            restarts=self._starts.count - 1,
        )


async def _list_tools(toolset: MCPToolset[Any]) -> Any:
    return await toolset.list_tools()
