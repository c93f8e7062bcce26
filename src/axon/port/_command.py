"""A program of the operating system, as it is to be started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InvalidOption
from ._surroundings import Surroundings


@dataclass(frozen=True, kw_only=True)
class Command(Surroundings):
    """What to start, and how; the options are those of `Program`. Raises `InvalidOption`."""

    argv: Sequence[str]

    def __post_init__(self) -> None:
        super().__post_init__()
        words = [] if isinstance(self.argv, str) else list(self.argv)
        if not words or not all(isinstance(word, str) and "\0" not in word for word in words):
            raise InvalidOption("argv", self.argv, "a list of the words of a command")
        if not Path(words[0]).is_absolute():
            raise InvalidOption("argv", self.argv, "one whose first word is the absolute path of a program")
