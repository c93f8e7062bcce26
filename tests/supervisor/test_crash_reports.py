"""Every crash is reported once, with what its supervisor decided; an orderly end is not."""

from __future__ import annotations

import asyncio

import pytest
from parts import (
    Boom,
    Log,
    Loose,
    Part,
    at,
    branch,
    breaks,
    crash,
    end,
    fails_from,
    fails_on,
    for_ever,
    lasts,
    part,
    settle,
    takes,
)
from tenacity import wait_fixed

import axon
from axon import ExitReason, Supervisor, SupervisorDied, child, kill, killed, normal, shutdown
from axon.supervisor import Restart, Strategy
from axon.telemetry import ChildRestarted, ProcessCrashed, ProcessStartFailed, SupervisorGaveUp, attach


class Reports:
    """The crashes that were reported."""

    def __init__(self) -> None:
        self.events: list[ProcessCrashed] = []
        attach(self.events.append, ProcessCrashed)

    def take(self) -> list[tuple[str, object, str]]:
        taken = [(event.path, event.reason, event.decision) for event in self.events]
        self.events.clear()
        return taken


@pytest.fixture
async def reports() -> Reports:
    return Reports()


async def test_a_crash_says_who_why_what_follows_and_what_came_before(reports: Reports) -> None:
    cause = Boom("no such thing")
    async with Supervisor([part("a", Log())]) as sup:
        await at(sup, "a").number()
        await crash(at(sup, "a"), cause)
    (event,) = reports.events
    assert (event.path, event.reason, event.decision) == ("Supervisor/a", cause, "restart")
    assert event.last_messages == ("number()", "crash(Boom('no such thing'))")


async def test_the_last_eight_messages_are_kept_and_long_ones_cut(reports: Reports) -> None:
    async with Supervisor([part("a", Log())]) as sup:
        for n in range(20):
            axon.send(at(sup, "a"), f"message {n}")
        axon.send(at(sup, "a"), "x" * 10_000)
        await crash(at(sup, "a"))
    (event,) = reports.events
    assert len(event.last_messages) == 8
    assert event.last_messages[0] == "'message 14'"
    assert event.last_messages[-1] == "crash(Boom())"
    assert len(event.last_messages[-2]) < 100


async def test_a_restart_that_waits_says_how_long(reports: Reports) -> None:
    cause = Boom()
    async with Supervisor([part("a", Log(), backoff=wait_fixed(2.5))]) as sup:
        await crash(at(sup, "a"), cause)
    assert reports.take() == [("Supervisor/a", cause, "restart in 2.5 s")]


async def test_a_temporary_child_says_that_nothing_follows(reports: Reports) -> None:
    cause = Boom()
    async with Supervisor([part("a", Log(), restart="temporary")]) as sup:
        await crash(at(sup, "a"), cause)
    assert reports.take() == [("Supervisor/a", cause, "none: it is temporary")]


async def test_giving_up_is_reported_with_the_budget_and_the_last_failure(reports: Reports) -> None:
    given_up: list[SupervisorGaveUp] = []
    attach(given_up.append, SupervisorGaveUp)
    first, last = Boom("first"), Boom("last")
    with pytest.raises(SupervisorDied):
        async with Supervisor([part("a", Log())], max_restarts=1, max_seconds=7) as sup:
            await crash(at(sup, "a"), first)
            await crash(at(sup, "a"), last)
    assert reports.take() == [
        ("Supervisor/a", first, "restart"),
        ("Supervisor/a", last, "the supervisor gives up"),
    ]
    (event,) = given_up
    assert (event.path, event.child, event.reason) == ("Supervisor", "a", last)
    assert (event.max_restarts, event.period) == (1, 7)


async def test_each_restart_is_told_with_how_many_there_were(reports: Reports) -> None:
    restarted: list[tuple[str, int, float]] = []
    attach(lambda event: restarted.append((event.path, event.restarts, event.period)), ChildRestarted)
    async with Supervisor([part("a", Log()), part("b", Log())], strategy="one_for_all") as sup:
        await crash(at(sup, "a"))
        await crash(at(sup, "b"))
    assert restarted == [(f"Supervisor/{label}", count, 5.0) for count in (1, 2) for label in "ab"]


@pytest.mark.parametrize("reason", [normal, shutdown, shutdown("done")])
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
async def test_a92_an_orderly_end_is_not_a_crash(reports: Reports, restart: Restart, reason: ExitReason) -> None:
    async with Supervisor([part("a", Log(), restart=restart)]) as sup:
        await end(at(sup, "a"), reason)
    assert reports.take() == []


async def test_neither_is_being_stopped(reports: Reports) -> None:
    inner = child(Supervisor([part("c", Log())]), id="inner")
    async with Supervisor([part("a", Log()), part("b", Log(), Loose, shutdown="brutal_kill"), inner]) as sup:
        await sup.terminate_child("a")
    assert reports.take() == []


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one", "one_for_one"])
async def test_siblings_that_died_together_are_reported_once_each(reports: Reports, strategy: Strategy) -> None:
    children = [part(label, Log()) for label in "abc"]
    async with Supervisor(children, strategy=strategy) as sup:
        for label in "abc":
            axon.exit(at(sup, label), kill)
        await settle()
    assert sorted(path for path, _, _ in reports.take()) == ["Supervisor/a", "Supervisor/b", "Supervisor/c"]


async def test_siblings_that_died_together_when_the_supervisor_gave_up(reports: Reports) -> None:
    with pytest.raises(SupervisorDied):
        async with Supervisor([part(label, Log()) for label in "abc"], max_restarts=0) as sup:
            for label in "abc":
                axon.exit(at(sup, label), kill)
            await settle()
    assert sorted((path, decision) for path, _, decision in reports.take()) == [
        ("Supervisor/a", "the supervisor gives up"),
        ("Supervisor/b", "none: its supervisor is stopping"),
        ("Supervisor/c", "none: its supervisor is stopping"),
    ]


async def test_a_child_that_crashes_while_it_is_stopped(reports: Reports) -> None:
    async with Supervisor([part("a", Log(), finish=breaks)]):
        pass
    (event,) = reports.events
    assert (event.path, repr(event.reason)) == ("Supervisor/a", "Boom('in terminate')")
    assert event.decision == "none: its supervisor is stopping"


async def test_a_child_that_crashes_while_a_sibling_is_stopped(reports: Reports) -> None:
    cause = Boom()
    async with Supervisor([part("a", Log()), part("b", Log(), finish=lasts(1))]) as sup:
        asyncio.get_running_loop().call_later(0.5, at(sup, "a").crash, cause)
    assert reports.take() == [("Supervisor/a", cause, "none: its supervisor is stopping")]


async def test_a_child_that_crashes_while_it_is_stopped_by_hand(reports: Reports) -> None:
    async with Supervisor([part("a", Log(), finish=breaks)]) as sup:
        await sup.terminate_child("a")
        assert [(path, decision) for path, _, decision in reports.take()] == [("Supervisor/a", "none: terminate_child")]


async def test_a_child_that_crashes_while_its_group_is_stopped(reports: Reports) -> None:
    cause = Boom()
    async with Supervisor([part("a", Log()), part("b", Log(), finish=breaks)], strategy="one_for_all") as sup:
        await crash(at(sup, "a"), cause)
        assert [(path, decision) for path, _, decision in reports.take()] == [
            ("Supervisor/a", "restart"),
            ("Supervisor/b", "restart with its group"),
        ]


async def test_a_child_that_was_killed_for_being_late(reports: Reports) -> None:
    async with Supervisor([part("a", Log(), finish=for_ever, shutdown=1)]):
        pass
    assert reports.take() == [("Supervisor/a", killed, "none: its supervisor is stopping")]


async def test_a_crash_that_its_supervisor_did_not_live_to_see(reports: Reports) -> None:
    cause = Boom()
    inner = child(Supervisor([part("a", Log()), part("b", Log())]), id="inner", restart="temporary")
    async with Supervisor([inner]) as sup:
        middle, a = branch(sup, "inner"), at(sup, "inner", "a")
        starting = asyncio.create_task(middle.start_child(part("slow", Log(), begin=takes(9))))
        await settle()
        await crash(a, cause)
        axon.exit(middle, kill)
        with pytest.raises(axon.ServerDied):
            await starting
        await settle()
        reported = reports.take()
    assert ("Supervisor/inner/a", cause, "none: its supervisor ended, too") in reported
    assert len([path for path, reason, _ in reported if reason is cause]) == 1


async def test_a_child_that_crashes_after_its_supervisor_was_killed(reports: Reports) -> None:
    inner = child(Supervisor([part("a", Log(), finish=breaks)]), id="inner", restart="temporary")
    async with Supervisor([inner]) as sup:
        axon.exit(branch(sup, "inner"), kill)
        await settle()
    assert sorted(path for path, _, _ in reports.take()) == ["Supervisor/inner", "Supervisor/inner/a"]


async def test_a_server_without_a_supervisor(reports: Reports) -> None:
    cause, alone = Boom(), await axon.start(Part("a", Log()), name="alone")
    await crash(alone, cause)
    assert reports.take() == [("alone", cause, "none: it has no supervisor and stays down")]


async def test_a_failure_to_start_is_told_once_an_attempt_and_is_no_crash(reports: Reports) -> None:
    failed: list[str] = []
    attach(lambda event: failed.append(event.path), ProcessStartFailed)
    async with Supervisor([part("a", Log(), begin=fails_on(2, 3))]) as sup:
        await crash(at(sup, "a"))
        assert failed == ["Supervisor/a", "Supervisor/a"]
        with pytest.raises(axon.StartFailed):
            await sup.start_child(part("b", Log(), begin=fails_from(1)))
        assert failed[2:] == ["Supervisor/b"]
    assert len(reports.take()) == 1


async def test_a_crash_while_the_tree_failed_to_start(reports: Reports) -> None:
    def crash_soon(number: int) -> None:
        axon.continue_with("right after init")

    async def fail(number: int) -> None:
        await asyncio.sleep(1)
        raise Boom

    with pytest.raises(axon.StartFailed):
        async with Supervisor([part("a", Log(), begin=crash_soon), part("b", Log(), begin=fail)]):
            pass
    assert [(path, decision) for path, _, decision in reports.take()] == [
        ("Supervisor/a", "none: its supervisor failed to start")
    ]
