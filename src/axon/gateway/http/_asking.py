"""What requests bring besides their bodies: who asks, and in which headers he says what."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Annotated, TypeAlias, cast

from fastapi import Header, Path
from pydantic import Field
from starlette.requests import HTTPConnection

from ...server import deadline
from .._gateway import Gateway
from .._requests import AGENT_ID, KEY
from .._tokens import Principal


def gateway_of(connection: HTTPConnection) -> Gateway:
    """The gateway that an app serves."""
    return cast("Gateway", connection.app.state.gateway)


def principal_of(connection: HTTPConnection) -> Principal:
    """Who asks. Raises `InvalidToken`, `LimitExceeded`."""
    given = connection.headers.getlist("authorization")  # of two, somebody in front may have looked at the other
    scheme, _, secret = (given[0] if len(given) == 1 else "").partition(" ")
    return gateway_of(connection).principal(secret.strip() if scheme.lower() == "bearer" else None)


AgentId: TypeAlias = Annotated[str, Path(pattern=AGENT_ID, examples=["test_agent"])]
RunId: TypeAlias = Annotated[str, Path(max_length=300, examples=["test_agent:order-7"])]
Key: TypeAlias = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=KEY,
        description="Names the request: made again with the same key it is not run again, but has the same answer.",
    ),
]
Patience: TypeAlias = Annotated[float, Field(gt=0, le=86400)]
Seconds: TypeAlias = Annotated[
    Patience | None,
    Header(
        alias="Request-Timeout",
        description="Seconds after which the run is ended; default no limit.",
    ),
]
After: TypeAlias = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        pattern=r"^[0-9]{1,18}\.[0-9]{1,18}$",
        description="Go on behind this event of a stream that broke.",
    ),
]


def within(seconds: float | None) -> AbstractAsyncContextManager[object]:
    """The deadline that a header asks for."""
    return nullcontext() if seconds is None else deadline(seconds)
