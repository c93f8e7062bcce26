"""Whether Axon does in a scenario what OTP does."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal
from zlib import crc32

from canon import Event
from erlang import Erlang
from replay import difference, replay

Scenario = dict[str, Any]

DOUBTS = 6
"""Further recordings that have to agree before a difference is said to be Axon's."""


@dataclass(frozen=True)
class Verdict:
    """`trace` is OTP's; `text` says what differs, or why OTP's rules do not settle it."""

    scenario: Scenario
    kind: Literal["same", "different", "unsettled"]
    trace: list[Event]
    text: str = ""


def judge(otp: Erlang, scenarios: Sequence[Scenario], *, doubts: int = DOUBTS) -> list[Verdict]:
    """Record each scenario twice on OTP, once disturbed, and replay it on Axon.

    Four times: with plain and with `async` workers, each as it comes and under a schedule decided by the name.
    """
    with ThreadPoolExecutor() as both:
        first = both.submit(otp.record, scenarios)
        second = both.submit(otp.record, scenarios, disturb=True)
    verdicts = list(map(_compare, scenarios, first.result(), second.result()))
    for _ in range(doubts):
        again = [n for n, verdict in enumerate(verdicts) if verdict.kind == "different"]
        if again:
            answers = otp.record([scenarios[n] for n in again], disturb=True)
            for n, answer in zip(again, answers, strict=True):
                verdicts[n] = _compare(scenarios[n], {"trace": verdicts[n].trace}, answer)
    return verdicts


def _compare(scenario: Scenario, first: dict[str, Any], second: dict[str, Any]) -> Verdict:
    trace: list[Event] = first.get("trace", [])
    error = first.get("error") or second.get("error")
    if error or trace != second["trace"]:
        return Verdict(scenario, "unsettled", trace, error or difference(trace, second["trace"]) or "")
    seed = crc32(scenario["name"].encode())
    for async_handlers, schedule in ((False, None), (True, None), (False, seed), (True, seed)):
        try:
            text = difference(trace, replay(scenario, async_handlers=async_handlers, seed=schedule))
        except Exception as failure:  # the tree did not come to rest, or the replay met what it does not know
            text = f"Axon: {type(failure).__name__}: {failure}"
        if text is not None:
            how = f"{'async' if async_handlers else 'plain'} workers{f', schedule {seed}' if schedule else ''}"
            return Verdict(scenario, "different", trace, f"{how}: {text}")
    return Verdict(scenario, "same", trace)
