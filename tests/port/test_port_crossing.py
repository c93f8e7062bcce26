"""What is asked of an isolated server, and what comes back, is what it is within one process."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import signal
import sysconfig
import venv
from contextlib import suppress
from pathlib import Path
from typing import Any, assert_type

import pytest
from opentelemetry.sdk.trace import TracerProvider
from port_servers import Cleaner, Counter, Picky, Refused, Traced, run_alone

import axon
from axon import GenServer, Supervisor, call, child
from axon.port import (
    PortError,
    PortExited,
    PortOutput,
    PortOutputDropped,
    PortRefused,
    PortStarted,
    PortStartFailed,
    isolated,
    port_status,
)

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]


async def test_a_call_to_another_process_is_that_of_the_server_itself() -> None:
    async with Supervisor([isolated(Counter(begin=5))]) as sup:
        counter = sup.get(Counter)
        assert_type(counter, Counter)
        assert_type(await counter.increment(3), int)
        assert isinstance(counter, Counter)
        assert await counter.increment(by=2) == 10
        assert await counter.process() != os.getpid()
        assert repr(counter) == "<Counter Supervisor/Counter>"
        assert await counter.echo(b"\x00\xff any bytes") == b"\x00\xff any bytes"


async def test_a_spec_that_was_changed_later_is_what_is_started() -> None:
    counter = await axon.start(dataclasses.replace(isolated(Counter(begin=5)), begin=7))
    assert await counter.increment() == 8
    await axon.stop(counter)


async def test_requests_of_one_sender_are_handled_in_order_over_there_too() -> None:
    counter = await axon.start(isolated(Counter()))
    asked: list[asyncio.Task[int]] = []
    for number in range(50):
        counter.reset(number)
        asked.append(asyncio.ensure_future(counter.increment(0)))
        await asyncio.sleep(0)
    assert await asyncio.gather(*asked) == list(range(50))
    await axon.stop(counter)


async def test_an_argument_that_cannot_cross_is_its_callers_mistake() -> None:
    """Of a cast, too: later nobody could be told."""
    counter = await axon.start(isolated(Counter()))
    wrong: Any = "many"
    with pytest.raises(axon.WrongArguments, match=r"Counter.increment\(\): by: .*valid integer"):
        await counter.increment(wrong)
    with pytest.raises(axon.WrongArguments, match=r"Counter.reset\(\)"):
        counter.reset(wrong)
    with pytest.raises(TypeError, match="takes from 1 to 2 positional arguments but 3 were given"):
        await counter.increment(1, wrong)  # type: ignore[call-arg]
    assert await counter.increment(1) == 1
    await axon.stop(counter)


async def test_a_declared_error_and_that_of_a_stream_keep_their_types_and_the_server_lives() -> None:
    counter = await axon.start(isolated(Counter(begin=2)))
    with pytest.raises(Refused) as refused:
        await counter.refuse("tea")
    assert (refused.value.name, refused.value.left, str(refused.value)) == ("tea", 2, "tea: 2 left")
    read: list[int] = []
    with pytest.raises(Refused, match="milk"):
        async for number in counter.count(3, error="milk"):
            read.append(number)  # noqa: PERF401  # it fails before it ends
    assert read == [0, 1, 2]
    assert await counter.increment() == 3
    await axon.stop(counter)


async def test_a_crash_over_there_is_one_here_with_its_reason_and_where_it_was() -> None:
    counter = await axon.start(isolated(Counter()))
    waiting = asyncio.ensure_future(counter.sleep(100))
    with pytest.raises(axon.ServerDied) as died:
        await counter.crash("lost")
    reason = died.value.reason
    assert isinstance(reason, Refused)
    assert (reason.name, reason.left) == ("lost", 3)
    assert "in crash" in reason.__notes__[0]
    with pytest.raises(axon.ServerDied):
        await waiting
    with pytest.raises(axon.NoProcess):
        await counter.increment()


async def test_the_last_word_of_a_child_is_heard_though_a_request_met_its_closed_end() -> None:
    """This loop stands still until the child is gone: then it writes to nobody before it reads what was said."""
    counter = await axon.start(isolated(Counter()))
    process = await counter.process()
    dying = asyncio.ensure_future(counter.crash("lost"))
    await asyncio.sleep(0)
    with suppress(ProcessLookupError):
        while True:
            os.kill(process, 0)
    with pytest.raises(axon.ServerDied) as died:
        await counter.increment()
    assert isinstance(died.value.reason, Refused)
    with pytest.raises(axon.ServerDied):
        await dying


@pytest.mark.parametrize(("term", "reason"), [("", axon.normal), ("enough", axon.shutdown("enough"))])
async def test_exit_reasons_cross_and_links_and_monitors_see_them(term: str, reason: axon.Reason) -> None:
    counter = await axon.start(isolated(Counter()))
    watching = asyncio.ensure_future(axon.wait_down(counter))
    await asyncio.sleep(0)
    with pytest.raises(axon.ServerDied) as died:
        await counter.leave(term)
    assert died.value.reason == reason
    assert (await watching).reason == reason


async def test_a_deadline_travels_with_its_request_and_ends_it_over_there() -> None:
    counter = await axon.start(isolated(Counter()))
    with pytest.raises(axon.DeadlineExceeded):
        async with axon.deadline(0.2):
            await counter.sleep(100)
    assert await counter.increment() == 1  # a server that still slept could not answer
    await axon.stop(counter)


async def test_a_stream_is_a_bounded_number_of_items_ahead_and_ends_when_its_reader_closes_it() -> None:
    counter = await axon.start(isolated(Counter()))
    read: list[int] = []
    async with counter.count(1000) as numbers:
        async for number in numbers:
            read.append(number)
            if number == 99:
                break
    assert read == list(range(100))
    assert [number async for number in counter.count(100)] == list(range(100))
    await asyncio.sleep(0.05)
    assert axon.statistics(counter).pending == 0
    await axon.stop(counter)


class Asker(GenServer[Counter]):
    counter: Counter

    def init(self) -> Counter:
        return self.counter

    @call
    async def ask(self, state: Counter) -> list[str]:
        return await state.callers()


async def test_callers_and_the_trace_go_along() -> None:
    async with Supervisor([isolated(Counter()), isolated(Traced())], name="app") as sup:
        asker = await sup.start_child(Asker(sup.get(Counter)))
        assert await asker.ask() == ["app/Asker"]
        assert await sup.get(Counter).callers() == []
        provider = TracerProvider()
        end = axon.telemetry.opentelemetry.instrument(provider)
        with provider.get_tracer("test").start_as_current_span("outer") as span:
            assert await sup.get(Traced).trace() == span.get_span_context().trace_id
        end()


async def test_the_state_of_a_child_is_known_without_asking_it() -> None:
    counter = await axon.start(isolated(Counter(), hang=0.5))
    assert port_status(counter).phase == "ready"
    computing = asyncio.ensure_future(counter.compute(0.8))
    await asyncio.sleep(0.6)
    status = port_status(counter)
    assert (status.pid, status.phase, status.in_flight) == (await computing, "busy", 1)
    assert status.memory > 10 * 2**20
    assert status.cpu > 0.1
    assert status.stalled > 0.2
    await axon.stop(counter)
    with pytest.raises(axon.NoProcess):
        port_status(counter)
    here = await axon.start(Counter())
    with pytest.raises(axon.InvalidOption, match="isolated"):
        port_status(here)
    await axon.stop(here)


async def test_the_environment_is_an_allow_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setenv("OTHER_KEY", "secret")
    counter = await axon.start(isolated(Counter(), environ={"MODE": "test"}, inherit=["OPENAI_API_KEY", "NOT_THERE"]))
    found = await counter.environment()
    assert (found["MODE"], found["OPENAI_API_KEY"]) == ("test", "secret")
    assert not found.keys() & {"OTHER_KEY", "NOT_THERE", "PYTHONPATH"}
    assert found["PATH"] == os.environ["PATH"]
    await axon.stop(counter)


async def test_what_it_prints_is_an_event_and_what_it_logs_a_line_of_its_own_logger(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lines: list[PortOutput] = []
    end = axon.telemetry.attach(lines.append, PortOutput)
    counter = await axon.start(isolated(Counter()), name="talker")
    await counter.say("hello\nworld")
    await counter.say("oh", to="stderr")
    await counter.log("they said")
    async with asyncio.timeout(5):
        while len(lines) < 3 or "they said" not in caplog.text:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert sorted((line.stream, line.text) for line in lines) == [
        ("stderr", "oh"),
        ("stdout", "hello"),
        ("stdout", "world"),
    ]
    assert {line.path for line in lines} == {"talker"}
    (record,) = [record for record in caplog.records if record.name == "their.logger"]
    assert (record.levelno, record.getMessage()) == (logging.WARNING, "they said")
    assert (vars(record)["order"], vars(record)["path"]) == (3, "talker")
    end()
    await axon.stop(counter)


async def test_of_a_flood_of_lines_so_many_are_passed_on_and_the_others_counted() -> None:
    told: list[axon.telemetry.Event] = []
    end = axon.telemetry.attach(told.append, PortOutput, PortOutputDropped)
    counter = await axon.start(isolated(Counter()))
    await counter.say("\n".join(map(str, range(1000))))
    await axon.stop(counter)
    end()
    dropped = sum(event.lines for event in told if isinstance(event, PortOutputDropped))
    passed = sum(isinstance(event, PortOutput) for event in told)
    assert passed + dropped == 1000
    assert 200 <= passed <= 400


async def test_a_line_that_is_too_long_is_passed_on_as_several() -> None:
    """Nothing of it is lost, however much of it arrives at once."""
    told: list[PortOutput] = []
    end = axon.telemetry.attach(told.append, PortOutput)
    counter = await axon.start(isolated(Counter()))
    line = "a" * 2000 + "b" * 2000 + "c"
    await counter.say(line)
    await axon.stop(counter)
    end()
    assert "".join(event.text for event in told) == line
    assert max(len(event.text) for event in told) == 2000


async def test_what_a_terminal_would_obey_is_written_out() -> None:
    """A child clears nobody's screen, and forges no line of a log."""
    told: list[PortOutput] = []
    end = axon.telemetry.attach(told.append, PortOutput)
    counter = await axon.start(isolated(Counter()))
    await counter.say("\x1b[2Jgone\rdone\tüber\r")
    await axon.stop(counter)
    end()
    assert [event.text for event in told] == ["\\x1b[2Jgone\\x0ddone\tüber"]


async def test_a_computing_handler_is_not_taken_for_a_process_that_hangs() -> None:
    """Its loop stands still, and its heartbeat goes on."""
    counter = await axon.start(isolated(Counter(), hang=0.5))
    assert await counter.compute(1.2) == await counter.process()
    await axon.stop(counter)


async def test_a_server_is_ended_in_order_and_its_terminate_runs_over_there(tmp_path: Path) -> None:
    said = tmp_path / "said"
    async with Supervisor([isolated(Cleaner(str(said)))]) as sup:
        await sup.get(Cleaner).process()
    assert said.read_text() == "shutdown"
    cleaner = await axon.start(isolated(Cleaner(str(said), fails=True)))
    with pytest.raises(axon.ServerDied) as died:
        await axon.stop(cleaner)
    assert said.read_text() == "normal"
    assert isinstance(died.value.reason, Refused)


@pytest.mark.parametrize("how", ["ignores", "stops", "exits", "fails"])
async def test_a_start_that_fails_over_there_fails_here_for_the_same_reason(how: str) -> None:
    if how == "ignores":
        with pytest.raises(axon.Ignored):
            await axon.start(isolated(Picky(how)))
        return
    with pytest.raises(axon.StartFailed) as failed:
        await axon.start(isolated(Picky(how)))
    reason = failed.value.reason
    if how == "stops":
        assert reason == axon.shutdown("not today")
    elif how == "fails":
        assert isinstance(reason, Refused)
        assert reason.left == 7
    else:
        assert isinstance(reason, PortExited)
        assert (reason.exit_code, reason.said) == (3, ("no configuration",))


async def test_a_start_takes_a_bounded_time() -> None:
    with pytest.raises(axon.StartFailed) as failed:
        await axon.start(isolated(Picky("hangs"), start_within=1.5))
    assert isinstance(failed.value.reason, PortStartFailed)
    assert "start_within=1.5" in str(failed.value.reason)


async def test_an_interpreter_that_is_not_there_or_is_none_is_a_failed_start() -> None:
    for python in ("/nowhere/python", "/bin/false"):
        with pytest.raises(axon.StartFailed) as failed:
            await axon.start(isolated(Counter(), python=python))
        assert isinstance(failed.value.reason, PortError)


async def test_another_interpreter_has_packages_of_its_own_beside_those_of_its_parent(tmp_path: Path) -> None:
    """Here one that finds Axon where this one does, and a package in a version that conflicts with another one's."""
    found: list[tuple[str, int]] = []
    for version in (1, 2):
        home = tmp_path / f"env-{version}"
        await asyncio.to_thread(venv.create, home, symlinks=True)
        packages = Path(sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)}))
        (packages / "conflicting.py").write_text(f"VERSION = {version}\n")
        (packages / "axon.pth").write_text(sysconfig.get_path("purelib"))
        server = await axon.start(isolated(Counter(), python=home / "bin" / "python"))
        found.append(await server.version("conflicting"))
        await axon.stop(server)
    assert found == [(str(tmp_path / "env-1"), 1), (str(tmp_path / "env-2"), 2)]


async def test_an_interpreter_without_what_is_needed_says_what_is_missing(tmp_path: Path) -> None:
    await asyncio.to_thread(venv.create, tmp_path / "bare", symlinks=True)
    with pytest.raises(axon.StartFailed) as failed:
        await axon.start(isolated(Counter(), python=tmp_path / "bare" / "bin" / "python"))
    assert isinstance(failed.value.reason, PortExited)
    assert "Axon needs pydantic, which" in failed.value.reason.said[-1]


async def test_a_child_process_loads_what_its_server_needs_and_no_more() -> None:
    counter = await axon.start(isolated(Counter()))
    modules = await counter.modules()
    assert not {"pydantic_ai", "openai", "httpx", "structlog", "tenacity"} & set(modules)
    await axon.stop(counter)


async def test_while_a_child_does_not_read_requests_wait_here_where_the_mailbox_has_its_limit() -> None:
    """And nothing is lost or overtaken when it reads again."""
    async with Supervisor([child(isolated(Counter(), hang=None), mailbox=20)]) as sup:
        counter = sup.get(Counter)
        process = await counter.process()
        os.kill(process, signal.SIGSTOP)
        sent = 0
        while True:
            sent += 1
            counter.add(1, bytes(2**16))
            await asyncio.sleep(0)
            if axon.statistics(counter).queued == 20:
                break
        assert sent < 200
        with pytest.raises(axon.MailboxFull):
            await counter.increment(0)
        os.kill(process, signal.SIGCONT)
        await axon.offer(counter.add, 1, b"")
        async with asyncio.timeout(10):
            while axon.statistics(counter).queued:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert await counter.increment(0) == sent + 1


async def test_all_that_wait_for_a_child_to_read_again_go_on_when_it_does() -> None:
    async with Supervisor([child(isolated(Counter(), hang=None))]) as sup:
        counter = sup.get(Counter)
        process = await counter.process()
        os.kill(process, signal.SIGSTOP)
        counter.add(1, bytes(2**22))
        read = [asyncio.create_task(numbers_of(counter, 3)) for _ in range(3)]
        await asyncio.sleep(0.1)
        os.kill(process, signal.SIGCONT)
        assert await asyncio.gather(*read) == [[0, 1, 2]] * 3


async def numbers_of(counter: Counter, up_to: int) -> list[int]:
    async with counter.count(up_to) as numbers:
        return [number async for number in numbers]


async def test_events_tell_of_a_child_process_and_of_a_message_that_cannot_cross() -> None:
    """A group's cast goes to servers of any kind, so that it is not looked at before."""
    started: list[axon.telemetry.Event] = []
    refused: list[axon.telemetry.Event] = []
    ends = [axon.telemetry.attach(started.append, PortStarted), axon.telemetry.attach(refused.append, PortRefused)]
    counter = await axon.start(isolated(Counter()), name="told")
    (event,) = started
    assert isinstance(event, PortStarted)
    assert (event.path, event.pid) == ("told", await counter.process())
    assert 0 < event.seconds < 30
    counters = axon.group(Counter, "counters")
    counters.join(counter)
    counters.broadcast(Counter.reset, 5)
    assert await counter.increment(0) == 5
    wrong: Any = "many"
    counters.broadcast(Counter.reset, wrong)
    assert await counter.increment(0) == 5
    (event,) = refused
    assert isinstance(event, PortRefused)
    assert (event.path, event.text, type(event.error)) == ("told", "reset", axon.WrongArguments)
    for end in ends:
        end()
    await axon.stop(counter)


UNGUARDED = """
import asyncio
from axon import GenServer, Supervisor
from axon.port import isolated

class Server(GenServer[None]):
    def init(self) -> None: ...

async def main() -> None:
    async with Supervisor([isolated(Server())]):
        pass

asyncio.run(main())
"""


async def test_a_program_that_starts_whenever_it_is_imported_is_told_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "unguarded.py").write_text(UNGUARDED)
    status, said = await run_alone(tmp_path / "unguarded.py")
    assert status == 1
    assert b"unguarded is imported here, and starts the program again" in said
    assert b"if __name__ == '__main__':" in said
