"""Running a program under many schedules, each decided by a seed, and telling how to run the failing one again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

from ..errors import InvalidOption, UsageError
from ._choices import Choices
from ._faults import Faults
from ._loop import MOST_STEPS, SimulationLoop

R = TypeVar("R")

NO_FAULTS = Faults()


def simulation(
    seed: int | random.Random, *, faults: Faults = NO_FAULTS, most_steps: int = MOST_STEPS
) -> SimulationLoop:
    """An event loop on virtual time whose schedule is decided by `seed`: the same seed gives the same run, to the last
    event.

    At every step one of the tasks and processes that could run is chosen, and how many messages a process handles in
    its turn, and whether a call is answered in place; plain callbacks keep their order, as asyncio promises. While
    it runs `random`, `uuid.uuid4` and the clocks of `time` follow the seed, too (`datetime.now` does not: it is
    compiled in). What asks the loop for a thread, a subprocess or a socket is refused with `UsageError`, since no seed
    says when it answers.

    seed: an int, or a `random.Random`, such as one of Hypothesis (`st.randoms(use_true_random=False)`), which then
    shrinks the choices. faults: what goes wrong, default nothing. most_steps: after so many (default 1,000,000) the run
    is given up with `SimulationRunsOn`. When everybody waits and no timer is set: `SimulationStuck`.

    Use it as the `loop_factory` of an `asyncio.Runner`; `simulate` does that. Not for measuring time, nor for code
    that needs the outside world: there `virtual_clock` stays.
    """
    if isinstance(most_steps, bool) or not isinstance(most_steps, int) or most_steps < 1:
        raise InvalidOption("most_steps", most_steps, "a number >= 1")
    return SimulationLoop(Choices(seed), faults, most_steps)


def simulate(
    main: Callable[[], Coroutine[Any, Any, R]],
    seed: int | random.Random,
    *,
    faults: Faults = NO_FAULTS,
    most_steps: int = MOST_STEPS,
) -> R:
    """Run `main()` in a simulation of its own and return its result. What it raises carries a line that says how to
    run this schedule again. Raises `UsageError` where an event loop runs already, as in an `async def` test.
    """
    _refuse_to_nest()
    loop = simulation(seed, faults=faults, most_steps=most_steps)
    try:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            try:
                result = runner.run(main())
            finally:
                loop.end_choices()
    except BaseException as error:
        if error is loop.choices.broken_off:
            raise
        name = getattr(main, "__qualname__", repr(main))
        error.add_note(f"schedule: simulate({name}, {loop.choices}{_shown(faults)})  # broke at step {loop.steps}")
        raise
    if loop.choices.broken_off is not None:
        raise loop.choices.broken_off
    return result


def explore(
    main: Callable[[], Coroutine[Any, Any, object]],
    seeds: Iterable[int],
    *,
    faults: Faults = NO_FAULTS,
    most_steps: int = MOST_STEPS,
) -> int:
    """Run `main` under one schedule per seed until one fails; returns how many there were. The error of the failing
    one is raised, with the line that runs it again.
    """
    number = 0
    for seed in seeds:
        simulate(main, seed, faults=faults, most_steps=most_steps)
        number += 1
    return number


def _refuse_to_nest() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise UsageError("a simulation has an event loop of its own: call it from a plain `def`, not from a coroutine")


def _shown(faults: Faults) -> str:
    return "" if faults == NO_FAULTS else f", faults={faults!r}"


def trouble() -> bool:
    """Whether something that may go wrong is to go wrong now: for scripted children and fakes of services. Decided by
    the simulation's seed and `Faults(trouble=…)`; outside a simulation never.
    """
    loop = asyncio.get_running_loop()
    return isinstance(loop, SimulationLoop) and loop.has_trouble()
