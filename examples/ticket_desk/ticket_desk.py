"""A ticket desk that loses no ticket: clerks may die at any moment, the inbox gives their work to others.

The inbox monitors whoever takes a ticket. If that clerk ends before the ticket is done, its `Down` puts the ticket
back; an answer that comes late, from a clerk that was thought dead, is not counted twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

import axon
from axon import Down, GenServer, IdleTimeout, Monitor, Supervisor, call, cast, child

CLERKS = 3
LOOK_AGAIN = 0.5
"""Seconds after which a clerk that found nothing to do looks again."""


@dataclass
class Tickets:
    """What the inbox owns."""

    open: deque[int] = field(default_factory=deque[int])
    texts: dict[int, str] = field(default_factory=dict[int, str])
    taken: dict[Monitor, int] = field(default_factory=dict[Monitor, int])
    answers: dict[int, str] = field(default_factory=dict[int, str])


class Inbox(GenServer[Tickets]):
    """Keeps every ticket until it is answered."""

    def init(self) -> Tickets:
        return Tickets()

    @call
    def submit(self, state: Tickets, text: str) -> int:
        """Accept a ticket; returns its number."""
        number = len(state.texts) + 1
        state.texts[number] = text
        state.open.append(number)
        return number

    @call
    def take(self, state: Tickets) -> tuple[int, str] | None:
        """The next ticket for the clerk that asks, or None."""
        if not state.open:
            return None
        number = state.open.popleft()
        state.taken[axon.monitor(axon.callers()[0])] = number
        return number, state.texts[number]

    @cast
    def done(self, state: Tickets, number: int, answer: str) -> None:
        """A clerk has an answer; the first one counts."""
        state.answers.setdefault(number, answer)

    @call
    def answers(self, state: Tickets) -> dict[int, str]:
        """All answers so far."""
        return dict(state.answers)

    def handle_info(self, state: Tickets, message: object) -> None:
        """A clerk has ended: what it had not finished is open again."""
        match message:
            case Down(monitor=monitor) if monitor in state.taken:
                number = state.taken.pop(monitor)
                if number not in state.answers:
                    state.open.append(number)
            case _:
                pass


class Clerk(GenServer[None]):
    """Answers one ticket after the other."""

    inbox: str

    def init(self) -> None:
        axon.idle_after(LOOK_AGAIN)

    async def handle_info(self, state: None, message: object) -> None:
        """Nothing came for a while: see what is to be done."""
        if isinstance(message, IdleTimeout):
            inbox = axon.lookup(Inbox, self.inbox)
            while (ticket := await inbox.take()) is not None:
                number, text = ticket
                await asyncio.sleep(0.1)  # the work
                inbox.done(number, text.upper())
            axon.idle_after(LOOK_AGAIN)


def desk() -> Supervisor:
    """The whole tree: clerks come and go, the inbox stays."""
    clerks = [child(Clerk("inbox"), id=f"clerk-{n}") for n in range(CLERKS)]
    return Supervisor([child(Inbox(), name="inbox"), *clerks], max_restarts=1_000, name="desk")


async def main() -> None:
    async with desk() as tree:
        inbox = tree.get(Inbox)
        for text in ("printer on fire", "no coffee"):
            await inbox.submit(text)
        await asyncio.sleep(1)
        print(await inbox.answers())


if __name__ == "__main__":
    asyncio.run(main())
