"""Whether the program lives, and whether it takes requests: for whoever deploys it."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response

from .._requests import ErrorBody, Message
from ._answers import answer
from ._route import JSONRequest, PublicRoute

health = APIRouter(tags=["health"], route_class=PublicRoute)


class Health(Message):
    """How it is."""

    status: Literal["ok", "ready"]


@health.get("/livez", response_model=Health)
async def livez() -> Response:
    """The program answers; if it does not, it should be started again."""
    return answer(Health(status="ok"))


@health.get(
    "/readyz", response_model=Health, responses={503: {"model": ErrorBody, "description": "It is about to stop"}}
)
async def readyz(asked: JSONRequest) -> Response:
    """It takes new requests; 503 from the moment it drains."""
    asked.gateway.intake.check()
    return answer(Health(status="ready"))
