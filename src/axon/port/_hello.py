"""The first words of both sides."""

from __future__ import annotations

import logging

from pydantic import BaseModel

from ._spec import SpecAsData

OWN = {*vars(logging.makeLogRecord({})), "message", "asctime", "pid"}
"""What every log record has here; in another Python it may have more, or less."""


class Hello(BaseModel, frozen=True):
    """What the runtime says: what the child is to be. path: of its server; heartbeat: seconds; levels: of loggers by name,
    none if nobody listens to them; grace: seconds that work has to end when it is cancelled.
    """

    version: int
    token: str
    path: str
    spec: SpecAsData
    heartbeat: float
    grace: float
    levels: dict[str, int]


class Ready(BaseModel, frozen=True):
    """What the child says when its server runs."""

    version: int
    token: str


class LogLine(BaseModel, frozen=True):
    """A log record of the child; fields: what its `extra` holds, as far as that is plain. dropped: those before it that
    there was no room for.
    """

    logger: str
    level: int
    text: str
    fields: dict[str, str | int | float | bool | None] = {}
    dropped: int = 0


def levels() -> dict[str, int]:
    """The levels that are set here, of the root and of `axon`, if there are handlers for them."""
    return {
        name: logger.getEffectiveLevel()
        for name, logger in (("", logging.getLogger()), ("axon", logging.getLogger("axon")))
        if _is_heard(logger)
    }


def _is_heard(logger: logging.Logger | None) -> bool:
    while logger is not None:
        if any(not isinstance(handler, logging.NullHandler) for handler in logger.handlers):
            return True
        logger = logger.parent if logger.propagate else None
    return False
