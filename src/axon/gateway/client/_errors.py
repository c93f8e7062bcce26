"""What a request of a client can end with; a `CallTimeout` when its time is over.

RemoteError (axon.wire)
└─ RequestFailed         the gateway answered with an error        .status .error_type .message .details .retry_after
AxonError
└─ GatewayUnreachable    there is no answer to be had              .url
"""

from __future__ import annotations

from ...errors import AxonError
from ...wire import RemoteError


class RequestFailed(RemoteError):
    """The gateway answered with an error.

    status: that of HTTP. error_type: the name of the exception behind it, such as `UnexpectedModelBehavior`. message:
    what it said. details: more of it, such as pydantic's `errors()`, None if there is nothing more. retry_after:
    seconds after which asking again may help, None if the gateway knows of none. Of a request that is safe to repeat
    it is the last of several answers.
    """

    def __init__(
        self, status: int, error_type: str, message: str, details: object = None, retry_after: float | None = None
    ) -> None:
        super().__init__(error_type, message, details)
        self.status = status
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{super().__str__()} ({self.status})"


class GatewayUnreachable(AxonError, ConnectionError):
    """Nobody answers at `url`, or the connection broke before the answer was there; the cause says which.

    Whether the request was carried out is not known, unless nobody could be reached at all.
    """

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(f"no answer from {url}: {problem}")
        self.url = url
