"""Handles: a started spec is an address, and nothing but an address."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import inspect
import pickle
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import ANY

import pytest
from servers import Async, Plain, Start, each_kind, note, seen, settle, start_child

import axon
from axon import GenServer, Supervisor, call, cast, handler, stream


class Vault(GenServer[list[str]]):
    """Keeps secrets."""

    key: str
    notes: list[str] = field(default_factory=list[str])
    size: int = field(default=10, kw_only=True)

    def init(self) -> list[str]:
        return [self.key, *self.notes]

    @call
    def secrets(self, state: list[str]) -> list[str]:
        """What is kept."""
        return list(state)

    @call
    def keep(self, state: list[str], secret: str, *, times: int = 1) -> int:
        """Keep one more."""
        state.extend([secret] * times)
        return len(state)

    @cast
    def forget(self, state: list[str]) -> None:
        state.clear()

    @stream
    async def all(self, state: list[str]) -> AsyncIterator[str]:
        for secret in list(state):
            yield secret


# -- equality


@each_kind
async def test_handles_of_one_address_are_equal(start: Start, kind: type[Plain]) -> None:
    server = await start(kind(), name="main")
    assert server == axon.lookup(Plain, "main")
    assert server == copy.copy(server)
    assert len({server, axon.lookup(Plain, "main"), copy.deepcopy(server)}) == 1
    assert {server: "found"}[copy.copy(server)] == "found"


@each_kind
async def test_handles_of_different_addresses_are_not(start: Start, kind: type[Plain]) -> None:
    spec = kind()
    first, second = await start(spec), await start(spec)
    assert first != second
    assert len({first, second, spec}) == 3
    assert first != spec, "the spec is no address"


async def test_specs_that_were_never_started_are_equal_to_themselves_only() -> None:
    spec, same = Vault("k"), Vault("k")
    assert spec == spec
    assert spec != same
    assert len({spec, same}) == 2


async def test_equality_leaves_the_answer_to_others_about_other_types(start: Start) -> None:
    server = await start(Plain())
    assert server == ANY
    assert server != "main"
    assert server is not None


async def test_a_dead_handle_is_still_equal_to_itself(start: Start) -> None:
    server = await start(Plain())
    same = copy.copy(server)
    await axon.stop(server)
    assert server == same
    assert hash(server) == hash(same)


# -- what is shown


async def test_repr_shows_class_and_path_and_never_the_fields(start: Start) -> None:
    vault = await start(Vault("sesame"), name="vault")
    for shown in (repr(vault), str(vault), f"{vault}"):
        assert shown == "<Vault vault>"
    assert repr(Vault("sesame")) == "<Vault not started>"


async def test_the_path_leads_from_the_root_and_stays_after_the_death(start: Start) -> None:
    parent = await start(Plain(), name="parent")
    child = await start_child(parent, Plain(), name="child")
    assert repr(child) == "<Plain parent/child>"
    axon.exit(child, axon.kill)
    assert repr(child) == "<Plain parent/child>"
    async with Supervisor([Plain()], name="app") as sup:
        supervised = sup.get(Plain)
        assert repr(supervised) == "<Plain app/Plain>"
    assert repr(supervised) == "<Plain app/Plain>"


async def test_an_error_does_not_show_the_fields_either(start: Start) -> None:
    vault = await start(Vault("sesame"))
    await axon.stop(vault)
    with pytest.raises(axon.NoProcess) as caught:
        await vault.secrets()
    assert "sesame" not in str(caught.value)


# -- copies


async def test_a_copy_is_the_same_address(start: Start) -> None:
    vault = await start(Vault("sesame"))
    for same in (copy.copy(vault), copy.deepcopy(vault), copy.deepcopy([vault])[0]):
        assert await same.secrets() == ["sesame"]
        assert same.key == "sesame"


async def test_a_copy_of_a_spec_is_a_spec(start: Start) -> None:
    spec = Vault("sesame", ["more"])
    shallow, deep = copy.copy(spec), copy.deepcopy(spec)
    assert shallow.notes is spec.notes
    assert deep.notes is not spec.notes
    assert deep.notes == ["more"]
    assert await (await start(deep)).secrets() == ["sesame", "more"]


async def test_replace_makes_a_new_spec_of_a_handle(start: Start) -> None:
    vault = await start(Vault("sesame"))
    spec = dataclasses.replace(vault, key="open")
    assert spec != vault
    assert repr(spec) == "<Vault not started>"
    other = await start(spec)
    assert await other.secrets() == ["open"]
    assert await vault.secrets() == ["sesame"]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
async def test_pickling_is_refused_by_name(start: Start, protocol: int) -> None:
    vault = await start(Vault("sesame"), name="vault")
    for value in (vault, [vault], {"a": (vault,)}, axon.whereis(vault)):
        with pytest.raises(axon.NotPicklable, match="vault") as caught:
            pickle.dumps(value, protocol)
        assert "sesame" not in str(caught.value)
        assert isinstance(caught.value, TypeError), "as code that tries expects"


# -- frozen, and a dataclass by itself


async def test_a_spec_and_a_handle_are_frozen(start: Start) -> None:
    for server in (Vault("sesame"), await start(Vault("sesame"))):
        with pytest.raises(dataclasses.FrozenInstanceError):
            server.key = "open"  # type: ignore[misc]
        with pytest.raises(dataclasses.FrozenInstanceError):
            del server.key  # pyright: ignore[reportAttributeAccessIssue]
        with pytest.raises(dataclasses.FrozenInstanceError):
            server.anything = 1  # type: ignore[attr-defined]


def test_fields_are_those_of_a_dataclass() -> None:
    vault = Vault("sesame", size=3)
    assert (vault.key, vault.notes, vault.size) == ("sesame", [], 3)
    assert vault.notes is not Vault("sesame").notes
    assert [one.name for one in dataclasses.fields(vault)] == ["key", "notes", "size"]
    with pytest.raises(TypeError, match="key"):
        Vault()  # type: ignore[call-arg]


def test_a_dataclass_decorator_of_ones_own_is_refused() -> None:
    class Mine(GenServer[int]):
        begin: int = 0

    with pytest.raises(TypeError):
        dataclass(frozen=True)(Mine)


class Safe(Vault):
    """A vault that keeps less."""

    limit: int = 2

    @call
    def keep(self, state: list[str], secret: str, *, times: int = 1) -> int:
        if len(state) + times > self.limit:
            return -1
        count: int = handler(Vault.keep)(self, state, secret, times=times)
        return count


async def test_a_subclass_inherits_fields_and_handlers_and_may_override_them(start: Start) -> None:
    safe = await start(Safe("sesame", limit=3))
    assert await safe.keep("one", times=2) == 3
    assert await safe.keep("two") == -1
    assert await safe.secrets() == ["sesame", "one", "one"]


async def test_a_spec_is_never_hashed_by_the_runtime(start: Start) -> None:
    class Unhashable(Plain):
        def __hash__(self) -> int:
            raise AssertionError

    server = await start(Unhashable(), name="odd")
    assert await server.echo(1) == 1
    async with Supervisor([Unhashable()]) as sup:
        assert await sup.get(Unhashable).echo(1) == 1


def test_a_handle_has_only_its_users_methods_besides_the_callbacks() -> None:
    public = {name for name in dir(Vault) if not name.startswith("_")}
    callbacks = {"init", "terminate", "handle_info", "handle_continue", "format_status", "code_change", "trap_exit"}
    assert public - callbacks == {"secrets", "keep", "forget", "all", "size"}


def test_a_handlers_method_looks_as_it_was_written_without_its_state() -> None:
    assert str(inspect.signature(Vault.keep)) == "(self, secret: 'str', *, times: 'int' = 1) -> 'int'"
    assert (Vault.keep.__name__, Vault.keep.__doc__) == ("keep", "Keep one more.")
    assert handler(Vault.keep)(Vault("k"), ["a"], "b") == 2
    undecorated: Any = print
    with pytest.raises(axon.InvalidOption):
        handler(undecorated)


# -- where it can be used


Use = Callable[[Vault], Any]
USES: dict[str, Use] = {
    "call": lambda vault: vault.secrets(),
    "cast": lambda vault: vault.forget(),
    "stream": lambda vault: anext(vault.all()),
    "whereis": axon.whereis,
    "send": lambda vault: axon.send(vault, "message"),
    "exit": lambda vault: axon.exit(vault, axon.shutdown),
    "stop": axon.stop,
    "get_state": axon.get_state,
    "statistics": axon.statistics,
    "wait_down": axon.wait_down,
    "offer": lambda vault: axon.offer(vault.forget),
}
every_use = pytest.mark.parametrize("use", USES.values(), ids=USES)


async def _used(use: Use, vault: Vault) -> None:
    value = use(vault)
    if inspect.isawaitable(value):
        await value


@every_use
async def test_a_spec_that_was_never_started_is_no_address(use: Use) -> None:
    with pytest.raises(axon.NotStarted, match="Vault was never started"):
        await _used(use, Vault("sesame"))


@every_use
@pytest.mark.real_clock
async def test_a_handle_does_not_work_in_another_thread(start: Start, use: Use) -> None:
    vault = await start(Vault("sesame"))
    with pytest.raises(axon.WrongLoop, match="Vault"):
        await asyncio.to_thread(lambda: asyncio.run(_used(use, vault)))
    assert await vault.secrets() == ["sesame"]


@pytest.mark.real_clock
async def test_nor_in_a_thread_without_a_loop(start: Start) -> None:
    vault = await start(Vault("sesame"))
    with pytest.raises(axon.WrongLoop, match="from_thread"):
        await asyncio.to_thread(vault.forget)
    assert await vault.secrets() == ["sesame"]


async def test_a_running_server_cannot_be_started_again(start: Start) -> None:
    vault = await start(Vault("sesame"))
    with pytest.raises(axon.InvalidOption, match=r"dataclasses\.replace"):
        await axon.start(vault)


async def test_handles_may_be_passed_around_in_messages(start: Start) -> None:
    server, other = await start(Async()), await start(Plain())
    assert await server.echo(other) == other
    await server.do(lambda _: other.do(note("reached")))
    assert await seen(other) == ["reached"]


# -- unsupervised, the slot is the incarnation


@each_kind
async def test_the_handle_of_an_unsupervised_server_dies_with_it(start: Start, kind: type[Plain]) -> None:
    server = await start(kind(), name="main")
    axon.exit(server, axon.kill)
    again = await start(kind(), name="main")
    assert server != again
    assert axon.whereis(server) is None
    with pytest.raises(axon.NoProcess):
        await server.echo(1)


@each_kind
async def test_the_handle_of_a_supervised_server_follows_its_restarts(kind: type[Plain]) -> None:
    async with Supervisor([kind()]) as sup:
        server = sup.get(kind)
        await server.do(note("forgotten"))
        before = axon.whereis(server)
        axon.exit(server, axon.kill)
        await settle()
        assert await seen(server) == []
        assert axon.whereis(server) is not before
