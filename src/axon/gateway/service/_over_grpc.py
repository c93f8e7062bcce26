"""An agent in another program, over gRPC: by the stub of `synapse.proto`. Importing this needs the extra `grpc`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from typing import Any

import grpc
from google.rpc import error_details_pb2  # pyright: ignore[reportMissingTypeStubs]
from grpc import aio
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_status import rpc_status
from pydantic_ai.messages import ModelMessagesTypeAdapter
from pydantic_core import from_json, to_json

from ...errors import DeadlineExceeded
from ...port import Announcement
from ...process import deadline_at
from .._requests import RunAnswer, RunRequest, Usage
from ..client import ErrorAnswer, GatewayUnreachable
from ..grpc import synapse_pb2, synapse_pb2_grpc
from ._transport import address

OPTIONS = (("grpc.max_receive_message_length", -1), ("grpc.enable_http_proxy", 0))


AFTERWARDS = 0.05
"""Seconds in which calls that are cancelled let go of their channels."""


class OverGRPC:
    """The agent of this id, with this token."""

    def __init__(self, agent_id: str, token: str | None) -> None:
        self._agent_id = agent_id
        self._metadata = () if token is None else (("authorization", f"Bearer {token}"),)

    def url(self, at: Announcement) -> str | None:
        """`127.0.0.1:41236`, a target of gRPC."""
        return None if at.grpc_port is None else address(at.host, at.grpc_port)

    def _channel(self, at: Announcement) -> aio.Channel:
        return aio.insecure_channel(str(self.url(at)), options=OPTIONS)

    def hold(self) -> Callable[[], None]:
        """Keep the thread of grpc.aio, which would come and go with each channel, until what is returned is called."""
        aio.init_grpc_aio()
        loop = asyncio.get_running_loop()

        def release() -> None:
            loop.call_later(AFTERWARDS, aio.shutdown_grpc_aio)

        return release

    async def run(self, at: Announcement, request: RunRequest) -> RunAnswer:
        """`synapse.AgentService/Run`."""
        answer = await self._asked(at, self._message(request))
        if isinstance(answer, Exception):
            raise answer
        return RunAnswer(
            result=from_json(answer.result) if answer.structured else answer.result,
            messages=ModelMessagesTypeAdapter.validate_json(answer.messages or "[]"),
            usage=Usage(
                requests=answer.usage.requests,
                request_tokens=answer.usage.request_tokens,
                response_tokens=answer.usage.response_tokens,
                total_tokens=answer.usage.total_tokens,
                input_tokens=answer.usage.request_tokens,
                output_tokens=answer.usage.response_tokens,
                tool_calls=answer.usage.tool_calls,
            ),
        )

    async def _asked(self, at: Announcement, message: synapse_pb2.RunRequest) -> synapse_pb2.RunResponse | Exception:
        """The answer, or why there is none: an error that is raised elsewhere keeps nothing of the channel."""
        async with self._channel(at) as channel:
            stub = synapse_pb2_grpc.AgentServiceStub(channel)
            try:
                return await stub.Run(message, timeout=_left(), metadata=self._metadata)
            except aio.AioRpcError as error:
                return _failure_of(error, str(self.url(at)))

    async def run_stream(self, at: Announcement, request: RunRequest) -> AsyncGenerator[str, None]:
        """`synapse.AgentService/RunStream`."""
        failure: Exception | None = None
        async with self._channel(at) as channel:
            stub = synapse_pb2_grpc.AgentServiceStub(channel)
            try:
                async for chunk in stub.RunStream(self._message(request), timeout=_left(), metadata=self._metadata):
                    if chunk.data:
                        yield chunk.data
            except aio.AioRpcError as error:
                failure = _failure_of(error, str(self.url(at)))
        del stub, channel
        if failure is not None:
            raise failure

    async def probe(self, at: Announcement) -> None:
        """`grpc.health.v1.Health/Check`, which is answered while it drains, too."""
        failure: Exception | None = None
        async with self._channel(at) as channel:
            stub: Any = HealthStub(channel)
            try:
                await stub.Check(health_pb2.HealthCheckRequest())
            except aio.AioRpcError as error:
                failure = _failure_of(error, str(self.url(at)))
        del stub, channel
        if failure is not None:
            raise failure

    def _message(self, request: RunRequest) -> synapse_pb2.RunRequest:
        message = synapse_pb2.RunRequest(
            agent_id=self._agent_id, prompt=request.prompt, idempotency_key=request.idempotency_key or ""
        )
        if request.message_history is not None:
            message.message_history = ModelMessagesTypeAdapter.dump_json(request.message_history).decode()
        if request.deps is not None:
            message.deps = to_json(request.deps).decode()
        return message


def _left() -> float | None:
    """Seconds until the deadline, None without one."""
    due = deadline_at.get()
    return None if due is None else max(0.001, due - asyncio.get_running_loop().time())


def _failure_of(error: aio.AioRpcError, url: str) -> Exception:
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded(url)
    library: Any = rpc_status
    status = library.from_call(error)
    if status is None and error.code() is grpc.StatusCode.UNAVAILABLE:
        return GatewayUnreachable(url, error.details() or "the connection broke")
    said, retry = synapse_pb2.Error(), error_details_pb2.RetryInfo()
    for detail in () if status is None else status.details:
        detail.Unpack(said)
        detail.Unpack(retry)
    message = said.message or error.details() or error.code().name
    details = json.loads(said.details) if said.details else None
    after = retry.retry_delay.ToMilliseconds() / 1000 or None
    return ErrorAnswer(None, said.error_type, message, details, after)
