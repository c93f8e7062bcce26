"""Chooses from many scenarios those that together show most, and writes them with their traces."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from judge import Scenario, Verdict


def most_telling(verdicts: Sequence[Verdict], size: int) -> list[Verdict]:
    """So many that they fit into `size` bytes, each time the one that shows most that is new for its length."""
    left = {n: set(_shown(verdict)) for n, verdict in enumerate(verdicts)}
    lengths = [sum(map(len, _lines(verdict))) for verdict in verdicts]
    kept: list[int] = []
    while left:
        best = max(left, key=lambda n: len(left[n]) / lengths[n])
        size -= lengths[best]
        new = left.pop(best)
        if size < 0 or not new:
            break
        kept.append(best)
        for shown in left.values():
            shown -= new
    return [verdicts[n] for n in sorted(kept)]


def write(folder: Path, verdicts: Iterable[Verdict]) -> None:
    scenarios, traces = zip(*map(_lines, verdicts), strict=True)
    (folder / "fuzz.jsonl").write_text("".join(scenarios), encoding="utf-8")
    (folder / "golden" / "fuzz.jsonl").write_text("".join(traces), encoding="utf-8")


def _lines(verdict: Verdict) -> tuple[str, str]:
    """The scenario and its trace, as they are written."""
    return _line(verdict.scenario), _line({"name": verdict.scenario["name"], "trace": verdict.trace})


def _line(part: dict[str, Any]) -> str:
    return json.dumps(part, separators=(",", ":")) + "\n"


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
