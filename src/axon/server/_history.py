"""What a server did lately: the messages it handled last, kept for crash reports and for whoever looks."""

from __future__ import annotations

from dataclasses import dataclass

RECENT = 8
"""Messages a server remembers."""
LAST = RECENT - 1
"""The last place of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """What one incarnation of a server has done; returned by `axon.statistics`."""

    handled: int
    """Messages handled since its start."""
    queued: int
    """Messages that wait in its mailbox."""
    pending: int
    """Deferred answers and streams under way."""
    recent: tuple[str, ...]
    """The messages handled last, as text, newest last."""
