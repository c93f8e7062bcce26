"""What is told at the end: the answers, the work that was done, and all of it as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from axon.agent import Boundary

from ._desk import Desk
from ._faults import Faults
from ._kill import DemoStore
from ._screen import Screen, printable, work
from ._takeover import Resumed


@dataclass
class Report:
    """The demo so far. `resumed` is None if it was not taken over from another process."""

    desk: Desk
    faults: Faults
    resumed: Resumed | None
    store: DemoStore
    screen: Screen

    @property
    def _done(self) -> tuple[int, int]:
        """Model requests and tool calls of this process."""
        return self.store.written[Boundary.RESPONSE], self.store.written[Boundary.TOOL_DONE]

    def print_answers(self) -> None:
        """Each question with its claims and where they stand."""
        self._print()
        for one in self.desk.answered:
            self._print(one.question, style="bold")
            if one.answer is None:
                self._print(f"  no answer: {one.error}")
            elif not one.answer.found:
                self._print("  the folder does not say")
            for claim in one.answer.claims if one.answer is not None else ():
                places = ", ".join(f"{c.file}:{c.first_line}-{c.last_line}" for c in claim.citations)
                self._print(f"  {claim.text}  [{places}]")
            self._print()

    def print_work(self) -> None:
        """After a takeover, what was done by whom."""
        if self.resumed is not None:
            before = work(self.resumed.requests, self.resumed.tool_calls)
            self._print(f"done before and not repeated: {before}; done after: {work(*self._done)}")
            self._print()

    def _print(self, line: str = "", style: str | None = None) -> None:
        self.screen.console.print(printable(line), style=style, markup=False, highlight=False, soft_wrap=True)

    def summary(self, downs: list[tuple[str, str]]) -> dict[str, Any]:
        """All of it; downs: how agents ended, as (agent, reason)."""
        requests, tool_calls = self._done
        return {
            "answers": [
                {
                    "question": one.question,
                    "found": one.answer is not None and one.answer.found,
                    "claims": [] if one.answer is None else [c.model_dump(mode="json") for c in one.answer.claims],
                    "error": one.error,
                    "agent": one.agent,
                    "attempts": one.attempts,
                    "seconds": round(one.seconds, 3),
                }
                for one in self.desk.answered
            ],
            "faults": [
                {"fault": fault.fault, "agent": fault.agent, "question": fault.question + 1}
                for fault in self.faults.struck
            ],
            "downs": [{"agent": name, "reason": reason} for name, reason in downs],
            "restarts": self.screen.restarts,
            "outages": [round(seconds, 3) for seconds in self.screen.outages],
            "store": str(self.store.path),
            "model_requests": requests,
            "tool_calls": tool_calls,
            "resumed": None if self.resumed is None else _told(self.resumed),
        }


def _told(resumed: Resumed) -> dict[str, Any]:
    told = asdict(resumed)
    for turn in told["turns"]:
        turn["question"] += 1
    return told
