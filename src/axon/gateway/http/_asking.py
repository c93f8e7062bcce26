"""What requests bring besides their bodies: who asks, and in which headers he says what."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Annotated, TypeAlias, cast

from fastapi import Depends, Header, Path, Security
from fastapi.security import HTTPBearer
from pydantic import Field
from starlette.requests import HTTPConnection

from ...server import deadline
from .._gateway import Gateway
from .._requests import AGENT_ID, KEY
from .._tokens import Principal

BEARER = Security(HTTPBearer(auto_error=False, description="An API token; none is needed where the gateway is open."))
"""What routes that need a token say of that in OpenAPI."""


async def gateway_of(connection: HTTPConnection) -> Gateway:
    """The gateway that an app serves."""
    return cast("Gateway", connection.app.state.gateway)


async def principal_of(connection: HTTPConnection) -> Principal:
    """Who asks; the request counts once. Raises `InvalidToken`, `LimitExceeded`."""
    known: Principal | None = getattr(connection.state, "principal", None)
    if known is not None:
        return known
    scheme, _, secret = connection.headers.get("authorization", "").partition(" ")
    gateway = await gateway_of(connection)
    who = connection.state.principal = gateway.principal(secret.strip() if scheme.lower() == "bearer" else None)
    return who


Served: TypeAlias = Annotated[Gateway, Depends(gateway_of)]
Who: TypeAlias = Annotated[Principal, Depends(principal_of)]
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
