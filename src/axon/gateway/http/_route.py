"""How a request is read: JSON straight into its model, within a time; and every error becomes the error model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

from .._errors import TooLarge
from .._gateway import Gateway
from .._tokens import Principal
from ._answers import failed
from ._asking import gateway_of, principal_of

ARRIVAL = 30.0
"""Seconds in which the whole body of a request has to arrive."""


class JSONRequest(Request):
    """A request whose JSON is its model: read in one step, and bytes in it are base64; and who asks it of which gateway."""

    model: type[BaseModel]
    who: Principal
    _whole: bytes | None = None

    @property
    def gateway(self) -> Gateway:
        """The gateway that is asked."""
        return gateway_of(self)

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
        if not self.is_public:  # a dependency would say the same to OpenAPI, and be solved for each request
            options["openapi_extra"] = {"security": [{"token": []}]}
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, as FastAPI makes it."""
        handler = super().get_route_handler()
        model: Any = None if self.body_field is None else self.body_field.field_info.annotation

        async def handle(request: Request) -> Response:
            asked = JSONRequest(request.scope, request.receive)
            asked.model = model
            try:
                if not self.is_public:
                    asked.who = principal_of(asked)
                return await handler(asked)
            except Exception as error:
                return failed(error, asked)

        return handle


class PublicRoute(JSONRoute):
    """A route that needs no token."""

    is_public = True
