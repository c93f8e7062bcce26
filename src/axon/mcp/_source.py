"""From what the user gave as a server to a toolset of pydantic-ai's, made anew for each session."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard, cast
from urllib.parse import urlsplit

from fastmcp.client import Client
from fastmcp.client.transports import ClientTransport, StdioTransport
from fastmcp.client.transports.config import MCPConfigTransport
from mcp.client.stdio import get_default_environment
from pydantic_ai.mcp import MCPToolset

from ..errors import InvalidOption
from ._errors import MCPCommandNotFound
from ._transport import ChildTransport, OtherTransport, WatchedTransport

Source: TypeAlias = Sequence[str] | ClientTransport | Client[Any] | Callable[[], MCPToolset[Any]]
"""What an MCP server is: a command, a URL, a transport or client of fastmcp's, or a function that makes a toolset."""

EXPECTED = "a command such as ['uvx', 'some-server'], a URL, a fastmcp transport or client, or a function: MCPToolset"


def checked_source(source: object, env: Mapping[str, str], cwd: str | None) -> None:
    """Refuse what cannot be a server."""
    if isinstance(source, str):
        if not source.startswith(("http://", "https://")):
            raise InvalidOption("server", source, f"{EXPECTED}; a command is a list")
    elif _is_command(source):
        if not source or not source[0] or not all(isinstance(part, str) and "\0" not in part for part in source):
            raise InvalidOption("server", source, "a command: a list of texts, the program first")
    elif _is_toolset(source):
        raise InvalidOption("server", source, "a function that makes the toolset, since each session needs a new one")
    elif _is_client(source):
        _refuse_several(source.transport)
    elif isinstance(source, ClientTransport):
        _refuse_several(source)
    elif not callable(source):
        raise InvalidOption("server", source, EXPECTED)
    if not isinstance(env, Mapping) or not all(isinstance(text, str) for pair in env.items() for text in pair):
        raise InvalidOption("env", "<hidden>", "a mapping of texts to texts")
    for option, value in (("env", dict(env) or None), ("cwd", cwd)):
        if value is not None and not isinstance(source, list | tuple):
            raise InvalidOption(option, "<hidden>" if option == "env" else value, "left out unless server is a command")
    if cwd is not None and (not isinstance(cwd, str) or not cwd):
        raise InvalidOption("cwd", cwd, "the path of a folder, or None")


def _is_command(source: object) -> TypeGuard[Sequence[str]]:
    return isinstance(source, list | tuple)


def _is_client(source: object) -> TypeGuard[Client[Any]]:
    return isinstance(source, Client)


def _is_toolset(made: object) -> TypeGuard[MCPToolset[Any]]:
    return isinstance(made, MCPToolset)


def _refuse_several(transport: ClientTransport) -> None:
    if isinstance(transport, MCPConfigTransport):
        raise InvalidOption("server", transport, "one server; make an MCPServer of each one in a configuration")


def shown(source: Source) -> str:
    """What a source is called, without what may be secret: arguments of a command, the user and query of a URL."""
    if isinstance(source, str):
        parts = urlsplit(source)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    if _is_command(source):
        program, *args = source
        return " ".join([Path(program).name, *(Path(word).name for word in args[:1] if not word.startswith("-"))])
    return type(source).__name__


def connection(source: Source, env: Mapping[str, str], cwd: str | None) -> tuple[MCPToolset[Any], WatchedTransport]:
    """A toolset of its own for one session, and the transport under it."""
    toolset: MCPToolset[Any]
    if _is_command(source):
        child = ChildTransport(shown(source), source, env, cwd)
        return MCPToolset(child), child
    if isinstance(source, str | ClientTransport):
        toolset = MCPToolset(source)
    elif _is_client(source):
        toolset = MCPToolset(source.new())
    else:
        made = cast("Callable[[], object]", source)()
        if not _is_toolset(made):
            raise InvalidOption("server", made, "a function that returns a pydantic_ai.mcp.MCPToolset")
        toolset = made
    client: Client[Any] = toolset.client
    inner: ClientTransport = client.transport
    _refuse_several(inner)
    transport: WatchedTransport
    if isinstance(inner, StdioTransport):  # its process is to be a child of Axon's own
        command = [inner.command, *inner.args]
        transport = ChildTransport(shown(command), command, inner.env or {}, inner.cwd)
    else:
        transport = OtherTransport(inner, shown(source))
    client.transport = transport
    return toolset, transport


async def check_command(source: Source, env: Mapping[str, str], cwd: str | None) -> None:
    """Raise `MCPCommandNotFound` if the program to run is not there, before anybody wants it to run."""
    if _is_command(source):
        await asyncio.to_thread(_look_for, source[0], get_default_environment() | dict(env), cwd)


def _look_for(program: str, env: Mapping[str, str], cwd: str | None) -> None:
    if cwd is not None and not Path(cwd).is_dir():
        raise MCPCommandNotFound(program, f"there is no folder {cwd!r} (cwd)")
    found = Path(cwd or "", program) if len(Path(program).parts) > 1 else program
    if shutil.which(found, path=env.get("PATH")) is None:
        raise MCPCommandNotFound(program, "there is no such program")
