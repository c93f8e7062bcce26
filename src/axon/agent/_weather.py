"""What a turn has to do with its provider account: it waits there, shows it, and does not pay for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pydantic_ai.models import Model

from ..provider import Account, AccountModel, Wait, kind_of
from ._errors import FirstTokenTimeout, StreamStalled
from ._status import Activity


class Weather:
    """Stands between the requests of one try and the account; a `Watcher` of them."""

    def __init__(
        self,
        account: Account | None,
        who: str,
        activity: Activity,
        first_token_timeout: float | None,
        clock: Callable[[], float],
    ) -> None:
        self.limit: asyncio.Timeout | None = None
        """What ends a streamed answer that does not begin or stands still; it does not run while the request waits."""
        self._account = account
        self._who = who
        self._activity = activity
        self._first_token_timeout = first_token_timeout
        self._clock = clock

    def wrapped(self, model: Model) -> Model | None:
        """The model with its account before it, None without one."""
        return None if self._account is None else AccountModel(model, self._account, who=self._who, watcher=self)

    def waits(self, wait: Wait | None) -> None:
        """A request waits from now on, or does not any more."""
        self._activity.wait = wait
        self.hold(wait is not None)

    def hold(self, waiting: bool) -> None:
        """The model is not asked yet, so no answer can begin; or it is from now on."""
        if self.limit is not None:
            seconds = self._first_token_timeout
            self.limit.reschedule(None if waiting or seconds is None else self._clock() + seconds)

    def stalled(self) -> bool:
        """Whether it is the limit of a streamed answer that ends it."""
        due = None if self.limit is None else self.limit.when()
        return due is not None and due <= self._clock()


def is_weather(error: BaseException) -> bool:
    """Whether an error says something about the provider rather than about the turn that it ended."""
    return isinstance(error, FirstTokenTimeout | StreamStalled) or kind_of(error) != "own"
