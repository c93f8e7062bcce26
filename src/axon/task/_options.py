"""The options of a stream of tasks, and their defaults."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

from ..errors import InvalidOption
from ..process import checked_seconds


class StreamOptions(TypedDict, total=False):
    """What `async_stream` takes by keyword; see there for what it means."""

    max_concurrency: int
    ordered: bool
    timeout: float | None
    on_timeout: Literal["exit", "kill_task"]
    zip_input_on_exit: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The same with the defaults filled in, and checked."""

    max_concurrency: int = field(default_factory=lambda: os.cpu_count() or 1)
    ordered: bool = True
    timeout: float | None = 5.0
    on_timeout: Literal["exit", "kill_task"] = "exit"
    zip_input_on_exit: bool = False

    def __post_init__(self) -> None:
        number = self.max_concurrency
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise InvalidOption("max_concurrency", number, "a number of tasks >= 1")
        for option, value in (("ordered", self.ordered), ("zip_input_on_exit", self.zip_input_on_exit)):
            if not isinstance(value, bool):
                raise InvalidOption(option, value, "True or False")
        if self.timeout is not None:
            checked_seconds(self.timeout, "timeout")
        if self.on_timeout not in ("exit", "kill_task"):
            raise InvalidOption("on_timeout", self.on_timeout, "'exit' or 'kill_task'")


def checked_stream(fn: object, items: Iterable[Any], options: StreamOptions) -> Settings:
    """Refuse at once what a stream cannot work with."""
    if not callable(fn):
        raise InvalidOption("fn", fn, "a function or a coroutine function of one item")
    if not isinstance(items, Iterable):
        raise InvalidOption("items", items, "an iterable")
    return Settings(**options)
