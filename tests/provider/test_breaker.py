"""The breaker as a pure machine, against a model that is told the same and knows the rules by heart."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axon.provider import Breaker, Pass

EXAMPLES = int(os.environ.get("AXON_EXAMPLES", "300"))
FAILURES, EVERY, RAMP = 3, 5.0, 20.0

Step: TypeAlias = "tuple[str, float | None]"

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.sampled_from([0.0, 0.1, 1.0, 5.0, 6.0, 21.0, 300.0])),
        st.tuples(st.sampled_from(["ask", "answer", "fail", "drop", "resume"]), st.none()),
        st.tuples(st.just("limit"), st.sampled_from([None, 0.0, 1.0, 30.0])),
        st.tuples(st.just("park"), st.sampled_from([None, 60.0])),
    ),
    max_size=80,
)


@dataclass
class Model:
    """What must hold, written down the slow way: a request is judged by the spell of weather it was sent in."""

    state: Literal["closed", "open", "parked"] = "closed"
    not_before: float = 0.0
    spell: int = 0
    streak: int = 0
    probes: list[float] = field(default_factory=list[float])
    sent: list[tuple[Pass, int, bool]] = field(default_factory=list[tuple[Pass, int, bool]])

    def becomes(self, state: Literal["closed", "open", "parked"], not_before: float) -> None:
        self.state, self.not_before = state, not_before
        self.spell += 1
        self.streak = 0


def breaker(chance: float = 0.5, rate: float | None = None) -> Breaker:
    return Breaker(failures=FAILURES, probe_every=EVERY, ramp=RAMP, chance=lambda: chance, rate=rate)


@given(STEPS, st.floats(0, 1))
@settings(max_examples=EXAMPLES)
def test_it_does_what_its_rules_say(steps: list[Step], chance: float) -> None:
    one, model, now = breaker(chance), Model(), 0.0
    for what, value in steps:
        match what:
            case "wait":
                now += value or 0.0
            case "ask" if one.next_at(now) <= now:
                asks(one, model, now)
            case "resume":
                assert one.resume(now) == (model.state != "closed")
                if model.state == "parked":
                    model.becomes("open", now)
                model.not_before = now
            case "answer" | "fail" | "limit" | "park" | "drop" if model.sent:
                ends(one, model, now, what, value)
            case _:
                pass
        if model.state == "closed":
            assert one.state(now) in ("closed", "ramp")
            assert one.next_at(now) <= now + RAMP
        else:
            assert one.state(now) in (("open", "half_open") if model.state == "open" else ("parked",))
            assert one.next_at(now) >= max(now, model.not_before)
            if model.not_before < math.inf:
                assert one.next_at(now) <= max(now, model.not_before) + EVERY + 0.1 * max(EVERY, 300)
        assert one.is_well == (model.state == "closed")


def asks(one: Breaker, model: Model, now: float) -> None:
    """A request is let pass: outside of good weather as a probe, and those keep their distance."""
    leave, is_probe = one.let_pass(now), model.state != "closed"
    assert leave.is_probe == is_probe
    if is_probe:
        assert now >= model.not_before
        assert all(now - before >= EVERY for before in model.probes)
        model.probes.append(now)
        if model.state == "parked":
            model.becomes("open", now)
        model.not_before = now + EVERY
    model.sent.append((leave, model.spell, is_probe))


def ends(one: Breaker, model: Model, now: float, what: str, value: float | None) -> None:
    """A request ends: what it says counts if the weather is still that in which it was sent."""
    leave, spell, is_probe = model.sent.pop(0)
    is_current = spell == model.spell
    if what == "drop":
        one.dropped(leave)
    elif what == "park":
        assert one.park(leave, now, value) == is_current
        if is_current:
            model.becomes("parked", math.inf if value is None else now + value)
    elif what == "answer":
        assert one.succeeded(leave, now, waiting=0) == (is_current and is_probe)
        if is_current:
            model.streak = 0
            if is_probe:
                model.becomes("closed", now)
    else:
        opened = one.failed(leave, now, at_once=what == "limit", retry_after=value)
        if model.state != "closed":
            assert not opened
            if value is not None and model.state == "open":
                model.not_before = max(model.not_before, now + value)
        elif is_current or value is not None:
            model.streak += 1
            assert opened == (what == "limit" or model.streak >= FAILURES)
            if opened:
                model.becomes("open", now + (EVERY if value is None else value))
        else:
            assert not opened


@given(st.integers(1, 400), st.floats(0, 1), st.one_of(st.none(), st.integers(1, 100)))
@settings(max_examples=EXAMPLES)
def test_a_ramp_lets_everybody_pass_and_never_a_herd(waiting: int, chance: float, rate: float | None) -> None:
    """The rate grows evenly: no second sees more than its share, and who waited is through by the end."""
    one = breaker(chance, rate)
    one.failed(one.let_pass(0.0), 0.0, at_once=True, retry_after=None)
    now = one.next_at(0.0)
    assert one.succeeded(one.let_pass(now), now, waiting)
    began, passed = now, list[float]()
    while one.state(now) == "ramp" and len(passed) < 2000:
        now = one.next_at(now)
        if one.state(now) != "ramp":
            break
        one.let_pass(now)
        passed.append(now - began)
    full = rate or 2 * max(waiting, 15) / RAMP
    for second in range(int(RAMP)):
        within = sum(second <= at < second + 1 for at in passed)
        assert within <= full * (second + 1) / RAMP + 1 + 1e-6
    if rate is None:
        assert len(passed) >= waiting
    assert one.state(began + RAMP) == "closed"


def test_room_in_a_ramp_that_nobody_used_is_not_saved_up() -> None:
    one = breaker()
    one.failed(one.let_pass(0.0), 0.0, at_once=True, retry_after=None)
    now = one.next_at(0.0)
    one.succeeded(one.let_pass(now), now, waiting=200)  # 20 a second at the end
    late = now + 10
    assert one.next_at(late) == late
    one.let_pass(late)
    assert one.next_at(late) > late


@pytest.mark.parametrize("chance", [0.0, 0.3, 1.0])
def test_a_retry_after_is_never_undercut_and_waited_out_a_tenth_longer_at_most(chance: float) -> None:
    one = breaker(chance)
    one.failed(one.let_pass(0.0), 100.0, at_once=True, retry_after=30.0)
    assert 130 <= one.next_at(100.0) <= 133


def test_a_longer_retry_after_of_another_request_counts() -> None:
    one = breaker(0.0)
    first, second = one.let_pass(0.0), one.let_pass(0.0)
    one.failed(first, 1.0, at_once=True, retry_after=2.0)
    one.failed(second, 1.0, at_once=True, retry_after=60.0)
    assert one.next_at(1.0) == 61.0


def test_failures_that_are_not_in_a_row_do_not_open_it() -> None:
    one = breaker()
    for now in range(20):
        one.failed(one.let_pass(now), now, at_once=False, retry_after=None)
        one.failed(one.let_pass(now), now, at_once=False, retry_after=None)
        one.succeeded(one.let_pass(now), now, waiting=0)
    assert one.state(20) == "closed"


def test_a_probe_that_hangs_holds_no_other_probe_up() -> None:
    one = breaker(0.0)
    one.failed(one.let_pass(0.0), 0.0, at_once=True, retry_after=None)
    assert one.next_at(0.0) == 5.0
    one.let_pass(5.0)
    assert (one.state(5.0), one.next_at(5.0)) == ("half_open", 10.0)
    one.let_pass(10.0)
    assert one.next_at(10.0) == 15.0
