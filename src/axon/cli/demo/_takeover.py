"""How a demo goes on with what a killed one left: what is done is told, and not done again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ._left import Left
from ._screen import work
from ._session import Answered, Owner, Pen, TakenOver


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A turn that was under way, and what is done of it."""

    question: int
    agent: str
    at: str
    requests: int
    tool_calls: int


@dataclass(frozen=True, kw_only=True)
class Resumed:
    """What was taken over from the process `pid`: the turns under way, and of all turns the work not done again."""

    pid: int
    turns: list[Turn]
    requests: int
    tool_calls: int


async def take_over(pen: Pen, agents: Mapping[str, Left], say: Callable[[str], None]) -> Resumed:
    """Take an unfinished session over, and say so. Raises `StoreError`."""
    session, before = pen.session, pen.session.owner
    assert before is not None, "there is a demo to take over"
    say(f"taken over from {before}")
    for number, answered in sorted(session.answered.items()):
        say(
            f"question {number + 1}: was {'answered' if answered.error is None else 'given up'}; not repeated: {work(answered.requests, answered.tool_calls)}"
        )
    turns: list[Turn] = []
    for number, agent in sorted(session.given.items()):
        if number not in session.answered:
            left = agents[agent]
            if left.message.partition(",")[0] != f"question {number + 1}":
                left = Left(place="before it was asked")
            turns.append(
                Turn(question=number, agent=agent, at=str(left), requests=left.requests, tool_calls=left.tool_calls)
            )
            say(f"question {number + 1}: {agent} goes on {left}; not repeated: {work(left.requests, left.tool_calls)}")
    await pen.note(TakenOver(owner=Owner()))
    done: list[Turn | Answered] = [*turns, *session.answered.values()]
    return Resumed(
        pid=before.pid,
        turns=turns,
        requests=sum(one.requests for one in done),
        tool_calls=sum(one.tool_calls for one in done),
    )
