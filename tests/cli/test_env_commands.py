"""`axon env` and `axon doctor`, as a shell sees them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import wheels
from axon.cli import _doctor
from axon.cli._app import app
from axon.cli._doctor import examined
from axon.env import PythonEnv, PythonEnvManager

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def a_plain_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """With few interpreters to ask."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin:/usr/sbin")
    monkeypatch.setenv("PYENV_ROOT", "/nowhere")


def axon(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture
def pear(tmp_path: Path) -> list[str | Path]:
    """What makes an environment without a network."""
    folder = tmp_path / "archives"
    folder.mkdir()
    wheels.wheel(folder, "pear", "1.0")
    return ["env", "sync", "pear", "--no-index", "--find-links", folder]


def test_sync_prints_the_python_and_shows_progress_aside(tmp_path: Path, pear: list[str | Path]) -> None:
    made = axon(*pear, "--base", tmp_path)
    assert made.exit_code == 0, made.stderr
    assert Path(made.stdout.strip()).is_file()
    assert [line.split()[-1] for line in made.stderr.splitlines()] == ["interpreter", "venv", "install", "verify"]
    again = axon(*pear, "--base", tmp_path, "--json")
    assert (json.loads(again.stdout)["python"], again.stderr) == (made.stdout.strip(), "")


def test_sync_reads_files_of_requirements_and_refuses_their_options(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("# ours\nnosuch-a >=1, \\\n  <2  # two lines\n\nnosuch-b\n")
    failed = axon("env", "sync", "-r", file, "nosuch-c", "--base", tmp_path, "--no-index")
    assert (failed.exit_code, "nosuch-" in failed.stderr) == (1, True)
    file.write_text("pear\n--index-url https://packages.example\n")
    refused = axon("env", "sync", "-r", file, "--base", tmp_path)
    assert (refused.exit_code, "--index-url" in refused.stderr) == (2, True)
    missing = axon("env", "sync", "-r", tmp_path / "none.txt", "--base", tmp_path)
    assert (missing.exit_code, "none.txt" in missing.stderr) == (2, True)


def test_sync_without_requirements_says_what_it_wants(tmp_path: Path) -> None:
    """An environment without packages is hardly what was meant."""
    refused = axon("env", "sync", "--base", tmp_path / "base")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith(
        "axon env sync: requirements must be what the environment is to have, such as 'httpx"
    )
    (tmp_path / "empty.txt").write_text("# none yet\n")
    refused = axon("env", "sync", "-r", tmp_path / "empty.txt", "--base", tmp_path / "base")
    assert (refused.exit_code, "at least one in " in refused.stderr) == (2, True)
    assert not (tmp_path / "base").exists()


def test_sync_makes_the_environment_that_isolated_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which has what Axon needs besides."""
    asked: list[PythonEnvManager] = []

    async def ensure_env(self: PythonEnvManager, *, check: bool = False) -> PythonEnv:
        asked.append(self)
        return PythonEnv(tmp_path, tmp_path / "python", "3.12.1", (), (), self.digest, 0.0)

    monkeypatch.setattr(PythonEnvManager, "ensure_env", ensure_env)
    assert axon("env", "sync", "pear", "--with-axon", "--base", tmp_path).stdout == f"{tmp_path / 'python'}\n"
    assert axon("env", "sync", "--with-axon", "--base", tmp_path).exit_code == 0
    managers = [PythonEnvManager(names, base=tmp_path).with_axon() for names in (["pear"], [])]
    assert [each.digest for each in asked] == [each.digest for each in managers]


def test_sync_says_why_there_is_no_environment(tmp_path: Path) -> None:
    failed = axon("env", "sync", "nosuch", "--base", tmp_path, "--no-index")
    assert (failed.exit_code, failed.stdout) == (1, "")
    assert "axon env sync: package_not_found: " in failed.stderr
    assert "Because nosuch was not found" in failed.stderr


def test_what_was_made_is_listed_checked_and_collected(tmp_path: Path, pear: list[str | Path]) -> None:
    python = Path(axon(*pear, "--base", tmp_path).stdout.strip())
    [row] = json.loads(axon("env", "list", "--base", tmp_path, "--json").stdout)
    assert (row["path"], row["problem"]) == (str(python.parents[1]), None)
    assert row["digest"] in axon("env", "list", "--base", tmp_path).stdout
    assert axon("env", "check", "--base", tmp_path).stdout == f"{row['digest']} ok\n"
    (python.parents[1] / "added").touch()
    broken = axon("env", "check", row["digest"][:6], "--base", tmp_path)
    assert (broken.exit_code, broken.stdout) == (1, f"{row['digest']} tampered: added was added\n")
    assert axon("env", "check", "zzz", "--base", tmp_path).exit_code == 2
    assert axon("env", "gc", "--base", tmp_path).stdout == ""
    assert axon("env", "gc", "--days", "-1", "--base", tmp_path).exit_code == 2
    assert axon("env", "gc", "--days", "0", "--base", tmp_path).stdout.startswith(f"{row['digest']} removed")
    assert "there are no environments" in axon("env", "list", "--base", tmp_path).stderr


def test_doctor_looks_at_everything_and_is_content_here() -> None:
    report = axon("doctor", "--json")
    findings = {each["what"]: each for each in json.loads(report.stdout)}
    assert {"axon", "pythons", "uv", "nats-server", "postgres", "extra env", "extra mcp"} <= set(findings)
    assert {"folder of environments", "folder of state", "folder of temporary files"} <= set(findings)
    assert findings["uv"]["state"] == findings["extra cli"]["state"] == "ok"
    assert report.exit_code == int(any(each["state"] == "problem" for each in findings.values()))
    assert all(each["advice"] or each["state"] == "ok" for each in findings.values())
    assert "pythons" in axon("doctor").stdout


def test_doctor_shows_names_of_extras_and_long_paths_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    path = "/long" * 40
    found = [_doctor.Finding("extra mcp", "optional", path, "pip install 'axon-otp[mcp]'")]
    monkeypatch.setattr(_doctor, "examined", lambda: found)
    shown = axon("doctor").stdout
    assert "axon-otp[mcp]" in shown
    assert path in "".join(shown.split())


def test_without_the_extra_the_command_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "axon.env", None)
    refused = axon("env", "list")
    assert (refused.exit_code, refused.stderr.startswith("axon env: ")) == (2, True)


def test_doctor_says_what_to_do_about_what_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A server that is missing is no problem; a folder that cannot be written to is one."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.metadata.requires", {"axon-otp": ["nosuch; extra == 'otel'"]}.get)
    findings = {each.what: each for each in examined()}
    assert findings["nats-server"].state == "optional"
    assert "https://" in findings["nats-server"].advice
    assert findings["extra otel"].found == "without nosuch"
    assert findings["extra otel"].advice == "if it is needed: pip install 'axon-otp[otel]'"
    assert findings["folder of environments"].state == "problem"
    assert axon("doctor").exit_code == 1


def test_what_an_extra_lacks_is_found_through_the_extras_it_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = {
        "axon-otp": ["rich>=14", "typer[all,more]>=0.2; extra == 'cli'", "nosuch; extra == 'other'"],
        "typer": ["nosuch-too>=1; extra == 'more'", "pytest; extra == 'all'"],
    }
    monkeypatch.setattr("importlib.metadata.requires", needs.get)
    assert list(_doctor._lacking("axon-otp", "cli")) == ["nosuch-too"]
    assert list(_doctor._lacking("axon-otp", "other")) == ["nosuch"]
