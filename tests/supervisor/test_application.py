"""Applications: trees that start in the order of what they require, stop in reverse, and end the program or do not."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from parts import Begin, Boom, Log, Part, fails_on, for_ever, lasts, now, part, takes
from programs import TREE, Program, after, run, sends

import axon
from axon import (
    Application,
    DynamicSupervisor,
    GenServer,
    InvalidOption,
    PartitionSupervisor,
    Supervisor,
    TaskSupervisor,
    call,
    normal,
    shutdown,
)
from axon.server import ServerProcess
from axon.telemetry import ApplicationEnded, ApplicationStarted, ApplicationStopped, Event, attach

TERM = sends(signal.SIGTERM)


def app(name: str, log: Log, begin: Any = None, finish: Any = None, **options: Any) -> Application:
    """An application of one part of the same name."""
    return Application(name, Supervisor([part(name, log, begin=begin, finish=finish)]), **options)


def names(log: Log, verb: str) -> list[str]:
    return [line.split()[1] for line in log if line.startswith(verb)]


# -- order


def test_g1_those_that_an_application_requires_run_before_it_starts() -> None:
    log = Log()
    slow = app("db", log, begin=takes(5))
    web = app("web", log, requires=("cache", "db"))
    assert run([web, app("cache", log, requires=["db"]), app("last", log, begin=TERM), slow]) == 0
    assert names(log, "start") == ["db", "cache", "web", "last"]


def test_g1_the_order_of_the_list_holds_where_nobody_requires_anybody() -> None:
    log = Log()
    assert run([app("b", log), app("c", log), app("a", log, begin=TERM)]) == 0
    assert names(log, "start") == ["b", "c", "a"]


@pytest.mark.parametrize(
    ("requires", "shown"),
    [
        ({"a": ["nobody"]}, "the name of an application of the program, in 'a', got: 'nobody'"),
        ({"a": ["a"]}, "without a cycle, got: 'a -> a'"),
        ({"a": ["b"], "b": ["c"], "c": ["b"]}, "without a cycle, got: 'b -> c -> b'"),
    ],
)
def test_g1_what_cannot_be_ordered_is_refused_before_anything_starts(
    requires: dict[str, list[str]], shown: str
) -> None:
    log = Log()
    with pytest.raises(InvalidOption, match="requires must be") as refused:
        run([app(name, log, requires=requires.get(name, ())) for name in "abc"])
    assert shown in str(refused.value)
    assert log == []


def test_g2_a_start_that_fails_stops_those_before_it_in_reverse(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log()
    apps = [app("a", log), app("b", log), app("c", log, begin=fails_on(1)), app("d", log)]
    assert run(apps) == 1
    assert log == ["start a", "start b", "start c", "stop b shutdown", "stop a shutdown"]
    assert "Boom: attempt 1" in capsys.readouterr().err


def test_g3_a_start_gives_the_supervisor_at_the_top_or_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """Its processes are found below the name of the application; why one did not start is told."""
    shown: list[str] = []
    top = after(1, lambda: shown.append(repr(axon.lookup(Supervisor, "top").get(Part, "web"))))
    tree = Supervisor([part("web", Log(), begin=top), part("last", Log(), begin=sends(signal.SIGTERM, 2))], name="top")
    assert run([Application("site", tree)]) == 0
    assert shown == ["<Part site/web>"]
    assert run([app("db", Log(), begin=fails_on(1, reason=Boom("no disk")))]) == 1
    errors = capsys.readouterr().err
    assert "StartFailed: db failed to start" in errors
    assert "Boom: no disk" in errors


class Lone(GenServer[None]):
    """No supervisor."""

    def init(self) -> None: ...


@pytest.mark.parametrize("tree", [Lone(), None, "db", Supervisor, for_ever])
def test_g3_what_is_no_supervisor_is_no_tree(tree: Any) -> None:
    with pytest.raises(InvalidOption, match="tree must be"):
        Application("db", tree)


def test_g4_an_application_is_there_once() -> None:
    log = Log()
    with pytest.raises(InvalidOption, match="name must be unique among the applications of a program, got: 'a'"):
        run([app("a", log), app("a", log)])
    assert log == []


# -- the end


def callbacks(name: str, log: Log) -> dict[str, Callable[[], object]]:
    """A plain one and a coroutine function."""

    async def stop() -> None:
        await asyncio.sleep(1)
        log.append(f"stopped {name}")

    return {"prep_stop": lambda: log.append(f"prepare {name}"), "stop": stop}


def test_g5_prep_stop_then_the_tree_then_stop_when_its_processes_are_gone() -> None:
    log = Log()
    assert run([app("a", log, begin=TERM, finish=lasts(2), **callbacks("a", log))]) == 0
    assert log == ["start a", "prepare a", "stop a shutdown", "stopped a"]


def test_g5_callbacks_of_one_come_before_those_of_the_one_it_requires() -> None:
    log = Log()
    assert run([app("a", log, **callbacks("a", log)), app("b", log, begin=TERM, **callbacks("b", log))]) == 0
    assert log[2:] == [
        *("prepare b", "stop b shutdown", "stopped b"),
        *("prepare a", "stop a shutdown", "stopped a"),
    ]


@pytest.mark.parametrize("option", ["prep_stop", "stop"])
def test_a_callback_that_raises_keeps_nobody_from_being_stopped(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        raise Boom("in a callback")

    log = Log()
    assert run([app("a", log), app("b", log, begin=TERM, **{option: fails})]) == 1
    assert names(log, "stop") == ["b", "a"]
    shown = capsys.readouterr().err
    assert "Boom: in a callback" in shown
    assert f"in {option} of the application 'b'" in shown


def test_a_failure_of_a_callback_is_shown_when_it_happens(capsys: pytest.CaptureFixture[str]) -> None:
    """And not when the program ends, which may be days later."""

    def fails() -> None:
        raise Boom("in stop")

    shown: list[str] = []
    first = app("first", Log(), begin=ends_with(shutdown), kind="temporary", stop=fails)
    look = after(2, lambda: shown.append(capsys.readouterr().err))
    apps = [first, app("look", Log(), begin=look), app("last", Log(), begin=sends(signal.SIGTERM, 3))]
    assert run(apps) == 1
    assert "Boom: in stop" in shown[0]


def test_g6_one_that_ends_does_not_ask_who_requires_it() -> None:
    log, seen = Log(), list[bool]()
    db = app("db", log, begin=ends_with(normal), kind="temporary")
    web = app("web", log, begin=after(2, lambda: seen.append("stop db shutdown" in log)), requires=["db"])
    assert run([web, db, app("last", log, begin=sends(signal.SIGTERM, 3))]) == 0
    assert seen == [True]
    assert log[-2:] == ["stop last shutdown", "stop web shutdown"]


def ends_with(reason: axon.Reason, seconds: float = 1) -> Begin:
    """End the tree of the part that starts with it, by this reason."""

    def begin(number: int) -> None:
        top = axon.current().parent
        assert isinstance(top, ServerProcess)
        end = partial(axon.exit, top, reason) if reason == axon.kill else partial(top.stop_soon, reason)
        asyncio.get_running_loop().call_later(seconds, end)

    return begin


@pytest.mark.parametrize("kind", ["permanent", "transient", "temporary"])
@pytest.mark.parametrize("reason", [normal, shutdown, axon.kill])
def test_g7_what_the_end_of_a_tree_means_is_its_kind(kind: str, reason: axon.Reason) -> None:
    """`shutdown`, the reason of a supervisor that gave up, counts as abnormal here."""
    ends = kind == "permanent" or (kind == "transient" and reason != normal)
    log, last = Log(), Log()

    def note(_: object) -> None:
        last.append(f"{now():g}")

    first = app("first", log, begin=ends_with(reason), kind=kind)
    other = app("other", log, begin=sends(signal.SIGTERM, 5), finish=note)
    assert run([other, first]) == (1 if ends and reason == axon.kill else 0)
    assert last == ["1" if ends else "5"]


def test_g7_a_tree_that_gives_up_ends_a_transient_application_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log()

    def crashes(number: int) -> None:
        axon.continue_with("right after init")

    assert run([app("a", log), app("b", log, begin=crashes, kind="transient")]) == 1
    assert log[-1] == "stop a shutdown"
    shown = capsys.readouterr().err
    assert "SupervisorDied: b ended with shutdown: more than 3 restarts within 5 s" in shown
    assert "Boom: right after init" in shown


def test_g7_one_that_ended_by_itself_is_not_prepared_and_its_stop_comes_at_once() -> None:
    log = Log()
    a = app("a", log, begin=ends_with(normal), kind="temporary", **callbacks("a", log))
    assert run([a, app("b", log, begin=sends(signal.SIGTERM, 5))]) == 0
    assert log[2:] == ["stop a shutdown", "stopped a", "stop b shutdown"]


def test_g7_a_tree_that_ends_while_another_starts_ends_the_program() -> None:
    log = Log()
    assert run([app("a", log, begin=ends_with(shutdown)), app("b", log, begin=for_ever)]) == 0
    assert log == ["start a", "start b", "stop a shutdown"]


def test_g8_the_end_of_the_program_stops_all_in_reverse_each_tree_in_reverse() -> None:
    log = Log()
    a = Application("a", Supervisor([part("a1", log, finish=lasts(1)), part("a2", log)]))
    b = Application("b", Supervisor([part("b1", log, finish=lasts(1)), part("b2", log, begin=TERM)]))
    assert run([a, b]) == 0
    assert names(log, "stop") == ["b2", "b1", "a2", "a1"]


APPLICATIONS = """
from axon import Application

def ready(number):
    asyncio.get_running_loop().call_later(0.1, lambda: print("ready", flush=True))
apps = [Application("web", tree, requires=["db"], stop=lambda: print("web is down", flush=True)),
        Application("db", Supervisor([part("db", log, begin=ready)]), prep_stop=lambda: print("db is next", flush=True))]
sys.exit(axon.run(apps))
"""


@pytest.mark.slow
@pytest.mark.real_clock
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_g8_a_signal_stops_the_applications_in_reverse(number: signal.Signals) -> None:
    program = Program(TREE + APPLICATIONS)
    program.wait_for("ready")
    program.send(number)
    stopped = ["stop b shutdown", "stop a shutdown", "web is down", "db is next", "stop db shutdown"]
    assert program.end() == (0, stopped, "")


# -- what is told


def test_what_becomes_of_an_application_is_told() -> None:
    heard: list[Event] = []

    def listen(number: int) -> None:
        attach(heard.append, ApplicationStarted, ApplicationEnded, ApplicationStopped)

    log = Log()
    a = app("a", log, begin=listen)
    b = app("b", log, begin=ends_with(normal), kind="temporary")
    c = app("c", log, begin=ends_with(axon.kill, 2), kind="transient")
    assert run([a, b, c]) == 1
    assert heard == [
        ApplicationStarted(path="a"),
        ApplicationStarted(path="b"),
        ApplicationStarted(path="c"),
        ApplicationEnded(path="b", reason=normal, ends_program=False),
        ApplicationEnded(path="c", reason=axon.killed, ends_program=True),
        ApplicationStopped(path="a", reason=shutdown),
    ]


# -- what is refused


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("name", None),
        ("name", ""),
        ("name", 3),
        ("requires", "db"),
        ("requires", 3),
        ("kind", "brittle"),
        ("prep_stop", "now"),
        ("stop", 3),
    ],
)
def test_a_wrong_option_of_an_application_is_refused(option: str, value: Any) -> None:
    options: dict[str, Any] = {"name": "db", "tree": Supervisor(), option: value}
    with pytest.raises(InvalidOption, match=f"{option} must be"):
        Application(**options)


@pytest.mark.parametrize("given", [[], [Supervisor()], [None]])
def test_a_list_of_anything_else_is_refused(given: Any) -> None:
    with pytest.raises(InvalidOption, match="applications must be"):
        run(given)


class Number(GenServer[int]):
    def init(self) -> int:
        asyncio.get_running_loop().call_later(1, lambda: signal.raise_signal(signal.SIGTERM))
        return 3

    @call
    def get(self, state: int) -> int:
        return state


@pytest.mark.parametrize(
    "tree",
    [PartitionSupervisor(Number(), partitions=1), Supervisor([Number()]), Supervisor([TaskSupervisor(), Number()])],
    ids=lambda tree: type(tree).__name__,
)
def test_every_kind_of_supervisor_is_a_tree(tree: Any) -> None:
    assert run(tree) == 0
    assert run([Application("app", tree)]) == 0


@pytest.mark.parametrize("tree", [DynamicSupervisor(), TaskSupervisor()], ids=lambda tree: type(tree).__name__)
def test_so_are_those_that_begin_without_children(tree: Any) -> None:
    log = Log()
    assert run([Application("empty", tree), app("a", log, begin=TERM)]) == 0
    assert log == ["start a", "stop a shutdown"]
