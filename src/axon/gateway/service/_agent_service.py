"""An agent behind HTTP or gRPC in a program of its own, as a server that supervisors start, watch and stop."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import field
from pathlib import Path
from typing import Any, Literal

from pydantic_ai.messages import ModelMessage

from ...errors import InvalidOption, ServerDied
from ...port import Command, Limits, PortStartFailed, ProgramServer, RunningProgram, own_paths
from ...process import checked_seconds, current
from ...server import Stop, call, stream
from .._requests import AGENT_ID, RunAnswer, RunRequest
from ..client import GatewayUnreachable
from ._arguments import STORE, TOKEN
from ._serving import ORIGINAL
from ._transport import Transport

FLUSH = 1.0
"""Seconds after those of `drain` in which it tells what became of its last requests, and ends."""
LAST_SIGHT = 1.0
"""Seconds in which the end of a program is seen whose connection broke."""
NO_LIMITS = Limits()


class AgentService(ProgramServer):
    """An agent that stays a plain service: `python -m axon.port` with its module, supervised as any child.

        spec = AgentService("agents.example_agent", model="openai:gpt-5", inherit=["OPENAI_API_KEY"])
        async with Supervisor([child(spec, id="example", backoff=wait_random_exponential(multiplier=0.1, max=10))]) as sup:
            service = sup.get(AgentService, "example")
            answer = await service.run("Hello, agent!")
            print(answer.result, answer.usage.total_tokens)
            print("others ask", await service.url())

    module: where the agent is, as `agents.example_agent`, its attribute `agent`, or `module:attribute`; it is imported in the
    program alone. argv: another program than that one, in any language, which speaks the gateway's protocol and announces
    where, as `axon.port.Program` says; the model, the port and the token are in its environment. name: the agent's id,
    default the last part of the module's name. model: default the module's own. transport: `http` (default) or `grpc`,
    which needs the extra `grpc` on both sides. port: default 0, one that the system chooses at each start. token: what
    clients have to bring; default that in its environment (`AXON_TOKEN`), or none: the program listens on the loopback
    only. store: where its conversation outlives the program: an SQLite file, or `postgresql://…`.

    python: the absolute path of the interpreter, default that which `PYTHON_EXEC` names in the environment, or else this one.
    environ, inherit, cwd, limits, start_within: see `axon.port.Program`. hang: seconds in which it does not answer `/livez`,
    or gRPC's health check, default 10, after which it is killed; None is no limit. drain: seconds that runs under way have
    to end when it is stopped, default 2; with what follows that takes half a second more than `drain` and 1 s, which its
    child's `shutdown` has to be longer than.

    When the program ends, so does its server here, with the reason, and whoever waits for an answer gets `ServerDied`; in
    the next one, on another port, an agent with a store goes on. Raises `InvalidOption`; at the start `StartFailed` with a
    `PortError` as its reason: in `said` is what the program had to say, such as that there is no such module. Not for
    agents that may speak Axon's own protocol: `isolated(AgentServer(...))` is faster, and has all of the agent's face.
    docs/ports.md
    """

    module: str | None = None
    argv: Sequence[str] | None = field(default=None, kw_only=True)
    name: str | None = field(default=None, kw_only=True)
    model: str | None = field(default=None, kw_only=True)
    transport: Literal["http", "grpc"] = field(default="http", kw_only=True)
    port: int = field(default=0, kw_only=True)
    token: str | None = field(default=None, kw_only=True)
    store: str | None = field(default=None, kw_only=True)
    python: str | Path | None = field(default=None, kw_only=True)
    environ: Mapping[str, str] = field(default_factory=dict[str, str], kw_only=True)
    inherit: Sequence[str] = field(default=(), kw_only=True)
    cwd: str | Path | None = field(default=None, kw_only=True)
    limits: Limits = field(default=NO_LIMITS, kw_only=True)
    start_within: float = field(default=30.0, kw_only=True)
    hang: float | None = field(default=10.0, kw_only=True)
    drain: float = field(default=2.0, kw_only=True)

    def __post_init__(self) -> None:
        if (self.module is None) == (self.argv is None):
            raise InvalidOption("module", self.module, "given, or argv, and not both")
        if self.argv is not None and (self.name is None or self.store is not None):
            option = "name" if self.name is None else "store"
            expected = "given with argv: the id of its agent" if self.name is None else "left out with argv"
            raise InvalidOption(option, getattr(self, option), expected)
        if re.fullmatch(AGENT_ID, self._agent_id) is None:
            raise InvalidOption("name", self._agent_id, "1 to 64 letters, digits, '.', '_' and '-', the first no sign")
        if self.transport not in ("http", "grpc"):
            raise InvalidOption("transport", self.transport, "http or grpc")
        if isinstance(self.port, bool) or not isinstance(self.port, int) or not 0 <= self.port <= 65535:
            raise InvalidOption("port", self.port, "a number from 0 to 65535")
        if self.token is not None and (not isinstance(self.token, str) or len(self.token) < 16):
            raise InvalidOption("token", "<not shown>", "at least 16 characters")
        checked_seconds(self.drain, "drain")
        self._command()
        self._transport()

    # -- what a program asks of it

    @call
    def url(self, state: RunningProgram) -> str:
        """The same, as clients take it: `http://127.0.0.1:41235`, of gRPC the target `127.0.0.1:41235`."""
        return str(self._transport().url(state.at))

    @call(timeout=None)
    def run(
        self,
        state: RunningProgram,
        prompt: str,
        *,
        message_history: Sequence[ModelMessage] | None = None,
        deps: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> asyncio.Future[RunAnswer]:
        """Run the agent, and return its result, its messages and its usage; see `axon.gateway.Client.run_sync`.

        A deadline around it is that of the run. Raises `ErrorAnswer`, `GatewayUnreachable`, `DeadlineExceeded`,
        `ServerDied` with the reason if the program ends, `NoProcess` until it is there again.
        """
        request = _request(prompt, message_history, deps, idempotency_key)
        return asyncio.ensure_future(_answer(state, current().path, self._transport().run(state.at, request)))

    @stream(timeout=None)
    def run_stream(
        self,
        state: RunningProgram,
        prompt: str,
        *,
        message_history: Sequence[ModelMessage] | None = None,
        deps: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> AsyncGenerator[str, None]:
        """The text of a run as the model writes it. Raises what `run` does."""
        request = _request(prompt, message_history, deps, idempotency_key)
        return _pieces(state, current().path, self._transport().run_stream(state.at, request))

    # -- how it lives

    async def init(self) -> RunningProgram:
        """Start the program, and wait until it serves."""
        transport = self._transport()
        current().on_death(transport.hold())
        program = await RunningProgram.open(self._command(), transport.probe)
        if transport.url(program.at) is None:
            raise Stop(PortStartFailed(f"it announced that it serves, and not over {self.transport}"))
        return program

    @property
    def _agent_id(self) -> str:
        return self.name or str(self.module).partition(":")[0].rpartition(".")[2]

    def _transport(self) -> Transport:
        token = self.token or self.environ.get(TOKEN)
        if token is None and TOKEN in self.inherit:
            token = os.environ.get(TOKEN)
        if self.transport == "http":
            from ._over_http import OverHTTP

            return OverHTTP(self._agent_id, token)
        from ._over_grpc import OverGRPC

        return OverGRPC(self._agent_id, token)

    def _command(self) -> Command:
        environ = dict(self.environ)
        if self.token is not None:
            environ[TOKEN] = self.token
        if self.argv is None:
            argv = self._argv()
            environ = {"PYTHONPATH": os.pathsep.join(own_paths()), **environ}
            if self.store is not None:  # which may have a password in it; arguments are everybody's to read
                environ[STORE] = self.store
        else:
            argv = list(self.argv)
            told = {"PORT": str(self.port)} | ({} if self.model is None else {"MODEL": self.model})
            environ = {**{f"{ORIGINAL}{name}": value for name, value in told.items()}, **environ}
        return Command(
            argv=argv,
            environ=environ,
            inherit=self.inherit,
            cwd=None if self.cwd is None else str(self.cwd),
            limits=self.limits,
            start_within=self.start_within,
            hang=self.hang,
            grace=self.drain + FLUSH,
        )

    def _argv(self) -> list[str]:
        named = os.environ.get("PYTHON_EXEC")
        python = str(self.python or (shutil.which(named) or named if named else sys.executable))
        if not Path(python).is_absolute():
            raise InvalidOption("python" if self.python else "PYTHON_EXEC", python, "the path of an interpreter")
        options = {
            f"--{self.transport}": str(self.port),
            "--name": self._agent_id,
            "--model": self.model,
            "--drain": f"{self.drain:g}",
            "--flush": f"{FLUSH:g}",
        }
        words = [word for option, value in options.items() if value is not None for word in (option, value)]
        return [python, "-m", "axon.port", str(self.module), *words]


async def _answer(program: RunningProgram, path: str, answer: Awaitable[RunAnswer]) -> RunAnswer:
    try:
        return await answer
    except GatewayUnreachable as error:
        raise await _why(program, path, error) from None


async def _pieces(program: RunningProgram, path: str, pieces: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    async with aclosing(pieces):
        try:
            async for piece in pieces:
                yield piece
        except GatewayUnreachable as error:
            raise await _why(program, path, error) from None


async def _why(program: RunningProgram, path: str, error: GatewayUnreachable) -> Exception:
    """Why a connection broke: mostly the program has ended, and this is how that shows first."""
    reason = await program.ends(LAST_SIGHT)
    return error if reason is None else ServerDied(path, reason)


def _request(
    prompt: str, history: Sequence[ModelMessage] | None, deps: dict[str, Any] | None, key: str | None
) -> RunRequest:
    return RunRequest(
        prompt=prompt, message_history=None if history is None else [*history], deps=deps, idempotency_key=key
    )
