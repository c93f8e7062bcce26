"""What a server did lately: the messages it handled last, kept for crash reports and for whoever looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from ._handler import Handler

RECENT = 8
"""Messages a server remembers."""

Recent: TypeAlias = "tuple[Handler | None, Any, dict[str, Any] | None]"
"""What it remembers of one: handler, arguments, keywords."""


def remember(recent: list[Any], handled: int, message: Recent) -> None:
    """Keep the message that follows `handled` others, in the place of the oldest one if there are enough."""
    if handled < RECENT:
        recent.append(message)
    else:
        recent[handled % RECENT] = message


def recent_messages(recent: list[Any], handled: int) -> list[Recent]:
    """The messages handled last, newest last."""
    ordered = [recent[n % RECENT] for n in range(max(0, handled - RECENT), handled)]
    return [item[:3] for item in ordered if item is not None]


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
