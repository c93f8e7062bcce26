"""The HTTP server of a program, uvicorn, as a process that a supervisor starts, watches and stops."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp

from ...errors import AxonError, InvalidOption
from ...process import ExitReason, checked_seconds, current
from ...server import GenServer
from .._bind import BACKLOG
from .._gateway import Gateway
from ._app import application
from ._protocol import PatientProtocol


class HTTPServerStopped(AxonError):
    """uvicorn ended though nobody had asked it to."""


@dataclass(frozen=True)
class _Ended:
    """The message of uvicorn's task to its process: it is over."""

    error: BaseException | None


class _Uvicorn(uvicorn.Server):
    """uvicorn without hands on the signals of the program, which says when it has begun to listen."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens: asyncio.Event = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()


@dataclass
class _Serving:
    uvicorn: _Uvicorn
    task: asyncio.Task[None]


class HTTPServer(GenServer[_Serving]):
    """Serves the agents of a gateway over HTTP and WebSockets, on a socket that is bound already: it outlives a restart.

        with closing(bind("127.0.0.1", 0)) as listener:
            async with Gateway(tokens=tokens) as gateway:
                async with Supervisor([child(HTTPServer(gateway, listener), id="http", shutdown=15)]):
                    print("port", listener.getsockname()[1])

    listener: see `bind`; whoever made it closes it at the end. app: the ASGI application, default `application(gateway)`.
    tls: the files of the certificate with its chain, and of its key, default none. behind_tls: TLS ends in front of it,
    in a proxy or a mesh, default False. Anywhere but on loopback it needs tokens, and one of these two: `InvalidOption`.
    drain: seconds that requests under way have to end when it is stopped, default 10; then they are cancelled. Give its
    child a longer `shutdown`.

    Requests are handled in tasks of their own with a blank context, in the name of no process.
    https://www.uvicorn.org
    """

    gateway: Gateway
    listener: socket.socket
    app: ASGIApp | None = field(default=None, kw_only=True)
    tls: tuple[Path, Path] | None = field(default=None, kw_only=True)
    behind_tls: bool = field(default=False, kw_only=True)
    drain: float = field(default=10.0, kw_only=True)

    trap_exit = True

    def __post_init__(self) -> None:
        if not isinstance(self.gateway, Gateway):
            raise InvalidOption("gateway", self.gateway, "an axon.gateway.Gateway")
        if self.app is not None and not callable(self.app):
            raise InvalidOption("app", self.app, "an ASGI application, or None")
        if not isinstance(self.listener, socket.socket):
            raise InvalidOption("listener", self.listener, "a socket, made by bind(host, port)")
        host = self.listener.getsockname()[0]
        if not ip_address(host.partition("%")[0]).is_loopback:
            if self.gateway.tokens.is_open:
                raise InvalidOption("host", host, "one of loopback while the gateway has no tokens")
            if self.tls is None and not self.behind_tls:
                raise InvalidOption("host", host, "one of loopback without tls= or behind_tls=True")
        checked_seconds(self.drain, "drain")

    async def init(self) -> _Serving:
        """Begin to listen."""
        me = current()
        certificate, key = self.tls or (None, None)
        config = uvicorn.Config(
            cast("Any", self.app or application(self.gateway)),
            http=PatientProtocol,
            lifespan="off",
            ws="websockets-sansio",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ssl_certfile=certificate,
            ssl_keyfile=key,
            timeout_graceful_shutdown=max(1, round(self.drain)),
            backlog=BACKLOG,
        )
        server = _Uvicorn(config)
        serving = server.serve([self.listener.dup()])  # which uvicorn closes
        task = asyncio.get_running_loop().create_task(serving, name=me.path, context=Context())
        listens = asyncio.ensure_future(server.listens.wait())
        await asyncio.wait({task, listens}, return_when=asyncio.FIRST_COMPLETED)
        listens.cancel()
        if task.done():
            await task
            raise HTTPServerStopped("uvicorn ended before it listened")

        def ended(task: asyncio.Task[None]) -> None:
            if me.reason is None:
                me.deliver(_Ended(None if task.cancelled() else task.exception()))

        task.add_done_callback(ended)
        me.on_death(lambda: _abort(server, task))
        return _Serving(server, task)

    def handle_info(self, state: _Serving, message: object) -> None:
        """The end of uvicorn's task is that of the process."""
        if isinstance(message, _Ended):
            raise HTTPServerStopped("uvicorn ended by itself") from message.error
        super().handle_info(state, message)

    async def terminate(self, state: _Serving, reason: ExitReason) -> None:
        """Take no more connections, let the requests under way end, and close the others."""
        state.uvicorn.should_exit = True
        await asyncio.wait({state.task})


def _abort(server: _Uvicorn, task: asyncio.Task[Any]) -> None:
    """Its process is dead: nothing of it goes on."""
    if task.done():
        return
    server.should_exit = server.force_exit = True
    task.cancel()
    for listening in server.servers:
        listening.close()
    for request in server.server_state.tasks:
        request.cancel()
    for connection in list(server.server_state.connections):
        connection.transport.abort()
