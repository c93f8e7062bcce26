"""The options of `axon serve`: where they come from, and how those that cannot be used are refused."""

from __future__ import annotations

import json
import os
import sys
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from axon.cli._app import app
from axon.cli.serve._program import _tell
from axon.gateway import http

SECRET = "a secret that is long enough"
TOKENS = f'[{{"name": "shop", "secret": "{SECRET}", "scopes": ["read", "run"]}}]'


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("AXON_PORT", "AXON_HOST", "OTHER_KEY", "AXON_PYTHON_AGENT_MODEL", "AXON_PYTHON_AGENT_PORT"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def refused(*options: str, **variables: str) -> str:
    """What it says when it does not start."""
    done = CliRunner().invoke(app, ["serve", *options], env=variables)
    assert done.exit_code == 2, done.output
    return " ".join(done.output.split())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--port", "70000"], "--port must be less than or equal to 65535, got: '70000'"),
        (["--port", "x"], "--port must be a valid integer, unable to parse string as an integer, got: 'x'"),
        (["--drain", "-1"], "--drain must be greater than or equal to 0, got: '-1'"),
        (["--agent-type", "runs"], "--agent-type must be 'run_sync', 'run' or 'run_stream', got: 'runs'"),
        (["--app-dir", "nowhere"], "--app-dir must be a folder that exists, got: 'nowhere'"),
        (["--tls-cert", "nowhere"], "--tls-cert must be a file that exists, got: 'nowhere'"),
        (
            ["--tokens", "nowhere.json"],
            "--tokens must be a file that can be read (No such file or directory), got: 'nowhere.json'",
        ),
        (["--tokens", "[]"], "--tokens must be a list of at least one token, got: '[]'"),
        (["--store", ":memory:"], "path must be the path of a file"),
        (["--store", "."], "--store must be the path of an SQLite file"),
        (["--store", "nowhere/agents.db"], "--store must be the path of an SQLite file in a folder that exists, or a "),
        (["agents/clerk.py", "--name", "clerk"], "the module must be a name with dots, such as agents.example_agent"),
        (["agents.clerk"], "--name must be given with a module: the id of its agent, got: None"),
        (["agents.clerk", "--name", "a/b"], "--name must be "),
        (["agents.clerk", "--name", "clerk", "--port", "0"], "the module must be one with an agent"),
        (["--host", "no such host"], "host and port must be an address to listen on"),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_option_or_variable(options: list[str], said: str) -> None:
    assert said in refused(*options)


def test_a_model_that_cannot_be_had_is_refused_as_the_option_it_is() -> None:
    Path("modelless.py").write_text("from pydantic_ai import Agent\n\nagent = Agent()\n")
    agent = ["modelless", "--name", "clerk", "--port", "0"]
    assert "--model must be given, such as openai:gpt-5 or test: the module chooses none" in refused(*agent)
    assert "--model must be one that can be used here" in refused(*agent, "--model", "nobody:model")


def test_a_port_for_grpc_that_is_taken_is_refused_before_anything_is_served() -> None:
    with closing(http.bind("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert "--grpc-port must be a free port: an address to listen on (Address already in use" in refused(
            "--port", "0", "--grpc-port", port
        )


def test_without_the_extra_for_grpc_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("axon.gateway.grpc", raising=False)
    monkeypatch.setitem(sys.modules, "axon.gateway.grpc", None)
    assert "--grpc-port must be left out (" in refused("--port", "0", "--grpc-port", "0")


def test_a_variable_is_named_too() -> None:
    assert "AXON_PORT must be a valid integer" in refused(AXON_PORT="x")


@pytest.mark.parametrize(
    "given",
    [
        TOKENS.replace('"run"', '"rule"'),
        TOKENS.strip("[]"),
        f'"{SECRET}"',
        SECRET,
        SECRET * 1000,
        f"{SECRET}\0",
    ],
)
def test_no_secret_is_shown(given: str) -> None:
    said = refused("--tokens", given)
    assert "--tokens must be" in said
    assert SECRET not in said


def test_the_password_of_a_store_is_not_shown() -> None:
    said = refused("--store", f"mysql://shop:{SECRET}@db")
    assert "--store must be" in said
    assert SECRET not in said
    assert SECRET not in repr(http.settings(store=f"postgresql://axon:{SECRET}@db/axon"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "one of loopback while the gateway has no tokens, got: '0.0.0.0'"),
        (["--tokens", TOKENS], "one of loopback without tls= or behind_tls=True, got: '0.0.0.0'"),
    ],
)
def test_it_refuses_to_be_open_to_others(options: list[str], said: str) -> None:
    assert said in refused("--host", "0.0.0.0", "--port", "0", *options)


def test_options_come_before_the_environment_and_that_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("AXON_PORT=1\nAXON_HOST=127.0.0.2\nOTHER_KEY=for the agents\n")
    monkeypatch.setenv("AXON_PORT", "2")
    assert (http.settings().host, http.settings().port) == ("127.0.0.2", 2)
    assert http.settings(port=3).port == 3
    import os

    assert os.environ["OTHER_KEY"] == "for the agents"


def test_a_list_of_modules_may_be_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AXON_ALLOW", "agents.*, tools.dates")
    assert http.settings().allow == ("agents.*", "tools.dates")
    assert http.settings(allow=["a.b", "c.*"]).allow == ("a.b", "c.*")


def test_tokens_are_read_from_a_file_or_given_as_they_are() -> None:
    Path("tokens.json").write_text(TOKENS)
    for given in ("tokens.json", TOKENS):
        assert http.tokens_of(given).principal(SECRET).name == "shop"
    assert http.tokens_of(None).is_open


def test_who_has_started_it_as_a_program_is_told_where_it_serves(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read, write = os.pipe()
    monkeypatch.setenv("AXON_ANNOUNCE", str(write))
    _tell({"host": "127.0.0.1", "port": 4711, "grpc_port": 4712})
    with os.fdopen(read) as told:
        assert json.loads(told.read()) == {"host": "127.0.0.1", "port": 4711, "grpc_port": 4712}
    assert json.loads(capsys.readouterr().out)["port"] == 4711
    assert "AXON_ANNOUNCE" not in os.environ, "nor is anybody that it starts to announce anything"
