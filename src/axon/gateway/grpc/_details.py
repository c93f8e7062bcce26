"""A failure as a `google.rpc.Status`: the code, and what a program needs to act, in types that gRPC clients know."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2  # pyright: ignore[reportMissingTypeStubs]

from .._failure import Failure
from . import synapse_pb2

DOMAIN = "axon"
"""Where the reasons of `ErrorInfo` come from."""

TEXT = 1000
"""Bytes of a message that travel. All trailing metadata together may have 8 KiB, of which a text may use three times its
size, and details a third more than theirs."""
DETAILS = 3000
"""Bytes that a status may have with all its details."""
VIOLATIONS = 16
"""Fields of a request that a `BadRequest` lists."""


def status_of(failure: Failure) -> status_pb2.Status:
    """The status of a failed call: an `ErrorInfo`, a `RetryInfo` if waiting may help, a `BadRequest` if it is about
    fields, and the `synapse.Error` that other edges send as JSON. What is too much for metadata is left out.
    """
    text = shortened(failure.message, TEXT)
    status = status_pb2.Status(code=code_pb2.Code.Value(failure.grpc), message=text)
    for detail in _details(failure, shortened(text, TEXT // 2)):
        status.details.add().Pack(detail)
        if status.ByteSize() > DETAILS:
            del status.details[-1]
    return status


def _details(failure: Failure, text: str) -> Iterator[Message]:
    """The most useful ones first, and those twice that may have to be shorter."""
    yield error_details_pb2.ErrorInfo(reason=_reason(failure.error_type), domain=DOMAIN)
    if failure.retry_after is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(round(failure.retry_after * 1000))
        yield retry
    details = "" if failure.details is None else json.dumps(failure.details)
    if len(details) > DETAILS // 2:
        details = ""
    yield synapse_pb2.Error(error_type=failure.error_type, message=text, details=details)
    violations = list(_violations(failure.details))
    if violations:
        yield error_details_pb2.BadRequest(field_violations=violations[:VIOLATIONS])


def _violations(details: object) -> Iterator[error_details_pb2.BadRequest.FieldViolation]:
    """The problems of a pydantic `ValidationError`."""
    for problem in cast("list[object]", details) if isinstance(details, list) else ():
        if isinstance(problem, Mapping) and "loc" in problem and "msg" in problem:
            said = cast("Mapping[str, Any]", problem)
            yield error_details_pb2.BadRequest.FieldViolation(
                field=shortened(".".join(map(str, said["loc"])), 100), description=shortened(str(said["msg"]), 100)
            )


def _reason(error_type: str) -> str:
    """`VALIDATION_ERROR` for `ValidationError`, as reasons are written."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", error_type).upper()[:63]


def shortened(text: str, size: int) -> str:
    """The text in at most so many bytes of UTF-8."""
    data = text.encode("utf-8", "replace")
    return data.decode() if len(data) <= size else data[: size - 3].decode(errors="ignore") + "…"
