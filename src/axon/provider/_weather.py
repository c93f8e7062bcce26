"""Which errors are the provider's weather, and which are those of one request."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias, cast

from pydantic_ai import exceptions as raised

Kind: TypeAlias = Literal["limit", "failure", "quota", "auth", "own"]
"""What an error says: `limit`, the account is asked too much; `failure`, the provider is in trouble; `quota`, `auth`, the
account itself is refused; `own`, the request is at fault, or our side of it."""

_KINDS: tuple[tuple[type[Exception], Kind], ...] = (
    (raised.ModelQuotaExceededError, "quota"),  # HTTP 429, too, so it comes before the limits
    (raised.ModelAuthenticationError, "auth"),
    (raised.ModelRateLimitError, "limit"),
    (raised.ModelOverloadedError, "limit"),
    (raised.ModelRequestRejectedError, "own"),
    (raised.ModelUnavailableError, "failure"),
    (raised.ModelServerError, "failure"),
    (raised.ModelConnectionError, "failure"),  # and ModelTimeoutError
    (raised.ModelRequestTimeout, "failure"),
)


def kind_of(error: BaseException) -> Kind:
    """What an error of a model request says about its account."""
    if isinstance(error, BaseExceptionGroup):  # of a fallback, whose models may have accounts of their own
        members = cast("BaseExceptionGroup[BaseException]", error).exceptions
        kinds = set(map(kind_of, members))
        return "limit" if "limit" in kinds else "failure" if "failure" in kinds else "own"
    for known, kind in _KINDS:
        if isinstance(error, known):
            return kind
    if isinstance(error, raised.ModelHTTPError):  # of no category
        if error.status_code in (429, 529):
            return "limit"
        passes = error.status_code in (408, 425) or error.status_code >= 500
        return "failure" if passes and error.provider_retry_hint is not False else "own"
    return "failure" if type(error) is raised.ModelAPIError else "own"  # such as a body that is no JSON


def retry_after_of(error: BaseException) -> float | None:
    """Seconds that the provider asks to wait, if it does."""
    seconds: object = getattr(error, "retry_after", None)
    if not isinstance(seconds, int | float) or not math.isfinite(seconds) or seconds < 0:
        return None
    return float(seconds)


def text_of(error: BaseException) -> str:
    """An error in one line, at most 200 characters: bodies of error pages are long."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= 200 else text[:199] + "…"
