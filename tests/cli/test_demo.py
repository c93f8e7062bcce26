"""The main job as a user runs it: as a program, over folders it has never seen, with faults and with bad input."""

from __future__ import annotations

import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from demos import SILENT, Demos
from typer.testing import CliRunner

from axon.cli._app import app
from axon.cli.demo import _program

pytestmark = pytest.mark.slow

TEXT = """The lighthouse of Northport was built in 1871.

Its keeper, Anna Holm, lit the lamp every evening for forty years.
The lamp burned whale oil until 1903, when it was replaced by kerosene.
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lighthouse.txt").write_text(TEXT)
    (tmp_path / "harbour").mkdir()
    (tmp_path / "harbour" / "fish.md").write_text("# Fish\n\nHerring is landed at the east pier before sunrise.\n")
    return tmp_path


def summary(lines: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def quotes_stand_in_the_files(found: dict[str, Any], folder: Path) -> int:
    """Check every citation against the files themselves, and count them."""
    count = 0
    for answer in found["answers"]:
        for claim in answer["claims"]:
            for cited in claim["citations"]:
                lines = (folder / cited["file"]).read_text().split("\n")
                shown = " ".join(lines[cited["first_line"] - 1 : cited["last_line"]]).split()
                assert " ".join(cited["quote"].split()) in " ".join(shown)
                count += 1
    return count


def test_a_question_is_answered_with_lines_that_hold_whatever_strikes(folder: Path) -> None:
    """From the first line of the program to the last: elsewhere a process that has loaded it becomes the demo."""
    command = [sys.executable, "-W", "error", "-m", "axon.cli", "demo", "--ask", "Who lit the lamp?"]
    done = subprocess.run([*command, "--over", str(folder)], capture_output=True, text=True, timeout=60, check=False)
    lines = done.stdout.splitlines()
    found = summary(lines)
    assert (done.returncode, done.stderr, found["ok"]) == (0, "", True)
    assert quotes_stand_in_the_files(found, folder) >= 1
    assert "Anna Holm" in json.dumps(found["answers"])
    assert [fault["fault"] for fault in found["faults"]] == [
        *("tool raises", "agent is killed", "agent hangs"),
        "provider is overloaded",
    ]
    assert [down["reason"].partition("(")[0] for down in found["downs"]] == ["ToolBroken", "killed", "ToolTimeout"]
    assert found["restarts"] == {"demo/researchers/researcher-1": 3}
    assert found["answers"][0]["attempts"] == 1, "the turn outlived them all: whoever asked did not notice"
    assert len(found["outages"]) == 1, "which the agent sat out, without a restart"
    assert 0.6 <= found["outages"][0] <= 5
    assert any("the provider of 'local' is in trouble: all agents wait" in line for line in lines)
    assert any("the provider of 'local' answers again" in line for line in lines)


def test_faults_strike_different_questions_if_there_are_several(demo: Demos, folder: Path) -> None:
    asked = ["Who lit the lamp?", "When was the lighthouse built?", "Where is herring landed?"]
    options = [option for question in asked for option in ("--ask", question)]
    status, lines, _ = demo(*options, "--over", str(folder))
    found = summary(lines)
    assert status == 0
    assert [answer["question"] for answer in found["answers"]] == asked
    assert {fault["question"] for fault in found["faults"]} == {1, 2, 3}
    assert all(answer["found"] for answer in found["answers"])


def test_without_faults_nothing_is_restarted(demo: Demos, folder: Path) -> None:
    status, lines, _ = demo("--ask", "Where is herring landed?", "--over", str(folder), "--no-faults")
    found = summary(lines)
    assert (status, found["faults"], found["downs"], found["restarts"]) == (0, [], [], {})
    assert found["answers"][0]["attempts"] == 1


def test_what_the_folder_does_not_say_is_said_honestly(demo: Demos, folder: Path) -> None:
    status, lines, _ = demo("--ask", "Which telescope sees quasars?", "--over", str(folder), "--no-faults")
    answer = summary(lines)["answers"][0]
    assert (status, answer["found"], answer["claims"]) == (0, False, [])


def test_by_default_it_reads_the_projects_own_documentation(demo: Demos) -> None:
    status, lines, errors = demo("--no-faults")
    found = summary(lines)
    assert (status, errors) == (0, "")
    assert quotes_stand_in_the_files(found, Path(__file__).resolve().parents[2]) >= len(found["answers"])


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--over", "/no/such/folder"], "--over '/no/such/folder'"),
        (["--over", ""], "--over ''"),
        (["--over", __file__], "a file, not a folder"),
        (["--ask", " ?! "], "--ask ' ?! '"),
        (["--model", "nobody:nothing"], "--model 'nobody:nothing'"),
        (["--model", "openai:gpt-5"], "--model 'openai:gpt-5'"),
    ],
)
def test_bad_input_is_refused_with_the_option_and_its_value(options: list[str], complaint: str) -> None:
    done = CliRunner().invoke(app, ["demo", *options])
    assert (done.exit_code, done.stdout) == (2, "")
    assert complaint in done.stderr


def test_an_empty_folder_is_refused(demo: Demos, tmp_path: Path) -> None:
    status, lines, errors = demo("--over", str(tmp_path))
    assert (status, len(lines)) == (2, 1)
    assert lines[0].endswith(f"reading {tmp_path}")
    assert errors.startswith(f"axon demo: --over {str(tmp_path)!r}: the folder holds no readable text")
    assert len(errors.splitlines()) == 1


def test_without_a_folder_there_must_be_documentation_to_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in an installed copy, in an empty folder: no option is blamed that was not given."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_program, "__file__", str(tmp_path / "a" / "b" / "c" / "d" / "e" / "_program.py"))
    done = CliRunner().invoke(app, ["demo"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "axon demo: --over FOLDER is needed here: this folder has no docs/ and README.md to search by default\n"
    )


def test_a_question_that_is_not_text_is_refused(demo: Demos, folder: Path) -> None:
    status, lines, errors = demo("--over", str(folder), "--ask", os.fsdecode(b"caf\xe9 open?"))
    assert (status, lines) == (2, [])
    assert "--ask" in errors
    assert "UTF-8" in errors


def test_what_is_asked_and_quoted_does_not_command_the_terminal(demo: Demos, folder: Path) -> None:
    (folder / "valve.log").write_text("\x1b[31mThe red valve\x1b[0m must be opened by hand.\n")
    status, lines, _ = demo("--ask", "How must the \x1b[5mred\x1b[0m valve be opened?", "--over", str(folder))
    assert status == 0
    assert any(line.startswith("  The red valve must be opened by hand.") for line in lines)
    assert "\x1b" not in "".join(lines)


def test_an_output_without_unicode_gets_escapes(folder: Path) -> None:
    command = [sys.executable, "-m", "axon.cli", "demo", "--no-faults", "--over", str(folder), "--ask", "誰がランプを"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert summary(done.stdout.splitlines())["answers"][0]["question"] == "誰がランプを"


def test_when_nobody_reads_its_output_it_ends_quietly(folder: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "axon.cli", "demo", "--over", str(folder), "--ask", "Who lit it?"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=20) == -signal.SIGPIPE
        assert process.stderr.read() == ""


def test_it_tells_its_version() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"axon {importlib.metadata.version('axon-otp')}\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("model", ["", SILENT], ids=["with faults", "with a model that does not answer"])
def test_the_first_signal_ends_it_in_order(demo: Demos, folder: Path, number: signal.Signals, model: str) -> None:
    """Whatever the agents wait for, nobody is asked again; the last line says that it was ended, and how far it came."""
    asked = [option for n in range(6 if model else 1) for option in ("--ask", f"{n}: who lit the lamp?")]
    process = demo.begun(*asked, "--over", str(folder), *(["--no-faults"] if model else []), model=model)
    os.kill(process.pid, number)
    began = time.monotonic()
    status, lines, errors = process.ends()
    assert time.monotonic() - began < 5
    assert (status, errors) == (128 + number, "")
    assert not any("it is asked again" in line for line in lines)
    assert (summary(lines)["ok"], summary(lines)["stopped"]) == (False, "by a signal")


def test_ctrl_c_before_it_runs_leaves_no_traceback(folder: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "axon.cli", "demo", "--over", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while "pydantic_core" not in Path(f"/proc/{process.pid}/maps").read_text():  # pydantic-ai is being imported
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(timeout=10) in (-signal.SIGINT, 128 + signal.SIGINT)
        assert process.stderr is not None
        assert process.stderr.read() == ""
