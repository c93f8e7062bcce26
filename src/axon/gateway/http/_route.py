"""How a request is read: JSON straight into its model, within a time; and every error becomes the error model."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import wraps
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

from .._errors import TooLarge
from ._answers import failed
from ._asking import gateway_of, principal_of

ARRIVAL = 30.0
"""Seconds in which the whole body of a request has to arrive."""


class JSONRequest(Request):
    """A request whose JSON is its model: read in one step, and bytes in it are base64."""

    model: type[BaseModel]
    _whole: bytes | None = None

    async def body(self) -> bytes:
        """The body. Raises `TooLarge`, and `TimeoutError` if it does not arrive."""
        if self._whole is None:
            limit, size, parts = self.app.state.max_body, 0, list[bytes]()
            async with asyncio.timeout(ARRIVAL):
                async for part in self.stream():
                    size += len(part)
                    if size > limit:
                        raise TooLarge("body", limit, "bytes")
                    parts.append(part)
            self._whole = b"".join(parts)
        return self._whole

    async def json(self) -> Any:
        """The model. Raises `ValidationError`."""
        return self.model.model_validate_json(await self.body())


class JSONRoute(APIRoute):
    """A route whose handlers raise what they like, and for which a token is looked at before anything else is read."""

    is_public = False

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, _without_context(endpoint), **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, as FastAPI makes it, without dependencies: there are those alone that OpenAPI tells of."""
        told = self.dependant
        self.dependant = replace(told, dependencies=[])
        handler = super().get_route_handler()
        self.dependant = told
        model: Any = None if self.body_field is None else self.body_field.field_info.annotation

        async def handle(request: Request) -> Response:
            asked = JSONRequest(request.scope, request.receive)
            asked.model = model
            try:
                if not self.is_public:
                    await principal_of(asked)
                return await handler(asked)
            except Exception as error:
                return failed(error, f"{request.method} {self.path}")

        return handle


def _without_context(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """The endpoint for FastAPI, without `gateway` and `who`, which are there already: to have them solved as
    dependencies, with their own, takes as long as all the rest of its routing.
    """
    signature = inspect.signature(endpoint, eval_str=True)
    wanted = [name for name in ("gateway", "who") if name in signature.parameters]
    if not wanted:
        return endpoint

    @wraps(endpoint)
    async def call(connection: Request, **given: Any) -> Any:
        context = {"gateway": await gateway_of(connection), "who": getattr(connection.state, "principal", None)}
        return await endpoint(**given, **{name: context[name] for name in wanted})

    asked = inspect.Parameter("connection", inspect.Parameter.KEYWORD_ONLY, annotation=Request)
    rest = [p.replace(kind=asked.kind) for name, p in signature.parameters.items() if name not in wanted]
    call.__signature__ = signature.replace(parameters=[asked, *rest])  # type: ignore[attr-defined]
    return call


class PublicRoute(JSONRoute):
    """A route that needs no token."""

    is_public = True
