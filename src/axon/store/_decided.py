"""Waiting for a decision that another process makes."""

from __future__ import annotations

import asyncio

from ..errors import InvalidOption
from ._approval import Approval
from ._store import Store


async def decided(store: Store, id: str, *, poll: float = 0.5) -> Approval:
    """Wait until the approval is not pending any more, and return its row.

    poll: seconds between two looks, default 0.5. Ends by itself when the approval expires; one without `expires_at` is
    waited for without limit, so cancel it or put it under `asyncio.timeout`. Raises `NoApproval`, also when its journal
    is deleted meanwhile.
    """
    if not poll > 0:
        raise InvalidOption("poll", poll, "more than 0 seconds")
    while (approval := await store.approval(id)).pending:  # noqa: ASYNC110  # the decider is another process
        await asyncio.sleep(poll)
    return approval
