"""Requests and their answers: sent again where that is safe, within the time that there is."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx2
from pydantic import BaseModel, ValidationError

from ...errors import CallTimeout, DeadlineExceeded
from ...process import deadline_at
from .._requests import ErrorBody
from ._errors import ErrorAnswer, GatewayUnreachable
from ._retries import is_passing, pause

R = TypeVar("R")

DEADLINE = "request-timeout"
"""The header that carries a deadline, in seconds from now."""


class Exchange:
    """The connections of one client, and how often it asks."""

    def __init__(self, http: httpx2.AsyncClient, headers: Mapping[str, str], attempts: int) -> None:
        self.attempts: int = attempts
        self._http = http
        self._headers = {"content-type": "application/json", **headers}

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: BaseModel | None = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool,
        patience: float | None,
    ) -> httpx2.Response:
        """The answer to a request, repeated if need be. Raises what `Client` says."""

        async def attempt() -> httpx2.Response:
            with self.named():
                answer = await self._http.request(
                    method, path, content=_bytes(body), headers=self._with_deadline(headers)
                )
            if answer.is_error:
                raise failure_of(answer)
            return answer

        return await self.repeated(
            attempt, f"{method} {self._http.base_url}{path}", idempotent=idempotent, patience=patience
        )

    @asynccontextmanager
    async def open(
        self, method: str, path: str, *, body: BaseModel | None = None, headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[httpx2.Response]:
        """The answer to a request as it comes; once."""
        with self.named():
            async with self._http.stream(
                method, path, content=_bytes(body), headers=self._with_deadline(headers)
            ) as answer:
                if answer.is_error:
                    await answer.aread()
                    raise failure_of(answer)
                yield answer

    def _with_deadline(self, headers: Mapping[str, str] | None) -> dict[str, str]:
        given, due = {**self._headers, **(headers or {})}, deadline_at.get()
        if due is not None:
            given[DEADLINE] = f"{max(0.001, due - asyncio.get_running_loop().time()):.3f}"
        return given

    @contextmanager
    def named(self) -> Generator[None]:
        """Have what breaks the connection raised as `GatewayUnreachable`."""
        try:
            yield
        except httpx2.TransportError as error:
            raise GatewayUnreachable(str(self._http.base_url), str(error) or type(error).__name__) from error

    async def repeated(
        self, attempt: Callable[[], Awaitable[R]], target: str, *, idempotent: bool, patience: float | None
    ) -> R:
        """What an attempt gives in the end, within `patience` seconds, and before the deadline around it."""
        from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

        loop = asyncio.get_running_loop()
        due = deadline_at.get()
        until = math.inf if patience is None else loop.time() + patience
        end = min(until, math.inf if due is None else due)

        def is_over(state: RetryCallState) -> bool:
            return state.attempt_number >= self.attempts or loop.time() + state.upcoming_sleep >= end

        attempts = AsyncRetrying(
            stop=is_over,
            wait=pause,
            retry=retry_if_exception(lambda error: is_passing(error, idempotent=idempotent)),
            reraise=True,
        )
        try:
            async with asyncio.timeout_at(None if end == math.inf else end):
                return await attempts(attempt)
        except TimeoutError as error:
            if due is not None and end == due:
                raise DeadlineExceeded(target) from error
            raise CallTimeout(target, patience or 0.0) from error


def failure_of(answer: httpx2.Response) -> ErrorAnswer:
    """The error of an answer; of one that is not the protocol's, as that of a proxy, `error_type` is empty."""
    after = _seconds(answer.headers.get("retry-after"))
    with suppress(ValidationError):
        body = ErrorBody.model_validate_json(answer.content)
        return ErrorAnswer(answer.status_code, body.error_type, body.message, body.details, after)
    return ErrorAnswer(answer.status_code, "", answer.reason_phrase or answer.text[:200], None, after)


def _seconds(retry_after: str | None) -> float | None:
    """Those of a `Retry-After` header, which may be a date."""
    if retry_after is None:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(retry_after).timestamp() - time.time()
        except ValueError:
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _bytes(body: BaseModel | None) -> bytes | None:
    return None if body is None else body.model_dump_json(exclude_none=True, by_alias=True).encode()
