"""What OTP leaves open in a trace, put into one order, so that the rest can be compared.

The golden traces of core, edges and random-seed1 were put into this order by the program that recorded them,
independently of this one: a mistake in one of the two shows as a difference.

* An `exit_received` is dropped if the same worker terminates in the same step: message and shutdown come from
  different senders.
* `mask` of the scenario: the fields listed for a path read "*".
* `loose` of the step, paths of supervisors that are killed: the ends of what was below them come first, by child.
  Starts, and all else, keep their order.
* `order` of the step, for the rest: "total" as observed; "sup" by supervisor, each with its own sequence; "child" what
  happened to each child, not when.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

Event = dict[str, Any]

_STARTS = ("started", "start_failed", "ignored")


def canonical(scenario: Mapping[str, Any], step: Mapping[str, Any], observed: Sequence[Event]) -> list[Event]:
    """One step's events, without its result, in canonical order."""
    masks: Mapping[str, Sequence[str]] = scenario.get("mask", {})
    events = [_masked(event, masks.get(event["path"], ())) for event in _heard(observed)]
    loose = tuple(f"{path}/" for path in step.get("loose", ()))
    apart = [e for e in events if e["event"] not in _STARTS and e["path"].startswith(loose)]
    rest = [e for e in events if e["event"] in _STARTS or not e["path"].startswith(loose)]
    return sorted(apart, key=_by_child) + _ordered(rest, step.get("order", "total"))


def canonical_trace(scenario: Mapping[str, Any], observed: Sequence[Event]) -> list[Event]:
    """A whole trace: the events of each step, then its result; at last what is alive."""
    start: dict[str, Any] = {}
    steps: list[dict[str, Any]] = [start, *scenario["steps"]]
    trace: list[Event] = []
    events: list[Event] = []
    for event in observed:
        if event["event"] == "result":
            number: int = event["step"]
            trace += canonical(scenario, steps[number], events)
            trace.append({**event, "value": canonical_value(event["value"])})
            events = []
        elif event["event"] == "final":
            trace.append({**event, "alive": sorted(event["alive"])})
        else:
            events.append(event)
    return trace


def canonical_value(value: Any) -> Any:
    """A step's result, in which the answer of `which_children` is sorted by id."""
    if not is_list(value):
        return value
    parts = [canonical_value(part) for part in value]  # a `held` step has one part for each of its ops
    if all(isinstance(part, dict) for part in parts) and all("id" in part for part in parts):
        parts.sort(key=lambda part: part["id"])
    return parts


def is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def is_dict(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _heard(observed: Sequence[Event]) -> list[Event]:
    """Without exit messages to workers that terminate in the same step: the shutdown may have been there first."""
    ended = {(e["path"], e["incarnation"]) for e in observed if e["event"] == "terminated"}
    return [e for e in observed if e["event"] != "exit_received" or (e["path"], e["incarnation"]) not in ended]


def _masked(event: Event, fields: Sequence[str]) -> Event:
    return {field: "*" if field in fields else value for field, value in event.items()}


def _ordered(events: list[Event], order: str) -> list[Event]:
    match order:
        case "total":
            return events
        case "sup":
            return sorted(events, key=_by_supervisor)
        case "child":
            return sorted(events, key=_by_child)
        case _:
            raise ValueError(f"no such order: {order}")


def _by_supervisor(event: Event) -> tuple[Any, ...]:
    if event["event"] == "exit_received":
        return _by_child(event)
    return (event["path"].rpartition("/")[0],)


def _by_child(event: Event) -> tuple[Any, ...]:
    kind = event["event"]
    phase = 0 if kind in _STARTS else 1 if kind == "exit_received" else 2
    return (event["path"], event["incarnation"], phase, event.get("from", ""), event.get("reason", ""))
