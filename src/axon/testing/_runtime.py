"""The runtime of a simulation: what the real one decides for speed, a seed decides here."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from ..process import Runnable, Runtime, Share
from ._choices import Choices

if TYPE_CHECKING:
    from ._loop import SimulationLoop


class _Share:
    """A share of the loop's turn that may be used up at any time."""

    def __init__(self, home: SimulatedRuntime) -> None:
        self._home = home

    def release(self) -> None:
        if not self._home.gate._is_owned() or not self._home.take_in_place():
            raise RuntimeError("none is left")


class SimulatedRuntime(Runtime):
    """Each process with mail is a strand of its own; how many messages it handles in its turn, and whether an idle
    server answers in its caller's turn, is a choice.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, choices: Choices) -> None:
        self._choices, self._chance = choices, _Share(self)
        super().__init__(loop)

    # The real runtime sets these once, and looks at them often. The simplest draw is what it would do most of the time.
    in_place: bool = cast("bool", property(lambda self: self._choices.below(2) == 0, lambda self, value: None))
    burst: int = cast("int", property(lambda self: 1 + self._choices.below(3), lambda self, value: None))
    share: Share = cast("Share", property(lambda self: self._chance, lambda self, value: None))

    def take_in_place(self) -> bool:
        """A choice, too."""
        return self._choices.below(4) < 3

    def arm(self) -> None:
        """Queue a process that has mail; the next one is armed, too."""
        runnable = self.ready.pop()
        self.loop.call_soon(runnable.run, context=runnable.own_context())

    def serve_now(self, runnable: Runnable) -> None:
        """Let it have its turn before all others."""
        ready = cast("SimulationLoop", self.loop)._ready
        turn = next((handle for handle in ready if getattr(handle, "_callback", None) == runnable.run), None)
        if turn is not None:
            ready.remove(turn)
            runnable.own_context().run(runnable.run)
