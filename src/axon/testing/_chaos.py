"""A test as many schedules: `@chaos` runs it in a simulation for one seed after the other."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack
from typing import Any, ParamSpec

from ..errors import InvalidOption
from ._faults import Faults
from ._invariants import Invariant
from ._loop import MOST_STEPS
from ._simulation import simulate

P = ParamSpec("P")


def chaos(
    *,
    seeds: int = 100,
    invariants: Sequence[Invariant] = (),
    kill: float = 0.0,
    victims: str = "*",
    most_kills: int | None = None,
    late: float = 0.0,
    trouble: float = 0.0,
    most_steps: int = MOST_STEPS,
) -> Callable[[Callable[P, Coroutine[Any, Any, None]]], Callable[P, None]]:
    """Run an `async def` test under many schedules, with faults; it passes if it passes under all.

    seeds: how many schedules, default 100; the environment variable `AXON_SEEDS` says otherwise, and `AXON_SEED=7`
    runs that one only. invariants: what must hold at the end of each, such as `nothing_left`, `one_reply`,
    `within(10)`. The other options are those of `Faults` and `simulation`. A failure ends with the line that runs its
    schedule again.

    The test becomes a plain function, marked `chaos`, so no plugin for `async` tests is needed; its fixtures must not
    be `async`. Not for tests that need real I/O.
    """
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1:
        raise InvalidOption("seeds", seeds, "a number >= 1")
    faults = Faults(kill=kill, victims=victims, most_kills=most_kills, late=late, trouble=trouble)

    def decorate(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
        @functools.wraps(test)
        def run(*args: P.args, **keywords: P.kwargs) -> None:
            @functools.wraps(test)  # a failure shows its name
            async def guarded() -> None:
                async with AsyncExitStack() as stack:
                    for invariant in invariants:
                        await stack.enter_async_context(invariant())
                    await test(*args, **keywords)

            for seed in chosen_seeds(seeds):
                try:
                    simulate(guarded, seed, faults=faults, most_steps=most_steps)
                except BaseException as error:
                    error.add_note(f"run it again: AXON_SEED={seed} pytest -k {test.__name__}")
                    raise

        run.__dict__["pytestmark"] = [*_marks(test), *_chaos_mark()]
        return run

    return decorate


def chosen_seeds(number: int) -> Iterable[int]:
    """The seeds to run: 0 … number-1, unless the environment says otherwise."""
    only, many = os.environ.get("AXON_SEED"), os.environ.get("AXON_SEEDS")
    for option, value in (("AXON_SEED", only), ("AXON_SEEDS", many)):
        if value is not None and not value.isdecimal():
            raise InvalidOption(option, value, "a whole number")
    return range(number if many is None else int(many)) if only is None else [int(only)]


def _marks(test: object) -> list[Any]:
    return list(getattr(test, "pytestmark", []))


def _chaos_mark() -> list[Any]:
    try:
        import pytest
    except ModuleNotFoundError:  # a program may run its chaos without
        return []
    return [pytest.mark.chaos.mark]
