"""The client of a gateway, as a program elsewhere has it."""

from __future__ import annotations

import asyncio
import ssl
import uuid
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias, get_args

import httpx2
from pydantic import BaseModel
from pydantic_ai.messages import ModelMessage

from ...blueprint import ToolBlueprint
from ...errors import InvalidOption, UsageError
from ...process import checked_seconds
from .._requests import (
    AgentInfo,
    AgentList,
    CreateAgent,
    Decision,
    Log,
    LogEntry,
    RunAccepted,
    RunAnswer,
    RunInfo,
    RunRequest,
    SteerRequest,
    ToolAnswer,
    ToolCall,
)
from ._events import RunEvents
from ._exchange import Exchange
from ._retries import ATTEMPTS

RequestType: TypeAlias = Literal[
    "create",
    "list",
    "get",
    "delete",
    "run_sync",
    "run",
    "wait",
    "run_stream",
    "status",
    "steer",
    "cancel",
    "approve",
    "deny",
    "tool_call",
    "log",
]
"""The requests that can have a timeout of their own."""

TIMEOUT = 60.0
"""Seconds that a request may take unless told otherwise: what the original design gave one."""

Agents: TypeAlias = "list[AgentInfo]"


class Client:
    """Agents behind a gateway, from a program elsewhere.

        async with Client("https://agents.example.org", token=os.environ["AGENTS_TOKEN"]) as agents:
            answer = await agents.run_sync("clerk", "A room for tonight, please")
            print(answer.result, answer.usage.total_tokens)
            async for piece in agents.run_stream("clerk", "And for tomorrow?"):
                print(piece, end="")

    url: where the gateway is. token: its API token, default none. timeout: seconds that each request may take, with all
    attempts, default 60, None for no limit; then `CallTimeout`, and what was asked for goes on. timeouts: others for some
    types of requests; that of `run_stream` is the longest silence. attempts: how often a request is made at most, default
    5. tls: whose certificates are trusted, default those that the system trusts.

    What a gateway refuses for now, and connections that break, are tried again after a pause, as long as the gateway asks
    for and a little longer, if nothing was done yet or doing it twice is the same as once: a run is named by its
    idempotency key, made here if none is given, so that it is joined and never run twice. What the run of an agent itself
    has ended with is not tried again: ask anew.

    Every method raises `ErrorAnswer` for the gateway's errors, `GatewayUnreachable`, and `CallTimeout`. A deadline
    around it (`axon.deadline`) goes along, and is that of the run, too: then `DeadlineExceeded`. A cancelled request
    leaves its run going on. Not for agents of the same program: their handles have all of it without a wire.
    https://www.python-httpx.org
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        timeout: float | None = TIMEOUT,
        timeouts: Mapping[RequestType, float | None] | None = None,
        attempts: int = ATTEMPTS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._default = timeout
        self._timeouts: dict[RequestType, float | None] = dict(timeouts or {})
        for kind in self._timeouts:
            if kind not in get_args(RequestType):
                raise InvalidOption("timeouts", kind, f"for types of requests: {', '.join(get_args(RequestType))}")
        for seconds in (timeout, *self._timeouts.values()):
            if seconds is not None and not checked_seconds(seconds, "timeout") > 0:
                raise InvalidOption("timeout", seconds, "a number of seconds > 0, or None")
        if isinstance(attempts, bool) or not isinstance(attempts, int) or attempts < 1:
            raise InvalidOption("attempts", attempts, "a number >= 1")
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise InvalidOption("url", url, "that of a gateway, such as 'https://agents.example.org'")
        self.url: str = url.rstrip("/")
        """Where the gateway is."""
        self._tls = tls
        self._headers = {} if token is None else {"authorization": f"Bearer {token}"}
        self._attempts = attempts
        self._open: Exchange | None = None

    async def __aenter__(self) -> Self:
        tls = self._tls
        if tls is None:  # to load the system's certificates takes a while
            is_secure = self.url.startswith("https:")
            tls = (
                await asyncio.to_thread(httpx2.create_ssl_context)
                if is_secure
                else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            )
        http = httpx2.AsyncClient(
            base_url=self.url,
            verify=tls,
            timeout=httpx2.Timeout(None, read=self._timeout("run_stream")),
            limits=httpx2.Limits(max_connections=None),
            trust_env=False,
        )
        self._open = Exchange(http, self._headers, self._attempts)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        opened, self._open = self._open, None
        if opened is not None:
            await opened.aclose()

    @property
    def _exchange(self) -> Exchange:
        if self._open is None:
            raise UsageError("a Client is used inside its block: async with Client(url) as client")
        return self._open

    # -- agents

    async def create(
        self,
        agent_id: str,
        agent_module: str | None = None,
        *,
        model: str | None = None,
        instructions: str | None = None,
        tools: Sequence[ToolBlueprint] = (),
        deps: dict[str, Any] | None = None,
        deps_schema: dict[str, Any] | None = None,
        result_schema: dict[str, Any] | None = None,
        model_settings: dict[str, Any] | None = None,
    ) -> AgentInfo:
        """Have an agent served: that of a module the gateway allows, or one of the data alone; see `AgentBlueprint`."""
        body = CreateAgent(
            agent_id=agent_id,
            agent_module=agent_module,
            model=model,
            instructions=instructions,
            tools=tuple(tools),
            deps=deps,
            deps_schema=deps_schema,
            result_schema=result_schema,
            model_settings=model_settings,
        )
        answer = await self._ask("create", "POST", "/agents", body, idempotent=False)
        return AgentInfo.model_validate_json(answer.content)

    async def list(self) -> Agents:
        """All agents that are served."""
        answer = await self._ask("list", "GET", "/agents")
        return AgentList.model_validate_json(answer.content).agents

    async def get(self, agent_id: str) -> AgentInfo:
        """An agent, and what it is doing."""
        answer = await self._ask("get", "GET", f"/agents/{agent_id}")
        return AgentInfo.model_validate_json(answer.content)

    async def delete(self, agent_id: str) -> None:
        """Serve an agent no more; runs under way end with it."""
        await self._ask("delete", "DELETE", f"/agents/{agent_id}", idempotent=False)

    # -- runs

    async def run_sync(
        self,
        agent_id: str,
        prompt: str,
        *,
        message_history: Sequence[ModelMessage] | None = None,
        deps: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> RunAnswer:
        """Run an agent, and return its answer.

        message_history: go on from this conversation instead of the agent's own. deps: the dependencies of this run.
        idempotency_key: names the request: made again with the same key, also by another client of the same token, it
        gets the answer of the first one; default a new one.
        """
        body, headers = _request(prompt, message_history, deps), _named(idempotency_key)
        answer = await self._ask("run_sync", "POST", f"/agents/{agent_id}/run_sync", body, headers)
        return RunAnswer.model_validate_json(answer.content)

    async def run(
        self,
        agent_id: str,
        prompt: str,
        *,
        message_history: Sequence[ModelMessage] | None = None,
        deps: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> str:
        """Have an agent run by itself, and return the id of the run once it is kept; `wait` has its answer."""
        body, headers = _request(prompt, message_history, deps), _named(idempotency_key)
        answer = await self._ask("run", "POST", f"/agents/{agent_id}/run", body, headers)
        return RunAccepted.model_validate_json(answer.content).run_id

    async def wait(self, run_id: str) -> RunAnswer:
        """The answer of a run, when it is there. Raises what `run_sync` would."""
        answer = await self._ask("wait", "GET", f"/runs/{run_id}/result")
        return RunAnswer.model_validate_json(answer.content)

    def run_stream(
        self,
        agent_id: str,
        prompt: str,
        *,
        message_history: Sequence[ModelMessage] | None = None,
        deps: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
        after: str | None = None,
    ) -> RunEvents:
        """The text of a run as the model writes it; it begins with the first piece.

        after: go on behind this event of an earlier stream of the same `idempotency_key`.
        """
        body, headers = _request(prompt, message_history, deps), _named(idempotency_key)
        return RunEvents(self._exchange, agent_id, body, headers, after)

    async def status(self, run_id: str) -> RunInfo:
        """What became of a run, and which decisions it waits for."""
        answer = await self._ask("status", "GET", f"/runs/{run_id}")
        return RunInfo.model_validate_json(answer.content)

    async def steer(self, run_id: str, message: str) -> None:
        """Tell a run under way something more: the model reads it with its next request."""
        await self._ask("steer", "POST", f"/runs/{run_id}/steer", SteerRequest(message=message), idempotent=False)

    async def cancel(self, run_id: str) -> None:
        """End a run: whoever waits for it is told so with 499."""
        await self._ask("cancel", "POST", f"/runs/{run_id}/cancel")

    async def approve(self, run_id: str, id: str | None = None, *, args: dict[str, Any] | None = None) -> None:
        """Let the tool call run that waits under this id; default the only one that does. args: other arguments."""
        body = Decision(id=id, args=args)
        await self._ask("approve", "POST", f"/runs/{run_id}/approve", body, idempotent=False)

    async def deny(self, run_id: str, id: str | None = None, *, message: str = "") -> None:
        """Refuse it: the model is told so, with `message` as the reason."""
        body = Decision(id=id, message=message)
        await self._ask("deny", "POST", f"/runs/{run_id}/deny", body, idempotent=False)

    # -- tools and logs

    async def tool_call(
        self, agent_id: str, tool_name: str, args: dict[str, Any] | None = None, *, request_id: str | None = None
    ) -> Any:
        """What a tool of an agent returns, called by hand, outside any conversation."""
        body = ToolCall(request_id=request_id, tool_name=tool_name, args=args or {})
        answer = await self._ask("tool_call", "POST", f"/agents/{agent_id}/tool_call", body, idempotent=False)
        return ToolAnswer.model_validate_json(answer.content).result

    async def log(self, agent_id: str) -> Sequence[LogEntry]:
        """The last lines of an agent's log, the oldest first."""
        answer = await self._ask("log", "GET", f"/agents/{agent_id}/log")
        return Log.model_validate_json(answer.content).entries

    # -- how it asks

    async def _ask(
        self,
        kind: RequestType,
        method: str,
        path: str,
        body: BaseModel | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        idempotent: bool = True,
    ) -> httpx2.Response:
        patience = self._timeout(kind)
        return await self._exchange.ask(
            method, path, body=body, headers=headers, idempotent=idempotent, patience=patience
        )

    def _timeout(self, kind: RequestType) -> float | None:
        return self._timeouts.get(kind, self._default)


def _request(prompt: str, history: Sequence[ModelMessage] | None, deps: dict[str, Any] | None) -> RunRequest:
    return RunRequest(prompt=prompt, message_history=None if history is None else [*history], deps=deps)


def _named(idempotency_key: str | None) -> dict[str, str]:
    return {"idempotency-key": idempotency_key or uuid.uuid4().hex}
