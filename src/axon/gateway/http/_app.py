"""The ASGI application of a gateway."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from starlette.exceptions import HTTPException

from ...errors import InvalidOption
from .._gateway import Gateway
from .._metrics import Metrics
from .._settings import Runner
from ._agents import agents
from ._answers import failed
from ._choice import RUNNERS, chosen, exposition_of
from ._guard import Guard
from ._health import health
from ._runs import begin, runs
from ._websocket import sockets

VERSION = version("axon-otp")
MAX_BODY = 4 * 1024 * 1024
"""Bytes of a request's body, unless told otherwise."""
HEADERS = ["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "Request-Timeout"]
TOKEN = {"type": "http", "scheme": "bearer", "description": "An API token; none is needed where the gateway is open."}
EXPOSED = ["Location", "Retry-After", "Run-Id"]


def application(
    gateway: Gateway,
    *,
    max_body: int = MAX_BODY,
    origins: Sequence[str] = (),
    metrics: Metrics | None = None,
    runner: Runner | None = None,
) -> FastAPI:
    """The routes of docs/gateway.md for the agents of a gateway, to be served by `HTTPServer`, or mounted in an app.

    max_body: bytes that a request may have, default 4 MiB. origins: sites whose pages may ask, such as
    `["https://app.example"]`, default none. metrics: what `/metrics` shows, default no such route. runner: the only one
    of `run_sync`, `run` and `run_stream` that is served, default all. Raises `InvalidOption`. `/openapi.json` describes it.
    """
    if isinstance(max_body, bool) or not isinstance(max_body, int) or max_body < 1:
        raise InvalidOption("max_body", max_body, "a number of bytes >= 1")
    if isinstance(origins, str) or not all(isinstance(origin, str) and "://" in origin for origin in origins):
        raise InvalidOption("origins", origins, "a list of origins, such as ['https://app.example']")
    if runner is not None and runner not in RUNNERS:
        raise InvalidOption("runner", runner, f"None or one of {', '.join(RUNNERS)}")
    app = _App(
        title="Axon gateway",
        version=VERSION,
        description="Agents as a service: create and run them, follow and steer their runs.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # which sends clients to whatever host their request names
    )
    app.state.gateway, app.state.max_body = gateway, max_body
    streams = [sockets] if runner in (None, "run_stream") else []
    for router in (
        begin if runner is None else chosen(runner, begin),
        *streams,
        agents,
        runs,
        health,
    ):  # the first is found first
        app.include_router(router)
    if metrics is not None:
        app.include_router(exposition_of(metrics))
    app.add_exception_handler(HTTPException, _refused)
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=HEADERS,
            expose_headers=EXPOSED,
        )
    app.add_middleware(Guard, gateway=gateway, origins=origins)
    return app


class _App(FastAPI):
    """An app whose OpenAPI tells of tokens."""

    def openapi(self) -> dict[str, Any]:
        schema = super().openapi()
        schema["components"]["securitySchemes"] = {"token": TOKEN}
        return schema


async def _refused(request: Request, error: Exception) -> Response:
    """What the framework itself refuses, such as a path that is none."""
    return failed(error, request)
