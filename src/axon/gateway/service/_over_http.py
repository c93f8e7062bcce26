"""An agent in another program, over HTTP: by the gateway's client."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

import httpx2

from ...port import Announcement
from .._requests import RunAnswer, RunRequest
from ..client import Client
from ._transport import address


class OverHTTP:
    """The agent of this id, with this token."""

    def __init__(self, agent_id: str, token: str | None) -> None:
        self._agent_id, self._token = agent_id, token

    def url(self, at: Announcement) -> str | None:
        """`http://127.0.0.1:41235`."""
        return None if at.port is None else f"http://{address(at.host, at.port)}"

    def hold(self) -> Callable[[], None]:
        """There is nothing to keep."""
        return lambda: None

    def _client(self, at: Announcement) -> Client:
        return Client(str(self.url(at)), token=self._token, timeout=None)

    async def run(self, at: Announcement, request: RunRequest) -> RunAnswer:
        """`POST /agents/{agent_id}/run_sync`."""
        async with self._client(at) as client:
            return await client.run_sync(
                self._agent_id,
                request.prompt,
                message_history=request.message_history,
                deps=request.deps,
                idempotency_key=request.idempotency_key,
            )

    async def run_stream(self, at: Announcement, request: RunRequest) -> AsyncGenerator[str, None]:
        """`POST /agents/{agent_id}/run_stream`."""
        async with (
            self._client(at) as client,
            client.run_stream(
                self._agent_id,
                request.prompt,
                message_history=request.message_history,
                deps=request.deps,
                idempotency_key=request.idempotency_key,
            ) as pieces,
        ):
            async for piece in pieces:
                yield piece

    async def probe(self, at: Announcement) -> None:
        """`GET /livez`."""
        async with httpx2.AsyncClient(verify=False, trust_env=False, timeout=None) as http:  # no TLS
            answer = await http.get(f"{self.url(at)}/livez")
        answer.raise_for_status()
