"""Dead letters: messages that nobody took, kept for whoever asks for them and sent again on request."""

from __future__ import annotations

import reprlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self, TypeAlias

from ..errors import InvalidOption
from ._runtime import Runtime, runtime

Why: TypeAlias = Literal["no process", "mailbox full", "deadline passed", "died before handling it"]
"""Why nobody took a message."""

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 80


def short(value: object) -> str:
    """A value as text, long ones cut."""
    return _short.repr(value)


@dataclass(frozen=True, slots=True)
class Message:
    """A request as a server's mailbox holds it; its text is `increment(3, by=2)`, with long values cut."""

    handler: str
    args: tuple[object, ...] = ()
    keywords: Mapping[str, object] = field(default_factory=dict[str, object])

    def __str__(self) -> str:
        shown = [short(value) for value in self.args]
        shown += [f"{name}={short(value)}" for name, value in self.keywords.items()]
        return f"{self.handler}({', '.join(shown)})"


def _now() -> float:
    return time.time()  # looked up each time: in a simulation it is another clock


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Letter:
    """A message that nobody took.

    `path` is whom it was for; `message` a `Message`, if it was for a handler, or what was sent otherwise; `when` the
    time in seconds since the epoch. Its representation does not show the message, which may hold keys.
    """

    path: str
    message: object = field(repr=False)
    why: Why
    when: float = field(default_factory=_now)
    send_again: Callable[[], None] | None = field(default=None, repr=False)
    """Sends it to the same address; None for a call, whose caller has gone."""

    @property
    def handler(self) -> str | None:
        """The handler it was for; None for a message of `axon.send`, which goes to `handle_info`."""
        return self.message.handler if isinstance(self.message, Message) else None


class DeadLetters:
    """The dead letters of one event loop, collected while its block runs. Made by `dead_letters`."""

    def __init__(self, home: Runtime, limit: int) -> None:
        self.dropped: int = 0
        """Letters that had to make room for later ones."""
        self._home = home
        self._letters: deque[Letter] = deque(maxlen=limit)

    def __enter__(self) -> Self:
        self._home.collectors[self] = self._collect
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._home.collectors.pop(self, None)

    def _collect(self, letter: Letter) -> None:
        self.dropped += len(self._letters) == self._letters.maxlen
        self._letters.append(letter)

    def __iter__(self) -> Iterator[Letter]:
        return iter(tuple(self._letters))

    def __len__(self) -> int:
        return len(self._letters)

    def replay(self, letter: Letter) -> None:
        """Send a letter again, to the same address: the slot of a handle, a process, or whoever has the name now.

        It is no longer in the collection then; if nobody takes it this time either it comes back as a new one. A
        deadline that it had is gone. Raises `InvalidOption` for the letter of a call, whose caller does not wait any
        more, and for one that is not in the collection.
        """
        if letter not in self._letters:
            raise InvalidOption("letter", letter, "one that is in this collection")
        if letter.send_again is None:
            raise InvalidOption("letter", letter, "that of a cast or of a message; the caller of a call has gone")
        self._letters.remove(letter)
        letter.send_again()


def dead_letters(*, limit: int = 1000) -> DeadLetters:
    """Keep the messages that nobody takes while the block runs: `with axon.dead_letters() as letters:`.

    limit: how many are kept, default 1000; then the oldest goes, and `letters.dropped` counts it. Nothing is kept while
    no such block runs; the event `axon.telemetry.DeadLetter`, which is text, is for logs and counts. What is kept holds
    the messages themselves. Raises `InvalidOption`.
    """
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise InvalidOption("limit", limit, "a number of letters >= 1")
    return DeadLetters(runtime(), limit)
