"""What an account says to those who ask it; drawn below `AxonError`.

AxonError
└─ RequestTooLarge    no waiting makes room for it    .account .tokens .limit
"""

from __future__ import annotations

from ..errors import AxonError


class RequestTooLarge(AxonError):
    """A request needs more tokens than the account may use in a whole minute, so it would wait for ever.

    It was not sent. `tokens` are those of its messages, estimated, with the `max_tokens` of its settings; `limit` is
    the account's `tokens_per_minute`. Shorten the conversation, or lower `max_tokens`.
    """

    def __init__(self, account: str, tokens: int, limit: int) -> None:
        super().__init__(
            f"a request of about {tokens} tokens is more than the account {account!r} may use in a minute "
            f"(tokens_per_minute={limit}): waiting would not help, and it was not sent"
        )
        self.account = account
        self.tokens = tokens
        self.limit = limit
