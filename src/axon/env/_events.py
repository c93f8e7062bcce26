"""What is told while environments are built: the steps as log lines, and what the installer says as events."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar, Literal

from ..telemetry import Event
from ._errors import EnvErrorReason

BuildStep = Literal["waiting", "interpreter", "venv", "install", "verify"]
"""What `ensure_env` is doing: waiting for another builder, or one of the steps of a build, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvProgress(Event):
    """A step of a build began, or goes on after another 5 s of it: `seconds` since the begin of the build.

    env: the digest of what was asked for. said: what the installer said last.
    """

    logged: ClassVar[tuple[int, str] | None] = (logging.INFO, "python environment: at work")
    env: str
    step: BuildStep
    seconds: float
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvInstallerSaid(Event):
    """The installer wrote a line. Not logged: `EnvProgress` shows one every 5 s."""

    env: str
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvBuilt(Event):
    """An environment was built, in so many `seconds`, with so many `packages`."""

    logged: ClassVar[tuple[int, str] | None] = (logging.INFO, "python environment: built")
    env: str
    python: str
    packages: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvBuildFailed(Event):
    """A build failed after `seconds`; nothing of it is used."""

    logged: ClassVar[tuple[int, str] | None] = (logging.ERROR, "python environment: not built")
    env: str
    why: EnvErrorReason
    detail: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvDiscarded(Event):
    """An environment that was built cannot be used any more, and is built anew."""

    logged: ClassVar[tuple[int, str] | None] = (logging.WARNING, "python environment: unusable, built anew")
    env: str
    why: EnvErrorReason
    detail: str
