"""What the desk promises, under hundreds of schedules in which clerks are killed wherever they wait."""

from __future__ import annotations

import asyncio

from ticket_desk import Inbox, desk

from axon.testing import chaos, eventually, nothing_left, one_reply, simulate, within

TEXTS = ["printer on fire", "no coffee", "mouse missing", "too quiet", "too loud"]


async def every_ticket_is_answered() -> dict[int, str]:
    async with desk() as tree:
        inbox = tree.get(Inbox)
        for text in TEXTS:
            await inbox.submit(text)
            await asyncio.sleep(0.2)

        async def all_answered() -> dict[int, str] | None:
            answers = await inbox.answers()
            return answers if len(answers) == len(TEXTS) else None

        return await eventually(all_answered, within=120) or {}


@chaos(seeds=200, kill=0.05, victims="desk/clerk-*", late=0.1, invariants=[nothing_left, one_reply, within(150)])
async def test_no_ticket_is_lost_however_the_clerks_die() -> None:
    assert await every_ticket_is_answered() == {n: text.upper() for n, text in enumerate(TEXTS, 1)}


def test_the_same_seed_gives_the_same_day() -> None:
    assert [simulate(every_ticket_is_answered, 7) for _ in range(2)] == [simulate(every_ticket_is_answered, 7)] * 2


async def test_on_the_ordinary_event_loop(runtime: object) -> None:
    """The plugin's fixture `runtime` looks after the test that nothing is left."""
    async with desk() as tree:
        assert await tree.get(Inbox).submit("hello") == 1
