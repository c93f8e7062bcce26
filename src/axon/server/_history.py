"""What a server did lately: the messages it handled last, kept for crash reports and for whoever looks."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from ._handler import Handler

RECENT = 8
"""Messages a server remembers."""

Recent: TypeAlias = "tuple[Handler | None, Any, dict[str, Any] | None]"
"""What it remembers of one: handler, arguments, keywords."""

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 80


def describe(item: Any) -> str:
    """A message as text: `increment(3, by=2)`, or the representation of a foreign message; long values are cut."""
    handler, args, keywords = item[:3]
    if handler is None:
        return _short.repr(args)
    shown = [_short.repr(value) for value in args]
    shown += [f"{name}={_short.repr(value)}" for name, value in dict[str, Any](keywords or ()).items()]
    return f"{handler.name}({', '.join(shown)})"


def recent_messages(recent: list[Recent | None] | None, handled: int) -> tuple[str, ...]:
    """The messages handled last, as text, newest last."""
    if recent is None:
        return ()
    ordered = [recent[n % RECENT] for n in range(max(0, handled - RECENT), handled)]
    return tuple(describe(item) for item in ordered if item is not None)


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
