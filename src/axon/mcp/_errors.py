"""What goes wrong with MCP servers; everything Axon says about one by itself is an `MCPServerError`.

MCPServerError                  .server: its path, or what it runs
├─ MCPServerFailed              it is broken: the reason its process ended with
│  ├─ MCPCommandNotFound        there is no such program, or it may not be run         .command
│  ├─ MCPStartTimeout           it did not answer within `start_timeout`                .after
│  ├─ MCPServerExited           its process ended                                       .status .stderr
│  ├─ MCPProtocolError          what it says is no MCP                                   .line
│  ├─ MCPConnectionLost         the connection was closed, or could not be made
│  ├─ MCPServerHung             it answers nothing any more                             .after
│  └─ MCPDuplicateTools         it has several tools of one name                        .tools
├─ MCPUnavailable               nobody was there to call, for as long as the caller waits  .after
├─ MCPCallLost                  it ended in the middle of a call                        .tool
└─ MCPCallTimeout               a call took longer than `call_timeout`                  .tool .after
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import AxonError


class MCPServerError(AxonError):
    """An MCP server could not do what it was asked for. `server` names it."""

    def __init__(self, server: str, message: str) -> None:
        super().__init__(message)
        self.server = server


class MCPServerFailed(MCPServerError):
    """An MCP server is broken. Its owner ends with this reason, and its supervisor decides."""


class MCPCommandNotFound(MCPServerFailed):
    """There is no program `command`, it may not be run, or the folder to run it in is not there."""

    def __init__(self, command: str, problem: str) -> None:
        super().__init__(command, f"the MCP server {command!r} cannot be started: {problem}")
        self.command = command


class MCPStartTimeout(MCPServerFailed):
    """An MCP server did not finish its handshake and list its tools within `after` seconds."""

    def __init__(self, server: str, after: float, stderr: tuple[str, ...] = ()) -> None:
        super().__init__(server, f"{server} was not ready within {after:g} s (start_timeout){_said(stderr)}")
        self.after = after


class MCPServerExited(MCPServerFailed):
    """The process of an MCP server ended by itself or was killed.

    `status` is its exit status, negative for a signal; `stderr` the last lines it wrote there.
    """

    def __init__(self, server: str, status: int | None, stderr: tuple[str, ...]) -> None:
        how = "closed its output" if status is None else f"ended with status {status}"
        super().__init__(server, f"{server} {how}{_said(stderr)}")
        self.status = status
        self.stderr: tuple[str, ...] = stderr


class MCPProtocolError(MCPServerFailed):
    """An MCP server wrote something to its standard output that is no MCP message; `line` is how it begins.

    The protocol allows nothing else there. A program that prints must print to its standard error.
    """

    def __init__(self, server: str, line: str) -> None:
        super().__init__(server, f"{server} wrote to its standard output what is no MCP message: {line!r}")
        self.line = line


class MCPConnectionLost(MCPServerFailed):
    """The connection to an MCP server was closed, or could not be made; the `__cause__` says more, if anything does."""

    def __init__(self, server: str, cause: BaseException | None = None) -> None:
        super().__init__(server, f"the connection to {server} is lost{'' if cause is None else f': {cause!r}'}")
        self.__cause__: BaseException | None = cause


class MCPServerHung(MCPServerFailed):
    """A call took too long, and then the MCP server did not even list its tools within `after` seconds."""

    def __init__(self, server: str, after: float) -> None:
        super().__init__(server, f"{server} hangs: it did not list its tools within {after:g} s")
        self.after = after


class MCPDuplicateTools(MCPServerFailed):
    """An MCP server has several tools of one name, so that nobody could say which is meant: `tools`."""

    def __init__(self, server: str, tools: Sequence[str]) -> None:
        super().__init__(server, f"{server} has several tools of one name: {', '.join(map(repr, tools))}")
        self.tools: tuple[str, ...] = tuple(tools)


class MCPUnavailable(MCPServerError):
    """Nobody was there to ask, for `after` seconds (`patience`), or nobody ever will be. Nothing was done.

    The `__cause__` is what was wrong last.
    """

    def __init__(self, server: str, after: float, cause: BaseException | None = None) -> None:
        why = "" if cause is None else f": {cause}"
        super().__init__(server, f"the MCP server {server} is not available, after {after:.3g} s of waiting{why}")
        self.after = after
        self.__cause__: BaseException | None = cause


class MCPCallLost(MCPServerError):
    """An MCP server ended in the middle of a call of `tool`: whether that took effect nobody knows.

    The `__cause__` is what it ended with.
    """

    def __init__(self, server: str, tool: str, cause: BaseException | None = None) -> None:
        super().__init__(
            server,
            f"The MCP server {server} ended in the middle of this call of {tool!r}: it may or may not have taken "
            "effect. Check before you repeat it.",
        )
        self.tool = tool
        self.__cause__: BaseException | None = cause


class MCPCallTimeout(MCPServerError, TimeoutError):
    """A call of `tool` took longer than `after` seconds (`call_timeout`) and was cancelled; its server is well."""

    def __init__(self, server: str, tool: str, after: float) -> None:
        super().__init__(
            server,
            f"The MCP server {server} did not finish this call of {tool!r} within {after:g} s (call_timeout), and it "
            "was cancelled: it may or may not have taken effect.",
        )
        self.tool = tool
        self.after = after


def _said(stderr: tuple[str, ...]) -> str:
    return f"; it last said: {' | '.join(stderr[-3:])}" if stderr else ""
