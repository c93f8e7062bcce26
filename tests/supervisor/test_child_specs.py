"""Child specs and options: defaults, and mistakes that are refused before anything starts."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from parts import Log, Part, at, part, statuses

from axon import ChildSpec, DynamicSupervisor, InvalidOption, Supervisor, TaskSupervisor, child


def test_a71_the_defaults_of_a_worker() -> None:
    spec = child(Part("a", Log()))
    assert (spec.id, spec.restart, spec.shutdown, spec.type) == ("Part", "permanent", 5.0, "worker")
    assert (spec.significant, spec.name, spec.backoff, spec.mailbox) == (False, None, None, None)


def test_a71_a_supervisor_defaults_to_infinity() -> None:
    spec = child(Supervisor())
    assert (spec.id, spec.restart, spec.shutdown, spec.type) == ("Supervisor", "permanent", "infinity", "supervisor")
    assert child(Supervisor(), shutdown=3).shutdown == 3


async def test_a71_get_child_spec_returns_it_with_the_defaults_filled_in() -> None:
    async with Supervisor([Part("a", Log())]) as sup:
        spec = await sup.get_child_spec("Part")
        assert (spec.id, spec.restart, spec.shutdown) == ("Part", "permanent", 5.0)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("restart", "always"),
        ("restart", None),
        ("shutdown", -1),
        ("shutdown", "later"),
        ("shutdown", True),
        ("shutdown", float("nan")),
        ("significant", "yes"),
        ("backoff", 3),
        ("mailbox", 0),
        ("mailbox", True),
        ("mailbox", 1.5),
        ("id", ""),
        ("id", 7),
        ("name", ""),
        ("name", 7),
    ],
)
def test_a72_a_bad_option_is_shown_with_its_value(option: str, value: object) -> None:
    options: dict[str, Any] = {option: value}
    with pytest.raises(InvalidOption) as refused:
        child(Part("a", Log()), **options)
    assert refused.value.option == option
    assert refused.value.value is value
    assert repr(value) in str(refused.value)


@pytest.mark.parametrize(("option", "value"), [("restart", "always"), ("shutdown", -1), ("significant", "yes")])
def test_a72_also_in_a_spec_that_was_made_from_another(option: str, value: object) -> None:
    changes: dict[str, Any] = {option: value}
    with pytest.raises(InvalidOption) as refused:
        dataclasses.replace(part("a", Log()), **changes)
    assert (refused.value.option, refused.value.value) == (option, value)


@pytest.mark.parametrize("given", [None, 3, "Part", object(), lambda: None, [Part("a", Log())]])
def test_a72_what_is_no_server_is_refused(given: Any) -> None:
    with pytest.raises(InvalidOption):
        Supervisor([given])
    with pytest.raises(InvalidOption):
        child(given)


def test_a72_a_class_is_refused_with_a_hint() -> None:
    wrong: Any = Part
    with pytest.raises(InvalidOption, match=r"instance: Part\(\.\.\.\)"):
        child(wrong)
    with pytest.raises(InvalidOption) as refused:
        Supervisor([wrong])
    assert refused.value.value is Part


async def test_a72_a_running_server_is_no_spec() -> None:
    async with Supervisor([part("a", Log())]) as sup:
        with pytest.raises(InvalidOption, match="not a running server"):
            child(at(sup, "a"))
        with pytest.raises(InvalidOption, match="not a running server"):
            Supervisor([at(sup, "a")])
        with pytest.raises(InvalidOption, match="not a running server"):
            await sup.start_child(at(sup, "a"))
        with pytest.raises(InvalidOption, match="not a running server"):
            child(sup)


async def test_a_copy_of_a_running_server_is_a_spec_again() -> None:
    log = Log()
    async with Supervisor([part("a", log)]) as sup:
        again = await sup.start_child(child(dataclasses.replace(at(sup, "a"), label="b"), id="b"))
        assert await statuses(sup) == {"a": "running", "b": "running"}
        assert await again.number() == 1


async def test_a72_a_bad_spec_to_start_child_costs_nothing() -> None:
    wrong: Any = "no server"
    async with Supervisor([part("a", Log())]) as sup:
        with pytest.raises(InvalidOption):
            await sup.start_child(wrong)
        assert await statuses(sup) == {"a": "running"}


def test_a73_two_children_with_one_id_are_refused() -> None:
    with pytest.raises(InvalidOption) as refused:
        Supervisor([part("a", Log()), part("b", Log()), part("a", Log())])
    assert (refused.value.option, refused.value.value) == ("id", "a")


def test_a73_the_default_id_is_the_class_so_two_of_a_class_need_ids() -> None:
    with pytest.raises(InvalidOption, match="give another with child"):
        Supervisor([Part("a", Log()), Part("b", Log())])


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("strategy", "one_for_some"),
        ("strategy", None),
        ("max_restarts", -1),
        ("max_restarts", 1.5),
        ("max_restarts", True),
        ("max_seconds", 0),
        ("max_seconds", -1),
        ("max_seconds", "5"),
        ("max_seconds", True),
        ("auto_shutdown", "sometimes"),
        ("children", "abc"),
        ("children", None),
    ],
)
def test_a74_a_bad_flag_is_shown_with_its_value(option: str, value: object) -> None:
    flags: dict[str, Any] = {option: value}
    with pytest.raises(InvalidOption) as refused:
        Supervisor(**flags)
    assert (refused.value.option, refused.value.value) == (option, value)


def test_a74_zero_restarts_and_a_fraction_of_a_second_are_legal() -> None:
    assert Supervisor(max_restarts=0, max_seconds=0.5).max_seconds == 0.5


def test_two_children_with_one_registered_name_are_refused() -> None:
    """Of which one could never start."""
    with pytest.raises(InvalidOption, match="name must be unique among the children") as refused:
        Supervisor([part("a", Log(), name="same"), part("b", Log(), name="same")])
    assert (refused.value.option, refused.value.value) == ("name", "same")
    Supervisor([part("a", Log()), part("b", Log())])


@pytest.mark.parametrize("kind", [Supervisor, DynamicSupervisor, TaskSupervisor])
@pytest.mark.parametrize("name", [3, "", b"app"])
def test_a_supervisor_has_a_text_as_its_name(kind: Any, name: Any) -> None:
    with pytest.raises(InvalidOption, match="name must be a text that is not empty"):
        kind(name=name)


def test_a75_unknown_options_are_refused() -> None:
    unknown: dict[str, Any] = {"intensity": 3}
    with pytest.raises(TypeError, match="intensity"):
        Supervisor(**unknown)
    with pytest.raises(TypeError, match="intensity"):
        child(Part("a", Log()), **unknown)


def test_a76_making_a_supervisor_starts_nothing() -> None:
    log = Log()
    Supervisor([part("a", log)])
    assert log == []


def test_a77_a_server_alone_stands_for_its_spec() -> None:
    tree = Supervisor([Part("a", Log()), child(Part("b", Log()), id="b")])
    assert all(isinstance(spec, ChildSpec) for spec in tree.children)


def test_a_spec_may_stand_in_two_trees() -> None:
    spec = part("a", Log())
    assert Supervisor([spec]).children == Supervisor([spec]).children
