"""What a request of a client can end with, besides `CallTimeout` and `DeadlineExceeded`.

RemoteError (axon.wire)
└─ ErrorAnswer           the gateway answered with an error        .status .error_type .message .details .retry_after
AxonError
└─ GatewayUnreachable    there is no answer to be had              .url
"""

from __future__ import annotations

from ...errors import AxonError
from ...wire import RemoteError


class ErrorAnswer(RemoteError):
    """The gateway answered with an error.

    status: that of HTTP, None if the error came in a stream. error_type: the name of the exception behind it, such as
    `UnexpectedModelBehavior`; empty if it is not the gateway's own, but that of a proxy in between. message: what it said.
    details: more of it, such as pydantic's `errors()`, None if there is nothing more. retry_after: seconds after which
    asking again may help, None if nobody knows of any. Of a request that was tried again it is the last answer.
    """

    def __init__(
        self,
        status: int | None,
        error_type: str,
        message: str,
        details: object = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(error_type, message, details)
        self.status = status
        self.retry_after = retry_after

    def __str__(self) -> str:
        return super().__str__() if self.status is None else f"{super().__str__()} ({self.status})"


class GatewayUnreachable(AxonError, ConnectionError):
    """Nobody answers at `url`, or the connection broke before the answer was there; the cause says which.

    Whether the request was carried out is not known, unless nobody could be reached at all.
    """

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(f"no answer from {url}: {problem}")
        self.url = url
