"""Every decision of a simulation comes from one stream of numbers: that of a seed, or one that Hypothesis draws."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from ..errors import InvalidOption

N = TypeVar("N", int, float)


class Choices:
    """The decisions of one simulated run, in order.

    source: a seed (an int), or a `random.Random`; Hypothesis's `st.randoms(use_true_random=False)` is one whose draws
    it shrinks. It ends an example by an exception in a draw; since that may be anywhere, in a process that takes it
    for its own failure, too, it is kept as `broken_off` for the loop to raise, and nothing more is drawn.
    """

    def __init__(self, source: int | random.Random) -> None:
        if isinstance(source, bool) or not isinstance(source, int | random.Random):
            raise InvalidOption("seed", source, "an int or a random.Random")
        self.seed: int | None = source if isinstance(source, int) else None
        self.broken_off: BaseException | None = None
        self._over = False
        self._random = random.Random(source) if isinstance(source, int) else source

    def __repr__(self) -> str:
        return "a random.Random" if self.seed is None else str(self.seed)

    def end(self) -> None:
        """Draw nothing more; every decision is for the first way from now on."""
        self._over = True

    def below(self, n: int) -> int:
        """One of 0 … n-1."""
        return self._draw(lambda: self._random.randrange(n), 0) if n > 1 else 0

    def happens(self, probability: float) -> bool:
        """Yes, so often; 0, the draw that Hypothesis takes for the simplest, says no unless that is impossible."""
        return probability > 0 and self._draw(self._random.random, 0.0) >= 1 - probability

    def seconds(self, most: float) -> float:
        """A time between 0 and `most`."""
        return self._draw(self._random.random, 0.0) * most if most > 0 else 0.0

    def _draw(self, draw: Callable[[], N], otherwise: N) -> N:
        if not self._over:
            try:
                return draw()
            except BaseException as error:
                self.broken_off = error
                self.end()
        return otherwise
