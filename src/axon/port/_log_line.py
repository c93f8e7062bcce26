"""A log record on its way from a child to its runtime, and which of them anybody wants."""

from __future__ import annotations

import logging
from itertools import islice
from typing import Annotated

from pydantic import BaseModel, Field

OWN = {*vars(logging.makeLogRecord({})), "message", "asctime", "pid"}
"""What every log record has here; in another Python it may have more, or less."""
LINES = 1000
"""Lines of a child in a second that become records here; the others are counted."""
LONGEST = 2**19
"""Bytes of a log line: more than those have that are within the limits below."""
NAME, VALUE, TEXT, FIELDS = 200, 1000, 20_000, 50
"""Characters of a name, of a field's value and of the text, and how many fields there may be."""

Name = Annotated[str, Field(max_length=NAME)]
Value = Annotated[str, Field(max_length=VALUE)] | int | float | bool | None


class LogLine(BaseModel, frozen=True):
    """A log record of the child; fields: what its `extra` holds, as far as that is plain."""

    logger: Name
    level: Annotated[int, Field(ge=0, le=logging.CRITICAL)]
    text: Annotated[str, Field(max_length=TEXT)]
    fields: Annotated[dict[Name, Value], Field(max_length=FIELDS)] = {}


def line_of(record: logging.LogRecord, text: str) -> LogLine:
    """The line of a record that reads so, cut where it is too long."""
    plain = (
        (name, value)
        for name, value in vars(record).items()
        if name not in OWN and isinstance(value, str | int | float | bool | None)
    )
    return LogLine(
        logger=_cut(record.name, NAME),
        level=max(logging.NOTSET, min(record.levelno, logging.CRITICAL)),
        text=_cut(text, TEXT),
        fields={_cut(str(name), NAME): _small(value) for name, value in islice(plain, FIELDS)},
    )


def _cut(text: str, longest: int) -> str:
    return text[:longest].encode("utf-8", "backslashreplace").decode()[:longest]


def _small(value: str | float | bool | None) -> str | int | float | bool | None:
    if isinstance(value, int) and value.bit_length() > 64:
        value = hex(value)
    return _cut(value, VALUE) if isinstance(value, str) else value


def levels() -> dict[str, int]:
    """From which level on the root and `axon` are listened to here: by their handlers, or by the last resort of logging,
    which prints warnings where a program has set up nothing.
    """
    root, axon = logging.getLogger(), logging.getLogger("axon")
    found: dict[str, int] = {}
    if _is_heard(root):
        found[""] = root.getEffectiveLevel()
    elif logging.lastResort is not None:
        found[""] = max(root.getEffectiveLevel(), logging.lastResort.level)
    if found or _is_heard(axon):
        found["axon"] = axon.getEffectiveLevel() if _is_heard(axon) else logging.CRITICAL + 1
    return found


def _is_heard(logger: logging.Logger | None) -> bool:
    while logger is not None:
        if any(not isinstance(handler, logging.NullHandler) for handler in logger.handlers):
            return True
        logger = logger.parent if logger.propagate else None
    return False
