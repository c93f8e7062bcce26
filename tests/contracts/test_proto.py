"""The gRPC protocol: the original one to the letter, and code that is what its proto says."""

from __future__ import annotations

import proto
import pytest
from google.protobuf.descriptor import FieldDescriptor

from axon.gateway.grpc import synapse_pb2

ORIGINAL = {
    "RunRequest": {"agent_id": (1, "string"), "prompt": (2, "string")},
    "RunResponse": {"result": (1, "string"), "usage": (2, "Usage")},
    "RunResponseChunk": {"data": (1, "string")},
    "Usage": {"request_tokens": (1, "int32"), "response_tokens": (2, "int32"), "total_tokens": (3, "int32")},
}
KINDS = {FieldDescriptor.TYPE_STRING: "string", FieldDescriptor.TYPE_INT32: "int32"}


def test_the_original_fields_have_the_original_numbers() -> None:
    for message, fields in ORIGINAL.items():
        known = synapse_pb2.DESCRIPTOR.message_types_by_name[message].fields_by_name
        assert {name: (known[name].number, kind_of(known[name])) for name in fields} == fields


def kind_of(field: FieldDescriptor) -> str:
    """The type of a field, as the proto has it."""
    return KINDS[field.type] if field.message_type is None else field.message_type.name


def test_the_original_methods_have_the_original_types() -> None:
    assert synapse_pb2.DESCRIPTOR.package == "synapse"
    methods = synapse_pb2.DESCRIPTOR.services_by_name["AgentService"].methods_by_name
    found = {
        name: (methods[name].input_type.name, methods[name].output_type.name, methods[name].server_streaming)
        for name in ("Run", "RunStream")
    }
    assert found == {
        "Run": ("RunRequest", "RunResponse", False),
        "RunStream": ("RunRequest", "RunResponseChunk", True),
    }
    assert not any(method.client_streaming for method in methods.values())


@pytest.mark.slow
def test_the_code_is_what_the_proto_says() -> None:
    """Otherwise: `uv run python tests/contracts/proto.py --write`."""
    assert proto.stale() == []
