"""A client that knows nothing but what the server's reflection tells, as grpcurl does: JSON in, JSON out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

Metadata = tuple[tuple[str, str], ...]


class GenericClient:
    """Blocks, in a thread: `await client.call("synapse.AgentService/Run", {"agent_id": …, "prompt": …})`."""

    def __init__(self, channel: grpc.Channel, metadata: Mapping[str, str] | None = None) -> None:
        self._channel = channel
        self._metadata = tuple((metadata or {}).items())
        self._database = ProtoReflectionDescriptorDatabase(channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()

    async def services(self) -> list[str]:
        """The names of all services."""
        return sorted(await asyncio.to_thread(self._database.get_services))

    async def call(self, path: str, request: Mapping[str, Any]) -> list[dict[str, Any]]:
        """All answers of a method, as JSON would have them."""
        return await asyncio.to_thread(lambda: list(self._answers(path, request)))

    def _answers(self, path: str, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        service, name = path.split("/")
        found: MethodDescriptor = DescriptorPool(self._database).FindServiceByName(service).methods_by_name[name]
        message = ParseDict(json.loads(json.dumps(request)), GetMessageClass(found.input_type)())
        ask: grpc.UnaryStreamMultiCallable[bytes, bytes] = self._channel.unary_stream(f"/{path}")  # or one answer
        for answer in ask(message.SerializeToString(), metadata=self._metadata, timeout=20):
            yield MessageToDict(GetMessageClass(found.output_type).FromString(answer), preserving_proto_field_name=True)
