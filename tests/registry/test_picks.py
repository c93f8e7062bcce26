"""Telling a whole group, and picking one member for the next piece of work."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from workers import Loud, Other, Start, Worker, end, process_of, seen, settle, spawn_inbox

import axon
from axon import NoMembers, Process, Supervisor, cast, child, group

KEYS = [f"user-{n}" for n in range(1000)]


async def some(start: Start, number: int) -> list[Worker]:
    """As many workers, in the group `pool`."""
    workers = [await start(Worker()) for _ in range(number)]
    group(Worker, "pool").join(*workers)
    return workers


# -- broadcast


async def test_a_broadcast_is_a_cast_to_every_member(start: Start) -> None:
    """To one who is a member twice, twice."""
    one, two = await some(start, 2)
    group(Worker, "pool").join(two)
    group(Worker, "pool").broadcast(Worker.tell, "work", times=2)
    assert await seen(one) == ["work"] * 2
    assert await seen(two) == ["work"] * 4


async def test_a_member_of_a_subclass_does_its_own(start: Start) -> None:
    (plain,), loud = await some(start, 1), await start(Loud())
    group(Worker, "pool").join(loud)
    group(Worker, "pool").broadcast(Worker.tell, "work")
    assert (await seen(plain), await seen(loud)) == (["work"], ["WORK"])


class Narrow(Worker):
    """A worker that takes less than the others."""

    @cast
    def tell(self, state: list[object], word: object) -> None:  # type: ignore[override]
        state.append(word)


async def test_a_broadcast_whose_arguments_do_not_fit_one_member_reaches_none(start: Start) -> None:
    one, two, narrow = *(await some(start, 2)), await start(Narrow())
    pool = group(Worker, "pool")
    pool.join(narrow)
    with pytest.raises(axon.WrongArguments, match="times"):
        pool.broadcast(Worker.tell, "work", times=2)
    with pytest.raises(axon.WrongArguments):
        pool.broadcast(Worker.tell)  # type: ignore[call-arg]
    assert [await seen(worker) for worker in (one, two, narrow)] == [[], [], []]
    pool.broadcast(Worker.tell, "work")
    assert [await seen(worker) for worker in (one, two, narrow)] == [["work"]] * 3


async def test_a_broadcast_to_a_full_mailbox_is_a_dead_letter_and_the_others_get_it() -> None:
    full, free = await axon.start(Worker(), mailbox=1), await axon.start(Worker())
    pool = group(Worker, "pool")
    pool.join(full, free)
    await axon.suspend(full)
    with axon.dead_letters() as lost:
        for word in ("one", "two"):
            pool.broadcast(Worker.tell, word)
        await axon.resume(full)
        assert (await seen(full), await seen(free)) == (["one"], ["one", "two"])
        assert [letter.why for letter in lost] == ["mailbox full"]
    await end(full)
    await end(free)


async def test_a_broadcast_takes_the_deadline_along(start: Start) -> None:
    """Who has not begun with it when that passes drops it."""
    held, free = await some(start, 2)
    await axon.suspend(held)
    async with axon.deadline(1):
        group(Worker, "pool").broadcast(Worker.tell, "work")
    await asyncio.sleep(2)
    await axon.resume(held)
    assert (await seen(held), await seen(free)) == ([], ["work"])


async def test_a_broadcast_keeps_the_order_of_its_sender(start: Start) -> None:
    (worker,) = await some(start, 1)
    worker.tell(1)
    group(Worker, "pool").broadcast(Worker.tell, 2)
    worker.tell(3)
    assert await seen(worker) == [1, 2, 3]


async def test_a_broadcast_to_processes_of_any_kind_is_a_send() -> None:
    (one, first), (two, second) = spawn_inbox(), spawn_inbox()
    pool = group(Process, "pool")
    pool.join(one, two)
    pool.broadcast(axon.send, "work")
    await settle()
    assert first == second == ["work"]
    pool.broadcast(axon.exit, axon.shutdown)
    await settle()
    assert pool.members() == []


async def test_a_broadcast_to_an_empty_group_is_no_error() -> None:
    group(Worker, "pool").broadcast(Worker.tell, "work")


async def test_a_broadcast_of_what_has_an_answer_is_refused(start: Start) -> None:
    (worker,) = await some(start, 1)
    pool = group(Worker, "pool")

    async def ask(worker: Worker) -> None: ...

    for wrong in (Worker.do, Worker.wait, Other.tell, ask, "tell"):
        with pytest.raises(axon.InvalidOption, match="@cast method of Worker") as caught:
            pool.broadcast(wrong, "work")  # type: ignore[arg-type]
        assert caught.value.value is wrong
    assert await seen(worker) == []


# -- by turns


async def test_picks_go_round_by_turns(start: Start) -> None:
    workers, pool = await some(start, 3), group(Worker, "pool")
    picked = [pool.pick() for _ in range(9)]
    assert picked == workers * 3
    assert set(pool.members()) == set(workers)


async def test_whoever_comes_or_goes_the_others_keep_their_turns(start: Start) -> None:
    """The next one is always who was picked longest ago, and a newcomer is last."""
    (one, two, three), pool = await some(start, 3), group(Worker, "pool")
    assert [pool.pick(), pool.pick()] == [one, two]
    await end(one)
    new = await start(Worker())
    pool.join(new)
    assert [pool.pick() for _ in range(4)] == [three, two, new, three]


async def test_who_is_a_member_twice_has_two_turns(start: Start) -> None:
    (one, two), pool = await some(start, 2), group(Worker, "pool")
    pool.join(two)
    assert Counter(pool.pick() for _ in range(30)) == {one: 10, two: 20}


async def test_who_leaves_once_gives_up_the_older_turn(start: Start) -> None:
    (one, two), pool = await some(start, 2), group(Worker, "pool")
    pool.join(one)
    pool.leave(one)
    assert [pool.pick() for _ in range(4)] == [two, one, two, one]


async def test_a_picked_member_is_asked_like_any_server(start: Start) -> None:
    await some(start, 2)
    pool = group(Worker, "pool")
    answers = [await pool.pick().do(axon.current) for _ in range(2)]
    assert answers == [process_of(worker) for worker in pool.members()]


@pytest.mark.parametrize("how", ["round_robin", "least_mailbox"])
async def test_from_an_empty_group_nobody_can_be_picked(start: Start, how: axon.registry.How) -> None:
    """It is a `NoProcess`, so that who handles that handles both."""
    (worker,), pool = await some(start, 1), group(Worker, "pool")
    await end(worker)
    with pytest.raises(NoMembers, match="default/pool") as caught:
        pool.pick(how=how)
    assert isinstance(caught.value, axon.NoProcess)
    assert caught.value.target == "default/pool"
    with pytest.raises(NoMembers, match="default/pool"):
        pool.pick(key="ann")


async def test_a_pick_in_a_way_that_is_not_known_is_refused(start: Start) -> None:
    await some(start, 1)
    pool = group(Worker, "pool")
    with pytest.raises(axon.InvalidOption, match="'round_robin' or 'least_mailbox', got: 'random'"):
        pool.pick(how="random")  # type: ignore[call-overload]
    with pytest.raises(axon.InvalidOption, match="where a key is given"):
        pool.pick(how="least_mailbox", key="ann")  # type: ignore[call-overload]
    with pytest.raises(axon.InvalidOption, match="key must be hashable"):
        pool.pick(key=["ann"])  # type: ignore[call-overload]


# -- the fewest messages


async def test_least_mailbox_picks_who_has_the_fewest_messages(start: Start) -> None:
    """Waiting or being handled."""
    (idle, busy, full), pool = await some(start, 3), group(Worker, "pool")
    event = asyncio.Event()
    waiting = [asyncio.create_task(worker.wait(event)) for worker in (busy, full)]
    await settle()
    for _ in range(2):
        full.tell("work")
    assert [pool.pick(how="least_mailbox") for _ in range(3)] == [idle] * 3
    pool.leave(idle)
    assert pool.pick(how="least_mailbox") == busy
    event.set()
    await asyncio.gather(*waiting)


async def test_least_mailbox_goes_by_turns_among_equals(start: Start) -> None:
    workers, pool = await some(start, 3), group(Worker, "pool")
    assert [pool.pick(how="least_mailbox") for _ in range(6)] == workers * 2


async def test_least_mailbox_of_inbox_loops_counts_what_they_have_not_received() -> None:
    (one, _), (two, _) = spawn_inbox(), spawn_inbox()
    pool = group(Process, "pool")
    pool.join(one, two)
    await settle()
    axon.send(one, "work")
    assert [pool.pick(how="least_mailbox") for _ in range(2)] == [two, two]
    pool.broadcast(axon.exit, axon.kill)
    await settle()


# -- by key


async def test_a_key_goes_to_the_same_member_as_long_as_the_members_stay(start: Start) -> None:
    """Equal keys are one key, and turns have no influence."""
    await some(start, 5)
    pool = group(Worker, "pool")
    first = [pool.pick(key=key) for key in KEYS]
    for _ in range(3):
        pool.pick()
    assert [pool.pick(key="".join(list(key))) for key in KEYS] == first
    assert pool.pick(key=1) == pool.pick(key=1.0) == pool.pick(key=True)
    assert pool.pick(key=None) == pool.pick(key=None)


@pytest.mark.parametrize(
    "keys", [KEYS, range(1000), [(n, "x") for n in range(1000)]], ids=["texts", "numbers", "pairs"]
)
async def test_keys_are_spread_evenly(start: Start, keys: list[object]) -> None:
    """Six standard deviations: with 1000 keys and 5 members each has 200 and 13 more or less."""
    workers, pool = await some(start, 5), group(Worker, "pool")
    counts = Counter(pool.pick(key=key) for key in keys)
    assert all(abs(counts[worker] - 200) < 6 * 13 for worker in workers), counts


async def test_only_the_keys_of_who_goes_move(start: Start) -> None:
    workers, pool = await some(start, 5), group(Worker, "pool")
    before = {key: pool.pick(key=key) for key in KEYS}
    pool.leave(workers[0])
    after = {key: pool.pick(key=key) for key in KEYS}
    moved = {key for key in KEYS if after[key] != before[key]}
    assert moved == {key for key in KEYS if before[key] == workers[0]}
    assert len({after[key] for key in moved}) == 4


async def test_a_newcomer_takes_its_share_and_no_other_key_moves(start: Start) -> None:
    await some(start, 4)
    new, pool = await start(Worker()), group(Worker, "pool")
    before = {key: pool.pick(key=key) for key in KEYS}
    pool.join(new)
    after = {key: pool.pick(key=key) for key in KEYS}
    moved = {key for key in KEYS if after[key] != before[key]}
    assert moved == {key for key in KEYS if after[key] == new}
    assert 0 < len(moved) < len(KEYS) / 2


async def test_a_restarted_child_has_its_old_keys_again() -> None:
    """If it joins again; the keys of the others have not moved."""
    pool = group(Worker, "pool")
    async with Supervisor([child(Worker(), id=f"worker-{n}") for n in range(4)]) as sup:
        workers = [sup.get(Worker, f"worker-{n}") for n in range(4)]
        pool.join(*workers)
        before = [pool.pick(key=key) for key in KEYS]
        axon.exit(workers[2], axon.kill)
        assert workers[2] not in {pool.pick(key=key) for key in KEYS}
        await settle()
        pool.join(workers[2])
        assert [pool.pick(key=key) for key in KEYS] == before


async def test_a_key_stays_also_between_members_of_one_path(start: Start) -> None:
    """They bid the same for each key, and then the younger one wins."""
    pool, workers = group(Worker, "pool"), list[Worker]()
    for _ in range(2):
        workers.append(await start(Worker(), name="twin"))
        axon.unregister("twin")
    pool.join(*workers)
    for _ in range(4):
        pool.pick()
        assert {pool.pick(key=key) for key in KEYS[:10]} == {workers[1]}
