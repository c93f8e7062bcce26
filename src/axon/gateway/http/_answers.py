"""Answers: models as JSON, and errors as the error model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fastapi import Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from ...telemetry import bus
from .._errors import GatewayError
from .._events import RequestBroke
from .._failure import Failure, failure_of
from .._requests import ErrorBody

TYPES = {400: "BadRequest", 404: "NotFound", 405: "MethodNotAllowed", 408: "RequestTimeout", 413: "TooLarge"}
"""What the framework's own refusals are called."""


def answer(model: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A model as JSON; what JSON has no form for is shown as text."""
    return Response(model.model_dump_json(fallback=repr), status, headers, "application/json")


def failed(error: BaseException, asked: HTTPConnection) -> Response:
    """An error as the error model; one that is not the client's is told to whoever listens."""
    failure = _failure(error)
    asked.state.error_type = failure.error_type
    if failure.status == 500:
        bus().emit(RequestBroke(what=f"{asked.scope.get('method', 'WEBSOCKET')} {asked.url.path}", error=error))
    return Response(to_json(failure.body), failure.status, _headers(failure, error), "application/json")


def _failure(error: BaseException) -> Failure:
    if isinstance(error, RequestValidationError):
        return _invalid(error)
    if not isinstance(error, HTTPException):
        return failure_of(error)
    cause = error.__cause__
    if isinstance(cause, ValidationError | GatewayError):
        return failure_of(cause)
    if isinstance(cause, TimeoutError):
        return Failure(error_type=TYPES[408], message="the request took too long to arrive", status=408)
    name = TYPES.get(error.status_code, "HTTPException")
    return Failure(error_type=name, message=error.detail, status=error.status_code)


def _invalid(error: RequestValidationError) -> Failure:
    """What is wrong with headers and paths, without the values; and with a body that does not say that it is JSON."""
    details = [{"type": one["type"], "loc": list(one["loc"]), "msg": one["msg"]} for one in error.errors()]
    if isinstance(error.body, bytes):
        details = [{"type": "no_json", "loc": ["body"], "msg": "Needs the header Content-Type: application/json"}]
    message = f"the request: {len(details)} validation error{'s' * (len(details) != 1)}"
    return Failure(error_type="ValidationError", message=message, details=details, status=400)


def _headers(failure: Failure, error: BaseException) -> dict[str, str]:
    headers = dict(getattr(error, "headers", None) or {})
    if failure.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(failure.retry_after))
    if failure.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The answers of a route for OpenAPI, besides the good one: these, and those that every route has."""
    always = {400, 401, 403, 413, 408, 429, 500, 503}
    told = {
        400: "The request is not what it should be",
        401: "A token is needed",
        403: "The token, or the page that asks, may not",
        404: "There is no such agent or run",
        408: "The request took too long to arrive",
        409: "It was asked for before in another way, or cannot be done now",
        413: "The request is too large",
        422: "The tool failed",
        429: "Too much at a time; see Retry-After",
        499: "The run was cancelled",
        500: "The agent failed",
        503: "Not now; see Retry-After",
        504: "The deadline passed",
    }
    return {status: {"model": ErrorBody, "description": told[status]} for status in sorted(always | set(statuses))}
