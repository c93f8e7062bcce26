"""Makes scenarios up: trees and steps chosen at random, with the corners of OTP's supervisors in mind.

A scenario is invented while Axon takes it, so that each step is chosen knowing what is alive, stopped or linked, and
only if OTP's rules settle what it does. The same seed gives the same scenario as long as Axon does the same.

    themes.py  what a scenario is about, and how often each thing is chosen
    specs.py   specifications of supervisors and workers
    moves.py   the next step
    reach.py   whether what it does is settled, and in which order
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from moves import Moves, Step
from specs import Maker
from steps import Driver
from themes import SIZES, THEMES, Weights, pick

PATIENCE = 30
"""Steps that are refused before no more are made up."""
QUIET = ("call", "cast", "link", "unlink", "wait", "which_children", "count_children")
"""Steps in which nobody ends."""


class Inventor(Driver):
    """Invents a scenario and takes it on Axon; afterwards `invented` is all of it, and `trace` what Axon did."""

    def __init__(self, seed: str, size: str) -> None:
        rng = Random(seed)
        name = pick(rng, {name: theme.weight for name, theme in THEMES.items()})
        most_workers, most_levels, most_steps = SIZES[size]
        self._theme = THEMES[name]
        self._maker = Maker(rng, self._theme, most_workers=most_workers, most_levels=most_levels)
        self._wanted = max(rng.randint(1, most_steps), rng.randint(1, most_steps))
        self._made: list[Step] = []
        self.invented: dict[str, Any] = {"name": f"{name}-{seed}", "tree": self._maker.root(), "steps": self._made}
        super().__init__(self.invented, async_handlers=False, raw=False)
        self._moves = Moves(rng, self._maker, self.recorder)

    def steps(self) -> Iterator[Step]:
        for number in range(1, self._wanted + 1):
            if "root" not in self._moves.look().alive:
                return
            step = self._settled(self._theme.last_steps, 1) if number == self._wanted else None
            step = step or self._settled(self._theme.steps, PATIENCE)
            if step is None:
                return
            self._made.append(step)
            yield step

    def _settled(self, kinds: Weights, patience: int) -> Step | None:
        """A step of such a kind, with what has to be known for comparing it; None if OTP's rules settle none."""
        reach = self._moves.look()
        for _ in range(patience):
            step = self._moves.make(kinds)
            order = None if step is None else reach.order(step)
            if step is None or order is None:
                continue
            if order != "total":
                step["order"] = order
            killed = [op["target"] for op in (step, *step.get("ops", ())) if op["op"] == "kill"]
            loose = sorted({*self._maker.rough, *filter(reach.is_supervisor, killed)})
            if loose and step["op"] not in QUIET:
                step["loose"] = loose
            return step
        return None
