"""How a request is read: JSON straight into its model, within a time; and every error becomes the error model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

from ._answers import failed

ARRIVAL = 30.0
"""Seconds in which the whole body of a request has to arrive."""


class JSONRequest(Request):
    """A request whose JSON is its model: read in one step, and bytes in it are base64."""

    model: type[BaseModel]

    async def body(self) -> bytes:
        """The body. Raises `TimeoutError` if it does not arrive."""
        async with asyncio.timeout(ARRIVAL):
            return await super().body()

    async def json(self) -> Any:
        """The model. Raises `ValidationError`."""
        return self.model.model_validate_json(await self.body())


class JSONRoute(APIRoute):
    """A route whose handlers raise what they like."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, as FastAPI makes it."""
        handler = super().get_route_handler()
        model: Any = None if self.body_field is None else self.body_field.field_info.annotation

        async def handle(request: Request) -> Response:
            asked = JSONRequest(request.scope, request.receive)
            asked.model = model
            try:
                return await handler(asked)
            except Exception as error:
                return failed(error, f"{request.method} {self.path}")

        return handle
