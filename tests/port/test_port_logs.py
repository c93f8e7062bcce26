"""The log of a child is here what it would be in this process, within bounds, and never in the name of somebody else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from port_servers import Counter, Doomed, Logging, Picky, run_alone

import axon
from axon.port import BadFrame, PortOutputDropped, isolated
from axon.port._frames import Kind, encode
from axon.port._log_line import FIELDS, LINES, LONGEST, NAME, TEXT, VALUE, LogLine

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]


def frame(text: str, *, logger: str = "theirs", dropped: int = 0, **fields: str | float | bool | None) -> bytes:
    line = LogLine(logger=logger, level=logging.WARNING, text=text, fields=fields)
    return encode(Kind.LOG, dropped, line.model_dump_json().encode())


@pytest.fixture
async def doomed() -> AsyncIterator[Doomed]:
    server = await axon.start(isolated(Doomed()), name="doomed")
    yield server
    await axon.stop(server)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


class Keeping(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.kept: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(record)


UNCONFIGURED = """
import asyncio
import logging
from axon import GenServer, Supervisor, call
from axon.port import isolated

class Server(GenServer[None]):
    def init(self) -> None: ...

    @call
    def log(self, state: None) -> None:
        logging.getLogger("theirs").warning("a warning")
        logging.getLogger("theirs").info("no warning")

async def main() -> None:
    async with Supervisor([isolated(Server())]) as sup:
        await sup.get(Server).log()

if __name__ == "__main__":
    asyncio.run(main())
"""


async def test_warnings_of_a_child_are_printed_by_a_program_that_has_set_up_no_logging(tmp_path: Path) -> None:
    """As those of its own are, by the last resort of `logging`."""
    (tmp_path / "unconfigured.py").write_text(UNCONFIGURED)
    _, said = await run_alone(tmp_path / "unconfigured.py")
    assert said == b"a warning\n"


async def test_its_start_is_told_once_and_so_is_one_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await axon.stop(await axon.start(isolated(Counter()), name="counter"))
    with pytest.raises(axon.StartFailed):
        await axon.start(isolated(Picky("fails")), name="picky")
    told = [record.getMessage().partition(" reason=")[0] for record in caplog.records if record.name == "axon"]
    assert told.count("started path=counter") == 1
    assert told.count("failed to start path=picky") == 1


async def test_what_cannot_be_put_into_words_is_no_fault_of_who_has_said_it() -> None:
    """`logging` complains, and goes on."""
    server = await axon.start(isolated(Logging()))
    await server.log_badly()
    await axon.stop(server)


async def test_a_record_arrives_whatever_is_in_it_cut_where_it_is_too_long(caplog: pytest.LogCaptureFixture) -> None:
    server = await axon.start(isolated(Logging()))
    await server.log_oddly()
    await axon.stop(server)
    (record,) = [record for record in caplog.records if record.name.startswith("their.")]
    fields = vars(record)
    assert (len(record.name), record.levelno, len(record.getMessage())) == (NAME, logging.CRITICAL, TEXT)
    assert record.getMessage().startswith("\\udc80yyy")
    assert (fields["huge"][:4], fields["many"], fields["half"]) == (hex(10**5000)[:4], None, "\\udc80")
    assert (len(fields["huge"]), len(fields["long"]), fields["n" * NAME]) == (VALUE, VALUE, 1)
    assert sum(name.startswith("field ") for name in fields) == FIELDS - 5


async def test_a_log_line_may_say_what_every_record_has_here(doomed: Doomed) -> None:
    """Which is not the same in each version of Python."""
    await doomed.write_garbage(frame("hm", message="other", name="other"))
    await doomed.process()


async def test_a_child_does_not_pose_as_another(doomed: Doomed, caplog: pytest.LogCaptureFixture) -> None:
    """What it calls itself is a name below its server's, and a terminal obeys it in nothing."""
    for path in ("doomed", "doomed/within", "other/server", ""):
        await doomed.write_garbage(frame("one\x1b[2J\ntwo", logger="new\n.name", path=path, pid=1, key="\n"))
    await doomed.process()
    records = [record for record in caplog.records if record.name == "new\\x0a.name"]
    paths = [vars(record)["path"] for record in records]
    assert paths == ["doomed", "doomed/within", "doomed/other/server", "doomed"]
    assert {record.getMessage() for record in records} == {"one\\x1b[2J\ntwo"}
    assert {(vars(record)["pid"] > 1, vars(record)["key"]) for record in records} == {(True, "\\x0a")}


async def test_a_child_makes_no_loggers_here_and_its_lines_go_where_they_would(doomed: Doomed) -> None:
    handler, above = Keeping(), logging.getLogger("above")
    above.addHandler(handler)
    try:
        for name in ("above", "above.new.name", "beside.name"):
            await doomed.write_garbage(frame("said", logger=name))
        above.setLevel(logging.ERROR)
        await doomed.write_garbage(frame("said", logger="above.new.name"))
        await doomed.process()
    finally:
        above.removeHandler(handler)
        above.setLevel(logging.NOTSET)
    assert [record.name for record in handler.kept] == ["above", "above.new.name"]
    assert not {"above.new", "above.new.name", "beside", "beside.name"} & set(logging.root.manager.loggerDict)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"logger": "x", "level": 1000, "text": ""}',
        b'{"logger": "%s", "level": 30, "text": ""}' % (b"x" * (NAME + 1)),
        b'{"logger": "x", "level": 30, "text": "%s"}' % (b"x" * (TEXT + 1)),
        b"x" * (LONGEST + 1),
    ],
    ids=lambda body: repr(body[:40]),
)
async def test_a_log_line_that_is_none_ends_its_sender(body: bytes) -> None:
    server = await axon.start(isolated(Doomed()))
    with pytest.raises(axon.ServerDied) as died:
        await server.write_slowly(encode(Kind.LOG, 0, body))
    assert isinstance(died.value.reason, BadFrame)


async def test_of_a_flood_of_log_lines_so_many_become_records_and_the_others_are_counted(
    doomed: Doomed, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the child does about that itself."""
    told: list[PortOutputDropped] = []
    end = axon.telemetry.attach(told.append, PortOutputDropped)
    await doomed.write_garbage(frame("flood", dropped=7) + frame("flood") * (LINES + 200))
    await until(lambda: sum(event.lines for event in told) >= 7 + 201)
    end()
    assert (told[0].path, told[0].stream, told[0].lines) == ("doomed", "log", 7)
    passed = sum(record.name == "theirs" for record in caplog.records)
    assert passed + sum(event.lines for event in told) == LINES + 201 + 7


async def test_a_handler_that_logs_without_an_end_fills_no_memory(caplog: pytest.LogCaptureFixture) -> None:
    told: list[PortOutputDropped] = []
    end = axon.telemetry.attach(told.append, PortOutputDropped)
    server = await axon.start(isolated(Logging()))
    await server.log_many(3 * LINES)
    await until(lambda: bool(told))
    await axon.stop(server)
    end()
    passed = sum(record.name == "their.logger" for record in caplog.records)
    assert passed + sum(event.lines for event in told) == 3 * LINES
    assert passed <= LINES


async def test_a_filter_of_the_program_that_fails_costs_a_log_line_and_no_child() -> None:
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    def fail(record: logging.LogRecord) -> bool:
        raise ValueError("no such field")

    logger = logging.getLogger("their.logger")
    logger.addFilter(fail)
    try:
        counter = await axon.start(isolated(Counter()))
        await counter.log("they said")
        await counter.process()
        await axon.stop(counter)
    finally:
        logger.removeFilter(fail)
    assert [str(context["exception"]) for context in told] == ["no such field"]
