"""What an invented scenario is about: how often each thing is chosen for its tree and for its steps."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import NamedTuple, TypeAlias

Weights: TypeAlias = Mapping[str, float]
"""How often each of these is chosen, in relation to the others."""


def pick(rng: Random, weights: Weights) -> str:
    return rng.choices(list(weights), list(weights.values()))[0]


SIZES: Mapping[str, tuple[int, int, int]] = {"small": (4, 2, 4), "medium": (10, 4, 11), "large": (28, 6, 24)}
"""The most workers, levels of supervisors and steps that a scenario of this size has."""

INITS: Weights = {
    "ok": 75, "fail_on": 9, "fail_after_n_starts": 3, "crash_on": 3, "ignore_on": 5, "ignore": 1.2, "fail": 0.3,
    "crash": 0.2, "exit": 0.2, "fail_first_n": 0.5,
}  # fmt: skip
TERMINATES: Weights = {"ok": 80, "short": 6, "crash": 6, "exit": 8}
SHUTDOWNS: Weights = {"default": 50, "5000": 15, "infinity": 12, "0": 5, "brutal_kill": 18}
SUPERVISOR_SHUTDOWNS: Weights = {"default": 85, "5000": 15}
INTENSITIES: Weights = {"0": 10, "1": 22, "2": 26, "3": 20, "6": 12, "40": 7, "default": 3}
ROOT_INTENSITIES: Weights = {"0": 3, "1": 10, "2": 20, "3": 25, "6": 26, "40": 14, "default": 2}
RESTARTS: Weights = {"permanent": 54, "transient": 26, "temporary": 20}
STEPS: dict[str, float] = {
    "crash": 24, "exit": 16, "kill": 8, "signal": 9, "call": 4, "cast": 3, "terminate_child": 8, "restart_child": 8,
    "delete_child": 4, "start_child": 7, "which_children": 4, "count_children": 3, "stop": 4, "signal_supervisor": 1.5,
    "crash_supervisor": 0.7, "call_via": 4, "link": 3, "unlink": 0.7, "held": 5, "lost": 1,
}  # fmt: skip
LAST_STEPS: Weights = {"nothing": 60, "stop_root": 20, "parent_exit": 10, "kill_root": 10}


class Theme(NamedTuple):
    """What is not given is as usual.

    significance: how often a supervisor has auto_shutdown. starts: whether the tree surely starts.
    """

    weight: float
    steps: Weights
    inits: Weights = INITS
    terminates: Weights = TERMINATES
    shutdowns: Weights = SHUTDOWNS
    supervisor_shutdowns: Weights = SUPERVISOR_SHUTDOWNS
    intensities: Weights = INTENSITIES
    root_intensities: Weights = ROOT_INTENSITIES
    last_steps: Weights = LAST_STEPS
    significance: float = 0.1
    periods: tuple[int, ...] = (30, 60)
    starts: bool = False


def _usual_and(**more: float) -> Weights:
    """The usual steps, and these that much more often."""
    return {name: STEPS.get(name, 0) + more.get(name, 0) for name in STEPS | more}


_SOUND: Weights = {"ok": 1}
_SHAKY: Weights = {**INITS, "ok": 60, "fail_on": 25, "ignore_on": 10, "fail_after_n_starts": 6, "crash_on": 8}

THEMES: Mapping[str, Theme] = {
    "anything": Theme(26, STEPS),
    "failing": Theme(
        14,
        STEPS,
        inits={**_SHAKY, "ok": 30},
        intensities={"1": 1, "2": 2, "3": 3, "6": 4, "40": 2},
    ),
    "significant": Theme(12, _usual_and(exit=20), significance=0.8),
    "killing": Theme(
        10,
        _usual_and(kill_supervisor=40),
        supervisor_shutdowns={"default": 6, "5000": 1, "brutal_kill": 3},
        starts=True,
    ),
    "slow": Theme(
        5,
        _usual_and(terminate_child=10, stop=5),
        terminates={**TERMINATES, "slow": 30},
        supervisor_shutdowns={"default": 6, "5000": 1, "short": 3},
        starts=True,
    ),
    "held": Theme(14, _usual_and(held=60), inits=_SHAKY, significance=0.3),
    "links": Theme(
        8, _usual_and(link=40, unlink=4), inits=_SOUND, intensities={"6": 1, "40": 5}, significance=0.03
    ),
    "calls": Theme(7, _usual_and(call_via=45), inits=_SOUND, intensities={"6": 1, "40": 4}, significance=0.03),
    "requests": Theme(
        10, _usual_and(terminate_child=20, restart_child=20, delete_child=12, start_child=30, held=10), inits=_SHAKY
    ),
    "time": Theme(
        3,
        {"crash": 8, "wait": 4, "kill": 2, "count_children": 1},
        root_intensities={"1": 1, "2": 1},
        periods=(2,),
        last_steps={"nothing": 1},
    ),
}  # fmt: skip
