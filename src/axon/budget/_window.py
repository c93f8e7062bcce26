"""Windows of time: when the one began that an instant lies in, and when the next one does."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from ..errors import InvalidOption

Per: TypeAlias = Literal["minute", "hour", "day", "month"] | float
"""How long a grant is for. Windows begin with the minute, hour, day or month in UTC; a number of seconds counts from 1970."""

SECONDS = {"minute": 60.0, "hour": 3600.0, "day": 86400.0}


def checked_per(per: object) -> None:
    """Raise `InvalidOption` for what is no window."""
    if per is None or per == "month" or (isinstance(per, str) and per in SECONDS):
        return
    if isinstance(per, bool) or not isinstance(per, int | float) or not 0 < per < math.inf:
        raise InvalidOption("per", per, "'minute', 'hour', 'day', 'month', a number of seconds > 0, or None")


def window_of(per: Per | None, now: float) -> tuple[float, float | None]:
    """When the window of `now` began and when it ends, in seconds since 1970; without one it is 0 and never."""
    if per is None:
        return 0.0, None
    if per == "month":
        day = datetime.fromtimestamp(now, UTC)
        first = datetime(day.year, day.month, 1, tzinfo=UTC)
        after = datetime(day.year + day.month // 12, day.month % 12 + 1, 1, tzinfo=UTC)
        return first.timestamp(), after.timestamp()
    seconds = SECONDS[per] if isinstance(per, str) else float(per)
    start = now // seconds * seconds
    return start, start + seconds
