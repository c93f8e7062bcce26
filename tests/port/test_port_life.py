"""The life of a child process against a model that only knows the rules, on a clock of numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from axon.port._life import TERM_GRACE, Life, Verdict

steps = st.floats(min_value=0.0, max_value=4.0, allow_nan=False)
START, HANG, GRACE = 5.0, 3.0, 2.0


@dataclass
class Told:
    """What has happened, as said by the rules alone."""

    ready: bool = False
    sign: float = 0.0
    ending: float | None = None
    over: bool = False
    open: dict[int, float | None] = field(default_factory=dict[int, "float | None"])


class LifeMachine(RuleBasedStateMachine):
    @initialize(hang=st.sampled_from([None, HANG]))
    def begin(self, hang: float | None) -> None:
        self.now, self.number, self.hang = 0.0, 0, hang
        self.life = Life(self.now, START, hang, GRACE)
        self.told = Told()
        self.verdicts: list[Verdict] = []

    def look(self) -> None:
        """As a port does: whenever the life says so, and no later."""
        at = self.life.next_look()
        if at is not None and at <= self.now:
            verdict = self.life.look(self.now)
            if verdict is not None:
                self.judged(verdict)

    def judged(self, verdict: Verdict) -> None:
        rules, now = self.told, self.now
        self.verdicts.append(verdict)
        assert not rules.over, "nothing is done about the dead"
        if verdict.what == "late":
            assert not rules.ready
            assert now >= START
        elif verdict.what == "hung":
            assert self.hang is not None
            assert rules.ready
            assert now >= rules.sign + self.hang  # as the rules reckon: a difference may be rounded below it
        elif verdict.what == "overran":
            due = rules.open[verdict.request]
            assert due is not None
            assert now >= due + GRACE
        else:
            assert rules.ending is not None
            assert now >= rules.ending + GRACE + (TERM_GRACE if verdict.what == "kill" else 0)
        rules.over = verdict.what != "term"

    @rule(seconds=steps)
    def time_passes(self, seconds: float) -> None:
        """In small pieces, as timers fire."""
        end = self.now + seconds
        while (at := self.life.next_look()) is not None and self.now < at <= end:
            self.now = at
            self.look()
        self.now = end
        self.look()

    @precondition(lambda self: not self.told.over)
    @rule()
    def gets_ready(self) -> None:
        if not self.told.ready and self.told.ending is None:
            self.told.ready, self.told.sign = True, self.now
        self.life.ready(self.now)

    @rule()
    def gives_a_sign(self) -> None:
        if self.told.ready:
            self.told.sign = self.now
            self.life.gave_sign(self.now)

    @precondition(lambda self: self.told.ready and not self.told.over and self.told.ending is None)
    @rule(due=st.none() | steps)
    def is_asked(self, due: float | None) -> None:
        self.number += 1
        at = None if due is None else self.now + due
        self.told.open[self.number] = at
        self.life.asked(self.number, at)

    @precondition(lambda self: self.told.open)
    @rule(data=st.data())
    def answers(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.told.open)))
        del self.told.open[number]
        self.life.over(number)

    @rule()
    def is_to_end(self) -> None:
        if self.told.ending is None and not self.told.over:
            self.told.ending = self.now
        self.life.told_to_end(self.now)

    @rule()
    def ends(self) -> None:
        self.told.over = True
        self.life.ended()

    @invariant()
    def its_phase_is_what_has_happened(self) -> None:
        rules = self.told
        if rules.over:
            wanted = "dead"
        elif rules.ending is not None:
            wanted = "draining"
        elif not rules.ready:
            wanted = "starting"
        else:
            wanted = "busy" if rules.open else "ready"
        assert self.life.phase == wanted

    @invariant()
    def nothing_is_late(self) -> None:
        """Who may be killed at some time has a time at which that is looked at."""
        rules, at = self.told, self.life.next_look()
        if rules.over:
            assert at is None
            return
        bounds = [due + GRACE for due in rules.open.values() if due is not None]
        if rules.ending is not None:
            bounds = [rules.ending + GRACE + TERM_GRACE]
        elif not rules.ready:
            bounds = [START]
        elif self.hang is not None:
            bounds.append(rules.sign + self.hang)
        if bounds:
            assert at is not None
            assert at <= min(bounds)
            assert self.now < min(bounds)
        else:
            assert at is None

    @invariant()
    def one_verdict_ends_it(self) -> None:
        lethal = [verdict for verdict in self.verdicts if verdict.what != "term"]
        assert len(lethal) <= 1
        assert sum(verdict.what == "term" for verdict in self.verdicts) <= 1


TestLife = LifeMachine.TestCase
