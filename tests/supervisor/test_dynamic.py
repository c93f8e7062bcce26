"""A supervisor that begins without children and is given them one by one: what can be asked of it."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest
from parts import (
    Boom,
    Log,
    Part,
    at,
    crash,
    end,
    fails_on,
    for_ever,
    ignores_on,
    lasts,
    now,
    part,
    settle,
    statuses,
    takes,
)
from tenacity import wait_fixed

import axon
from axon import (
    CallCycle,
    ChildCounts,
    ChildNotFound,
    DynamicSupervisor,
    GenServer,
    Ignored,
    InvalidOption,
    MaxChildrenReached,
    NameTaken,
    NoProcess,
    NotStarted,
    StartFailed,
    Supervisor,
    call,
    cast,
    child,
    lookup,
)
from axon.supervisor import Restart


class Session(GenServer[list[str]]):
    """A server with fields that its supervisor may set."""

    user: str = "nobody"
    pool: tuple[str, ...] = ()
    shown: str = dataclasses.field(default="", init=False)

    def init(self) -> list[str]:
        return [self.user, *self.pool]

    @call
    def says(self, state: list[str]) -> list[str]:
        return list(state)

    @cast
    def crash(self, state: list[str]) -> None:
        raise Boom


# -- starting


async def test_a44_no_child_starts_with_it_and_each_one_is_started_by_its_own_spec() -> None:
    log = Log()
    async with DynamicSupervisor() as sup:
        assert await sup.which_children() == []
        started = [await sup.start_child(part(label, log)) for label in "ab"]
        assert log.take() == ["start a", "start b"]
        assert [info.handle for info in await sup.which_children()] == started


async def test_start_child_returns_the_handle_of_a_child_that_is_ready() -> None:
    async with DynamicSupervisor() as sup:
        begun = now()
        handle = await sup.start_child(part("a", Log(), begin=takes(2)))
        assert isinstance(handle, Part)
        assert (await handle.number(), now() - begun) == (1, 2)


async def test_a_child_needs_no_id_and_may_have_one() -> None:
    """Ids are for people to read: they need not be unique, and are made so."""
    async with DynamicSupervisor(name="app") as sup:
        first, second = [await sup.start_child(Part("a", Log())) for _ in range(2)]
        named, again = [await sup.start_child(part("ann", Log())) for _ in range(2)]
        ids = [info.id for info in await sup.which_children()]
    assert len(set(ids)) == 4
    assert [id.split("#")[0] for id in ids] == ["Part", "Part", "ann", "ann"]
    assert repr(named) == "<Part app/ann>"
    assert len({repr(handle) for handle in (first, second, named, again)}) == 4


async def test_a78_a_child_that_fails_to_start_is_not_kept_and_costs_nothing() -> None:
    log = Log()
    async with DynamicSupervisor(max_restarts=0, max_children=1) as sup:
        for _ in range(3):
            with pytest.raises(StartFailed, match="attempt 1") as failed:
                await sup.start_child(Part("a", Log(), begin=fails_on(1)))
            assert isinstance(failed.value.__cause__, Boom)
        assert await sup.which_children() == []
        assert await (await sup.start_child(part("b", log))).number() == 1


async def test_a78_a_child_that_ignores_its_start_is_not_kept() -> None:
    async with DynamicSupervisor() as sup:
        with pytest.raises(Ignored):
            await sup.start_child(part("a", Log(), begin=ignores_on(1)))
        assert await sup.which_children() == []


async def test_a_name_that_is_taken_is_a_failed_start() -> None:
    async with DynamicSupervisor() as sup:
        await sup.start_child(part("a", Log(), name="ann"))
        with pytest.raises(StartFailed) as failed:
            await sup.start_child(part("b", Log(), name="ann"))
        assert isinstance(failed.value.__cause__, NameTaken)
        assert await statuses(sup) == {"a": "running"}


async def test_a_child_has_its_name_again_after_a_restart() -> None:
    async with DynamicSupervisor() as sup:
        handle = await sup.start_child(part("a", Log(), name="ann"))
        await crash(handle)
        assert lookup(Part, "ann") == handle
        assert await lookup(Part, "ann").number() == 2


async def test_a_child_may_have_a_bounded_mailbox() -> None:
    async with DynamicSupervisor() as sup:
        handle = await sup.start_child(part("a", Log(), mailbox=1))
        handle.do(lambda: asyncio.sleep(1))
        await settle()
        waiting = asyncio.create_task(handle.number())
        await settle()
        with pytest.raises(axon.MailboxFull):
            await handle.number()
        assert await waiting == 1


@pytest.mark.parametrize("given", [None, 3, "Part", object(), Part])
async def test_what_is_no_server_is_refused(given: Any) -> None:
    async with DynamicSupervisor() as sup:
        with pytest.raises(InvalidOption):
            await sup.start_child(given)


async def test_a70_significant_children_and_auto_shutdown_are_refused() -> None:
    async with DynamicSupervisor() as sup:
        with pytest.raises(InvalidOption, match="does not end with its children") as refused:
            await sup.start_child(part("a", Log(), restart="temporary", significant=True))
        assert refused.value.option == "significant"
    wrong: Any = DynamicSupervisor
    with pytest.raises(TypeError, match="auto_shutdown"):
        wrong(auto_shutdown="any_significant")


# -- options


def test_a50_three_within_five_seconds_and_no_limit_of_children_by_default() -> None:
    sup = DynamicSupervisor()
    assert (sup.max_restarts, sup.max_seconds, sup.max_children, sup.extra_arguments) == (3, 5.0, None, {})


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("max_children", -1),
        ("max_children", 1.5),
        ("max_children", True),
        ("max_restarts", -1),
        ("max_seconds", 0),
        ("name", 7),
        ("extra_arguments", ["pool"]),
        ("extra_arguments", {1: "pool"}),
    ],
)
def test_a74_a_bad_flag_is_shown_with_its_value(option: str, value: object) -> None:
    options: dict[str, Any] = {option: value}
    with pytest.raises(InvalidOption) as refused:
        DynamicSupervisor(**options)
    assert (refused.value.option, refused.value.value) == (option, value)


async def test_a87_at_max_children_start_child_is_refused_with_the_limit() -> None:
    async with DynamicSupervisor(max_children=2, name="app") as sup:
        first = await sup.start_child(part("a", Log()))
        await sup.start_child(part("b", Log()))
        with pytest.raises(MaxChildrenReached, match=r"app: child 'c' was not started: .*max_children=2") as refused:
            await sup.start_child(part("c", Log()))
        assert (refused.value.limit, refused.value.id) == (2, "c")
        await sup.terminate_child(first)
        await sup.start_child(part("c", Log()))
        assert await statuses(sup) == {"b": "running", "c": "running"}


async def test_a87_no_child_at_all_is_a_legal_limit() -> None:
    log = Log()
    async with DynamicSupervisor(max_children=0) as sup:
        with pytest.raises(MaxChildrenReached):
            await sup.start_child(part("a", log))
    assert log == []


async def test_a87_children_that_wait_for_a_restart_count() -> None:
    async with DynamicSupervisor(max_children=1) as sup:
        handle = await sup.start_child(part("a", Log(), backoff=wait_fixed(60)))
        await crash(handle)
        assert await statuses(sup) == {"a": "restarting"}
        with pytest.raises(MaxChildrenReached):
            await sup.start_child(part("b", Log()))


async def test_a87_a_child_that_ended_makes_room() -> None:
    async with DynamicSupervisor(max_children=1) as sup:
        for restart in ("transient", "temporary"):
            kind: Restart = restart
            await end(await sup.start_child(part("a", Log(), restart=kind)))
        await sup.start_child(part("b", Log()))


async def test_a88_extra_arguments_are_put_into_the_spec_at_every_start_and_restart() -> None:
    async with DynamicSupervisor(extra_arguments={"pool": ("db", "cache")}) as sup:
        handle = await sup.start_child(Session("ann"))
        assert handle.pool == ("db", "cache")
        assert await handle.says() == ["ann", "db", "cache"]
        handle.crash()
        await settle()
        assert await handle.says() == ["ann", "db", "cache"]


async def test_a88_they_replace_what_the_spec_says() -> None:
    async with DynamicSupervisor(extra_arguments={"user": "root"}) as sup:
        assert await (await sup.start_child(child(Session("ann"), id="ann"))).says() == ["root"]


async def test_a88_what_happens_to_the_given_mapping_later_changes_nothing() -> None:
    extra = {"user": "root"}
    async with DynamicSupervisor(extra_arguments=extra) as sup:
        extra["user"] = "mallory"
        assert await (await sup.start_child(Session())).says() == ["root"]


@pytest.mark.parametrize("field", ["colour", "shown"])
async def test_a_class_without_such_a_field_is_refused_by_name(field: str) -> None:
    """`shown` is a field that cannot be given. The values are not printed: they may be secret."""
    async with DynamicSupervisor(extra_arguments={field: "hunter2"}) as sup:
        with pytest.raises(InvalidOption, match=r"fields of Session \(user, pool\)") as refused:
            await sup.start_child(Session("ann"))
        assert (refused.value.option, refused.value.value) == ("extra_arguments", [field])
        assert "hunter2" not in str(refused.value)
        assert await sup.which_children() == []


# -- ending one


async def test_a86_terminate_child_ends_it_for_good_by_the_shutdown_protocol() -> None:
    log = Log()
    async with DynamicSupervisor() as sup:
        handle = await sup.start_child(part("a", log, finish=lasts(1)))
        other = await sup.start_child(part("b", log))
        log.clear()
        await sup.terminate_child(handle)
        assert (log.take(), now() >= 1) == (["stop a shutdown"], True)
        assert await statuses(sup) == {"b": "running"}
        with pytest.raises(NoProcess, match="it was terminated"):
            await handle.number()
        assert await other.number() == 1


async def test_a86_who_is_not_its_child_is_not_found() -> None:
    async with DynamicSupervisor(name="one") as sup, DynamicSupervisor(name="two") as other:
        mine = await sup.start_child(part("a", Log()))
        theirs = await other.start_child(part("a", Log()))
        with pytest.raises(ChildNotFound, match="one: child 'two/a' is not known here"):
            await sup.terminate_child(theirs)
        with pytest.raises(ChildNotFound):
            await sup.terminate_child(sup)
        assert [await handle.number() for handle in (mine, theirs)] == [1, 1]


async def test_a86_neither_is_one_that_has_ended() -> None:
    async with DynamicSupervisor() as sup:
        terminated, temporary, transient = [
            await sup.start_child(part("a", Log(), restart=restart))
            for restart in ("permanent", "temporary", "transient")
        ]
        await sup.terminate_child(terminated)
        await crash(temporary)
        await end(transient)
        for handle in (terminated, temporary, transient):
            with pytest.raises(ChildNotFound):
                await sup.terminate_child(handle)


async def test_a86_a_new_child_under_the_same_id_is_another_one() -> None:
    async with DynamicSupervisor() as sup:
        old = await sup.start_child(part("a", Log()))
        await sup.terminate_child(old)
        new = await sup.start_child(part("a", Log()))
        with pytest.raises(ChildNotFound):
            await sup.terminate_child(old)
        assert await new.number() == 1


async def test_a86_a_restarted_child_is_still_known_by_its_handle() -> None:
    async with DynamicSupervisor() as sup:
        handle = await sup.start_child(part("a", Log()))
        await crash(handle)
        await sup.terminate_child(handle)
        assert await sup.which_children() == []


async def test_a85_it_takes_handles_and_no_ids_and_nothing_is_kept_to_be_started_again() -> None:
    async with DynamicSupervisor() as sup:
        await sup.start_child(part("a", Log()))
        by_id: Any = "a"
        with pytest.raises(InvalidOption, match="the handle that start_child returned"):
            await sup.terminate_child(by_id)
        with pytest.raises(NotStarted):
            await sup.terminate_child(Part("a", Log()))
        assert not hasattr(sup, "restart_child")
        assert not hasattr(sup, "delete_child")


# -- looking


async def test_a82_which_children_are_listed_in_start_order() -> None:
    async with DynamicSupervisor() as sup:
        waiting = await sup.start_child(part("b", Log(), backoff=wait_fixed(60)))
        await sup.start_child(child(Supervisor(), id="inner"))
        await sup.start_child(part("a", Log()))
        await crash(waiting)
        assert [(info.id, info.status, info.type) for info in await sup.which_children()] == [
            ("b", "restarting", "worker"),
            ("inner", "running", "supervisor"),
            ("a", "running", "worker"),
        ]


async def test_a83_its_specs_are_as_many_as_its_children() -> None:
    async with DynamicSupervisor() as sup:
        waiting = await sup.start_child(part("a", Log(), backoff=wait_fixed(60)))
        await sup.start_child(part("b", Log()))
        await sup.start_child(child(Supervisor(), id="inner"))
        assert await sup.count_children() == ChildCounts(specs=3, active=3, supervisors=1, workers=2)
        await crash(waiting)
        assert await sup.count_children() == ChildCounts(specs=3, active=2, supervisors=1, workers=2)
        await sup.terminate_child(waiting)
        assert await sup.count_children() == ChildCounts(specs=2, active=2, supervisors=1, workers=1)


async def test_a89_the_calls_wait_without_limit() -> None:
    async with DynamicSupervisor() as sup:
        handle = await sup.start_child(part("a", Log(), begin=takes(3600), finish=lasts(3600), shutdown="infinity"))
        await sup.terminate_child(handle)
        assert now() == 7200


async def test_a89_asking_a_dead_supervisor_is_an_error() -> None:
    async with DynamicSupervisor() as sup:
        handle = await sup.start_child(part("a", Log()))
    for asked in (sup.count_children, sup.which_children):
        with pytest.raises(NoProcess, match="its block was left"):
            await asked()
    with pytest.raises(NoProcess):
        await sup.start_child(part("b", Log()))
    with pytest.raises(NoProcess):
        await sup.terminate_child(handle)


async def test_a90_an_unknown_message_is_ignored() -> None:
    async with DynamicSupervisor() as sup:
        axon.send(sup, "hello")
        await settle()
        assert await sup.which_children() == []


async def test_a91_a_child_that_calls_its_supervisor_from_init_is_refused() -> None:
    async def ask(number: int) -> None:
        await sup.start_child(part("b", Log()))

    async with DynamicSupervisor() as sup:
        with pytest.raises(StartFailed) as failed:
            await sup.start_child(part("a", Log(), begin=ask))
        assert isinstance(failed.value.reason, CallCycle)


async def test_a_child_may_ask_its_supervisor_for_a_sibling_or_for_its_own_end() -> None:
    log = Log()
    async with DynamicSupervisor() as sup:
        first = await sup.start_child(part("a", log))
        first.do(lambda: sup.start_child(part("b", log)))
        await settle()
        assert await statuses(sup) == {"a": "running", "b": "running"}
        log.clear()
        first.do(lambda: sup.terminate_child(first))
        await settle()
        assert await statuses(sup) == {"b": "running"}


# -- as a part of a tree


async def test_a_supervisor_may_be_a_child_of_it_and_it_a_child_of_one() -> None:
    log = Log()
    async with Supervisor([child(DynamicSupervisor(), id="users")], name="app") as app:
        users = app.get(DynamicSupervisor, "users")
        ann = await users.start_child(child(Supervisor([part("a", log)]), id="ann"))
        assert repr(ann.get(Part, "a")) == "<Part app/users/ann/a>"
        assert (await app.count_children()).supervisors == 1
        log.clear()
    assert log == ["stop a shutdown"]


async def test_as_a_child_it_is_registered_under_its_own_name_unless_told_otherwise() -> None:
    tree = Supervisor(
        [child(DynamicSupervisor(name="users"), id="a"), child(DynamicSupervisor(name="x"), id="b", name="jobs")]
    )
    async with tree as sup:
        assert lookup(DynamicSupervisor, "users") == sup.get(DynamicSupervisor, "a")
        assert lookup(DynamicSupervisor, "jobs") == sup.get(DynamicSupervisor, "b")
        assert axon.whereis("x") is None


async def test_a62_restarted_it_is_empty_and_the_handles_of_its_children_lead_nowhere() -> None:
    log = Log()
    async with Supervisor([child(DynamicSupervisor(max_restarts=0), id="users")]) as app:
        users = app.get(DynamicSupervisor, "users")
        ann = await users.start_child(part("a", log))
        await crash(ann)
        assert await users.which_children() == []
        with pytest.raises(NoProcess, match="its supervisor ended, and it was not one of its initial children"):
            await ann.number()
        with pytest.raises(ChildNotFound):
            await users.terminate_child(ann)
        assert await (await users.start_child(part("a", log))).number() == 2


@pytest.mark.real_clock
async def test_from_a_thread_it_can_be_asked_too() -> None:
    async with DynamicSupervisor() as sup:
        await sup.start_child(part("a", Log()))
        counts = await asyncio.to_thread(axon.from_thread.call, sup.count_children)
        assert counts.active == 1


async def test_a_start_that_hangs_keeps_nobody_from_stopping_it() -> None:
    log = Log()
    async with DynamicSupervisor() as sup:
        starting = asyncio.create_task(sup.start_child(part("a", log, begin=for_ever)))
        await settle()
    with pytest.raises(StartFailed):
        await starting
    assert log == ["start a"]
    assert now() < 2


async def test_static_children_of_a_sibling_do_not_mix_with_its_own() -> None:
    async with Supervisor([part("a", Log()), child(DynamicSupervisor(), id="users")]) as app:
        users = app.get(DynamicSupervisor, "users")
        mine = await users.start_child(part("a", Log()))
        assert mine != at(app, "a")
        with pytest.raises(ChildNotFound):
            await users.terminate_child(at(app, "a"))
