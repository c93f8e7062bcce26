"""Chooses from many scenarios those that together show most, and writes them with their traces."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from judge import Scenario, Verdict

LONGEST = 6000
"""Characters of a scenario and its trace above which it is not worth its place."""


def most_telling(verdicts: Sequence[Verdict], count: int) -> list[Verdict]:
    """Greedily, each time the one that shows most that is new for its length; in the order in which they were given."""
    left = {n: set(_shown(verdict)) for n, verdict in enumerate(verdicts) if _length(verdict) <= LONGEST}
    kept: list[int] = []
    while left and len(kept) < count:
        best = max(left, key=lambda n: len(left[n]) / (500 + _length(verdicts[n])))
        new = left.pop(best)
        if not new:
            break
        kept.append(best)
        for shown in left.values():
            shown -= new
    return [verdicts[n] for n in sorted(kept)]


def write(folder: Path, verdicts: Iterable[Verdict]) -> None:
    chosen = list(verdicts)
    scenarios = [verdict.scenario for verdict in chosen]
    traces = [{"name": verdict.scenario["name"], "trace": verdict.trace} for verdict in chosen]
    for path, lines in ((folder / "fuzz.jsonl", scenarios), (folder / "golden" / "fuzz.jsonl", traces)):
        path.write_text("".join(f"{json.dumps(line, separators=(',', ':'))}\n" for line in lines))


def _length(verdict: Verdict) -> int:
    return len(json.dumps(verdict.scenario)) + len(json.dumps(verdict.trace))


def _shown(verdict: Verdict) -> Iterator[str]:
    """What a scenario shows: each event and result by the step that it comes from, and each event after another."""
    kinds = dict(_kinds(verdict.scenario["tree"], "", "none"))
    op = "start"
    before = ""
    for event in verdict.trace:
        if event["event"] == "result":
            yield _plain(f"{op} -> {event['value']}")
            if event["step"] < len(verdict.scenario["steps"]):
                step = verdict.scenario["steps"][event["step"]]
                kinds |= _started(step)
                op = " ".join([step["op"], *(str(step[key]) for key in ("via", "how", "do", "reason") if key in step)])
            before = ""
        elif event["event"] != "final":
            kind = kinds.get(event["path"], "")
            what = f"{event['event']} {event.get('reason', '')} {event.get('terminate_reason', '')}"
            yield _plain(f"{op}: {kind} {what}")
            yield _plain(f"{before}, {kind} {event['event']}")
            before = f"{kind} {event['event']}"


def _started(step: dict[str, Any]) -> dict[str, str]:
    kinds: dict[str, str] = {}
    for op in (step, *step.get("ops", ())):
        if op["op"] == "start_child":
            kinds |= _kinds(op["spec"], f"{op['sup']}/", "any")
    return kinds


def _kinds(spec: Scenario, above: str, strategy: str) -> Iterator[tuple[str, str]]:
    """For each path what the process there is."""
    path = f"{above}{spec['id']}"
    traps = "trapping " if spec.get("trap_exit") else ""
    yield path, f"{strategy} {spec.get('restart', '')} {traps}{spec['type']}"
    for child in spec.get("children", ()):
        yield from _kinds(child, f"{path}/", spec.get("strategy", "one_for_one"))


def _plain(text: str) -> str:
    """Without the ids, which say nothing."""
    return re.sub(r"\b[sw]\d+\b", "id", text)
