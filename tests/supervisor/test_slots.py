"""A handle follows its slot: how long it leads to somebody, and what it says when nobody is there."""

from __future__ import annotations

import asyncio
import copy

import pytest
from parts import Boom, Log, Loose, Part, at, branch, crash, end, fails_from, fails_on, part, settle, takes, watching
from tenacity import wait_fixed

import axon
from axon import ChildNotFound, NoProcess, ServerDied, Supervisor, child


async def absence(handle: Part) -> NoProcess:
    with pytest.raises(NoProcess) as nobody:
        await handle.number()
    return nobody.value


async def test_a_handle_leads_to_the_next_incarnation() -> None:
    async with Supervisor([part("a", Log())]) as sup:
        a = at(sup, "a")
        await crash(a)
        assert await a.number() == 2
        await sup.terminate_child("a")
        await sup.restart_child("a")
        assert await a.number() == 3


async def test_a_static_child_keeps_its_handles_through_its_supervisors_restart() -> None:
    inner = child(Supervisor([part("a", Log())], max_restarts=0), id="inner")
    async with Supervisor([inner]) as sup:
        a, middle = at(sup, "inner", "a"), branch(sup, "inner")
        await crash(a)
        assert await a.number() == 2
        assert at(sup, "inner", "a") == a
        assert branch(sup, "inner") == middle
        axon.exit(middle, axon.kill)
        await settle()
        assert await a.number() == 3


async def test_also_over_two_levels() -> None:
    leaf = child(Supervisor([part("a", Log())], max_restarts=0), id="leaf")
    middle = child(Supervisor([leaf], max_restarts=0), id="middle")
    async with Supervisor([middle]) as sup:
        a = at(sup, "middle", "leaf", "a")
        await crash(a)
        assert await a.number() == 2


async def test_a_dynamic_child_loses_its_handles_with_its_supervisors_incarnation() -> None:
    inner = child(Supervisor([part("a", Log())], max_restarts=0), id="inner")
    async with Supervisor([inner]) as sup:
        added = await branch(sup, "inner").start_child(part("b", Log()))
        await crash(at(sup, "inner", "a"))
        assert "its supervisor ended, and it was not one of its initial children" in str(await absence(added))
        again = await branch(sup, "inner").start_child(part("b", Log()))
        assert again != added
        await absence(added)
        assert await again.number() == 1


async def test_delete_child_ends_the_slot_and_the_same_id_later_is_a_new_one() -> None:
    async with Supervisor([part("a", Log())]) as sup:
        old = at(sup, "a")
        await sup.terminate_child("a")
        await sup.delete_child("a")
        assert "it was deleted" in str(await absence(old))
        new = await sup.start_child(part("a", Log()))
        assert old != new
        assert await new.number() == 1
        assert (await absence(old)).restart_in is None


async def test_a_deleted_static_child_comes_back_in_a_new_slot() -> None:
    inner = child(Supervisor([part("a", Log()), part("b", Log())], max_restarts=0), id="inner")
    async with Supervisor([inner]) as sup:
        old, middle = at(sup, "inner", "a"), branch(sup, "inner")
        await middle.terminate_child("a")
        await middle.delete_child("a")
        await crash(at(sup, "inner", "b"))
        assert at(sup, "inner", "a") != old
        assert await at(sup, "inner", "a").number() == 2
        assert "it was deleted" in str(await absence(old))


async def test_a_stopped_childs_slot_stays_and_no_restart_is_due() -> None:
    async with Supervisor([part("a", Log())], name="app") as sup:
        a = at(sup, "a")
        await sup.terminate_child("a")
        nobody = await absence(a)
        assert (nobody.target, nobody.restart_in) == ("app/a", None)
        assert "no process at app/a" in str(nobody)


async def test_while_a_restart_is_due_the_error_says_when() -> None:
    async with Supervisor([part("a", Log(), backoff=wait_fixed(10))]) as sup:
        a = at(sup, "a")
        a.crash(Boom())
        await asyncio.sleep(4)
        nobody = await absence(a)
        assert nobody.restart_in == pytest.approx(6)
        assert "a restart is due in 6 s" in str(nobody)
        await asyncio.sleep(6)
        await settle()
        assert await a.number() == 2


async def test_also_when_it_is_its_supervisor_that_waits() -> None:
    inner = child(Supervisor([part("a", Log())], max_restarts=0), id="inner", backoff=wait_fixed(10))
    async with Supervisor([inner]) as sup:
        a = at(sup, "inner", "a")
        a.crash(Boom())
        await asyncio.sleep(4)
        assert (await absence(a)).restart_in == pytest.approx(6)


async def test_but_one_that_was_deleted_does_not_come_back_with_its_supervisor() -> None:
    children = [part("a", Log()), part("b", Log())]
    async with Supervisor([child(Supervisor(children, max_restarts=0), id="inner", backoff=wait_fixed(10))]) as sup:
        deleted, middle = at(sup, "inner", "b"), branch(sup, "inner")
        await middle.terminate_child("b")
        await middle.delete_child("b")
        await crash(at(sup, "inner", "a"))
        nobody = await absence(deleted)
        assert nobody.restart_in is None
        assert str(nobody) == "no process at Supervisor/inner/b: it was deleted"


async def test_a_restart_under_way_is_due_now() -> None:
    seen: list[NoProcess] = []

    async def look(handle: Part) -> None:
        while not seen or seen[-1].restart_in is None:  # until the supervisor has looked
            try:
                await handle.number()
            except NoProcess as error:
                seen.append(error)
            except ServerDied:
                pass
            await asyncio.sleep(0)

    async with Supervisor([part("a", Log(), begin=fails_from(2))], max_restarts=10**6) as sup:
        a = at(sup, "a")
        a.crash(Boom())
        await look(a)
        assert seen[-1].restart_in == 0.0
        await sup.terminate_child("a")


async def test_the_end_of_a_temporary_child_ends_its_slot() -> None:
    async with Supervisor([part("a", Log(), restart="temporary"), part("b", Log(), restart="temporary")]) as sup:
        a, b = at(sup, "a"), at(sup, "b")
        await end(a)
        assert "it was temporary and has ended" in str(await absence(a))
        await sup.terminate_child("b")
        assert "it was temporary and was terminated" in str(await absence(b))


async def test_a_child_that_failed_to_start_leaves_no_slot() -> None:
    async with Supervisor() as sup:
        with pytest.raises(axon.StartFailed):
            await sup.start_child(part("a", Log(), begin=fails_on(1)))
        assert await (await sup.start_child(part("a", Log()))).number() == 1


async def test_leaving_the_block_ends_every_slot_of_the_tree() -> None:
    inner = child(Supervisor([part("a", Log())]), id="inner")
    async with Supervisor([inner, part("b", Log())]) as sup:
        added = await branch(sup, "inner").start_child(part("c", Log()))
        handles = [at(sup, "inner", "a"), at(sup, "b")]
    for handle in handles:
        assert "its block was left" in str(await absence(handle))
    await absence(added)


async def test_a_cast_to_nobody_is_a_dead_letter() -> None:
    letters: list[tuple[str, str]] = []
    axon.telemetry.attach(lambda event: letters.append((event.path, event.why)), axon.telemetry.DeadLetter)
    async with Supervisor([part("a", Log())]) as sup:
        a = at(sup, "a")
        await sup.terminate_child("a")
        a.end(axon.normal)
        assert letters == [("Supervisor/a", "no process")]


async def test_while_its_supervisor_is_away_a_static_child_can_be_looked_up() -> None:
    inner = child(Supervisor([part("a", Log())], max_restarts=0), id="inner", backoff=wait_fixed(10))
    async with Supervisor([inner]) as sup:
        a, middle = at(sup, "inner", "a"), branch(sup, "inner")
        await crash(a)
        assert middle.get(Part, "a") == a
        with pytest.raises(ChildNotFound):
            middle.get(Part, "b")


async def test_links_and_monitors_are_of_one_incarnation() -> None:
    async with Supervisor([part("a", Log())]) as sup:
        a = at(sup, "a")
        down = await watching(a)
        await settle()
        cause = Boom()
        await crash(a, cause)
        assert (await down).reason is cause
        assert axon.whereis(a) is not None


async def test_every_handle_of_a_slot_is_equal() -> None:
    async with Supervisor([part("a", Log())]) as sup:
        a = at(sup, "a")
        assert a == at(sup, "a")
        assert a == copy.copy(a) == copy.deepcopy(a)
        assert hash(a) == hash(at(sup, "a"))
        assert a == (await sup.which_children())[0].handle
        assert repr(a) == "<Part Supervisor/a>"


async def crash_and_call(handle: Part) -> NoProcess:
    """The answer to a call made before the supervisor could look at the crash."""
    axon.exit(handle, axon.kill)
    return await absence(handle)


async def test_before_its_supervisor_has_looked_a_child_that_will_be_restarted_says_so() -> None:
    log = Log()
    restarts = {"permanent": 0.0, "transient": 0.0, "temporary": None}
    children = [part(kind, log, Loose, restart=kind) for kind in restarts]  # type: ignore[arg-type]
    async with Supervisor(children, max_restarts=10) as sup:
        for kind, due in restarts.items():
            assert (await crash_and_call(at(sup, kind))).restart_in == due


async def test_one_that_ended_for_good_does_not() -> None:
    async with Supervisor([part("a", Log(), restart="transient")]) as sup:
        a = at(sup, "a")
        ending = asyncio.create_task(axon.stop(a))
        nobody = None
        while nobody is None:
            await asyncio.sleep(0)
            if axon.whereis(a) is None:
                nobody = await absence(a)
        assert nobody.restart_in is None
        await ending


async def test_one_that_its_supervisor_ends_does_not() -> None:
    async with Supervisor([part("a", Log(), Loose), part("b", Log())]) as sup:
        a = at(sup, "a")
        ending = asyncio.create_task(sup.terminate_child("a"))
        await axon.wait_down(a)
        assert (await absence(a)).restart_in is None
        await ending


async def test_a_sibling_that_restarts_with_its_group_is_due_while_the_others_start() -> None:
    children = [part("a", Log(), begin=takes(5, on=2)), part("b", Log())]
    async with Supervisor(children, strategy="one_for_all") as sup:
        b = at(sup, "b")
        await crash(at(sup, "a"))
        assert (await absence(b)).restart_in == 0.0
        await asyncio.sleep(6)
        assert await b.number() == 2
