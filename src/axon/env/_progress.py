"""How far a build is, told while it goes on."""

from __future__ import annotations

import asyncio
import time

from ..telemetry import emit
from ._events import BuildStep, EnvInstallerSaid, EnvProgress

STILL = 5.0
"""Seconds after which a step that goes on is told of again."""


class Progress:
    """Tells how far a build is: each step at its begin, and every `STILL` seconds of it."""

    def __init__(self, digest: str) -> None:
        self._digest = digest
        self._begun = time.monotonic()
        self.at: BuildStep = "waiting"
        self.last = ""
        self._timer: asyncio.TimerHandle | None = None

    @property
    def seconds(self) -> float:
        """Since the begin."""
        return time.monotonic() - self._begun

    def waiting(self) -> None:
        """Somebody else builds it."""
        if self._timer is None:
            self._tell()

    def step(self, step: BuildStep) -> None:
        """Another one begins."""
        self.at, self.last = step, ""
        self._tell()

    def said(self, line: str) -> None:
        """The installer said this."""
        self.last = line
        emit(EnvInstallerSaid(env=self._digest, line=line))

    def done(self) -> None:
        """No more is told."""
        if self._timer is not None:
            self._timer.cancel()

    def _tell(self) -> None:
        self.done()
        emit(EnvProgress(env=self._digest, step=self.at, seconds=self.seconds, said=self.last))
        self._timer = asyncio.get_running_loop().call_later(STILL, self._tell)
