"""Makes a scenario small: leaves steps, children and options out as long as Axon still does something else than OTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from canon import is_dict, is_list
from erlang import Erlang
from judge import Scenario, Verdict, judge

_LISTS = ("steps", "children", "ops", "links")
_OPTIONS = (
    "strategy", "intensity", "period", "auto_shutdown", "restart", "significant", "shutdown", "trap_exit", "init",
    "terminate", "via", "how",
)  # fmt: skip
_DOUBTS = 1


def shrink(otp: Erlang, verdict: Verdict) -> Verdict:
    """The smallest such scenario found; each round tries all that are smaller by one thing."""
    smallest = verdict
    while True:
        smaller = judge(otp, list(_smaller(smallest.scenario)), doubts=_DOUBTS)
        different = [found for found in smaller if found.kind == "different"]
        if not different:
            return smallest
        smallest = min(different, key=lambda found: len(json.dumps(found.scenario)))


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    for route, start, length in _parts(scenario):
        copy = deepcopy(scenario)
        holder: Any = copy
        for key in route[:-1]:
            holder = holder[key]
        if length:
            del holder[route[-1]][start : start + length]
        else:
            del holder[route[-1]]
        yield copy


def _parts(part: dict[str, Any] | list[Any], route: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], int, int]]:
    """What may be left out: where it is, and for a run of items in a list its start and length."""
    items: list[tuple[str | int, Any]] = [*part.items()] if is_dict(part) else [*enumerate(part)]
    for key, value in items:
        here = (*route, key)
        if key in _LISTS and is_list(value):
            length = len(value)
            while length:
                yield from ((here, start, length) for start in range(0, len(value), length))
                length //= 2
        elif key in _OPTIONS:
            yield here, 0, 0
        if is_dict(value) or is_list(value):
            yield from _parts(value, here)
