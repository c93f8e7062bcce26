"""A server or an agent in a Python environment of its own, by one option: with packages that its parent does not have, or
has in other versions.
"""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from port_versions import Versed

import axon
import wheels
from axon import InvalidOption, Supervisor, child
from axon.env import EnvBuildFailed, EnvBuilt, EnvProgress, PythonEnv, PythonEnvError, PythonEnvManager
from axon.env._axon import OWN_PYTHON, OWN_REQUIREMENTS, declared
from axon.port import PortStarted, isolated
from axon.port._bootstrap import OLDEST, PACKAGE
from axon.process import runtime
from axon.telemetry import attach

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

BOOTSTRAP = PACKAGE / "port" / "_bootstrap.py"
HERE = Path(__file__).parent
SOURCES = Path(axon.__file__).parents[1]


@pytest.fixture(autouse=True)
def a_plain_machine(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in os.environ:
        if name.startswith(("UV_", "PIP_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", "/usr/local/bin:/usr/bin:/bin")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "uv-cache"))


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheels of Axon and of what it needs, as installed here, and two versions of a package that is not."""
    folder = tmp_path_factory.mktemp("archives")
    wheels.installed(folder, *OWN_REQUIREMENTS)
    wheels.own(folder)
    for version in ("1.0", "2.0"):
        wheels.wheel(folder, "pear", version)
    wheels.wheel(folder, "pydantic", "1.10")
    return folder


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tests share environments, to look at only."""
    return tmp_path_factory.mktemp("environments")


Making = Callable[..., PythonEnvManager]


@pytest.fixture
def wanted(archives: Path, base: Path) -> Making:
    """A manager of an environment with these packages, from the archives alone."""

    usual: dict[str, Any] = {"base": base, "python": sys.executable, "find_links": [archives], "no_index": True}

    def make(*requirements: str, **options: Any) -> PythonEnvManager:
        return PythonEnvManager(requirements, **{**usual, **options})

    return make


def builds_in(base: Path) -> list[Path]:
    return list(base.glob("*/build-*"))


async def reason_of(start: PythonEnvManager) -> PythonEnvError:
    """Why a server does not start in this environment."""
    with pytest.raises(axon.StartFailed) as failed:
        await axon.start(isolated(Versed(), env=start))
    assert isinstance(failed.value.reason, PythonEnvError)
    return failed.value.reason


@pytest.mark.timeout(120)
@pytest.mark.parametrize("installed", ["as a wheel", "in editable mode", "as a folder of sources"])
async def test_an_agent_with_another_version_of_a_package_runs_beside_its_parents(
    archives: Path, base: Path, wanted: Making, installed: str
) -> None:
    """Both are asked at once. Each has its own version, and both the same Axon, however that is installed."""
    if installed == "as a wheel":
        parents = await wanted("pear==1.0", "axon-otp", "packaging").ensure_env()
        code = Path(sysconfig.get_path("purelib", vars={"base": str(parents.path)}))
    else:
        parents, code = await wanted("pear==1.0").with_axon().ensure_env(), SOURCES
    (path,) = parents.path.glob("lib/*/site-packages")
    environ = {"PATH": os.environ["PATH"], "UV_CACHE_DIR": os.environ["UV_CACHE_DIR"], "HOME": str(base)}
    if installed == "in editable mode":
        (path / "_axon_otp.pth").write_text(f"{SOURCES}\n")
    elif installed == "as a folder of sources":
        environ["PYTHONPATH"] = str(SOURCES)
    from uv import find_uv_bin

    command = list(map(str, (parents.python, HERE / "port_versions.py", archives, base, find_uv_bin())))
    try:
        done = await asyncio.to_thread(
            subprocess.run, command, env=environ, capture_output=True, text=True, check=False
        )
    finally:
        (path / "_axon_otp.pth").unlink(missing_ok=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    here, there = json.loads(done.stdout)
    assert (here["pear"], there["pear"]) == ("1.0", "2.0")
    assert here["process"] != there["process"]
    assert (here["axon_at"], there["axon_at"]) == (str(code / "axon" / "__init__.py"),) * 2
    assert here["pear_at"].startswith(here["prefix"])
    assert there["pear_at"].startswith(there["prefix"])
    assert here["prefix"] != there["prefix"]


async def test_a_server_lives_in_its_environment_and_sees_nothing_of_its_parents(wanted: Making) -> None:
    server = await axon.start(isolated(Versed(), env=wanted("pear==2.0")))
    assert (await server.facts())["pear"] == "2.0"
    mine = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), str(PACKAGE / "port")}
    assert not mine & set(await server.path())
    await axon.stop(server)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("pear")


async def test_what_ensure_env_has_returned_is_taken_as_it_is(wanted: Making) -> None:
    env = await wanted("pear==2.0").with_axon().ensure_env()
    server = await axon.start(isolated(Versed(), env=env))
    assert (await server.facts())["prefix"] == str(env.path)
    await axon.stop(server)


async def test_children_that_start_at_once_build_it_once_and_a_restart_finds_it(tmp_path: Path, wanted: Making) -> None:
    built: list[EnvBuilt] = []
    steps: list[str] = []
    ends = [attach(built.append, EnvBuilt), attach(lambda event: steps.append(event.step), EnvProgress)]
    specs = [isolated(Versed(), env=wanted("pear<2", base=tmp_path)) for _ in range(2)]
    servers = await asyncio.gather(*(axon.start(spec) for spec in specs))
    assert [(await server.facts())["pear"] for server in servers] == ["1.0", "1.0"]
    for server in servers:
        await axon.stop(server)
    async with Supervisor([child(specs[0], restart="permanent")]) as sup:
        server = sup.get(Versed)
        with pytest.raises(axon.ServerDied):
            await server.die()
        async with asyncio.timeout(20):
            while axon.whereis(server) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert (await server.facts())["pear"] == "1.0"
    assert len(built) == 1
    assert [step for step in steps if step != "waiting"] == ["interpreter", "venv", "install", "verify"]
    for end in ends:
        end()


async def test_a_build_does_not_count_as_part_of_the_start(wanted: Making) -> None:
    class Slow(PythonEnvManager):
        async def ensure_env(self, *, check: bool = False) -> PythonEnv:
            await asyncio.sleep(0.5)
            return await super().ensure_env(check=check)

    started: list[PortStarted] = []
    end = attach(started.append, PortStarted)
    slow = wanted("pear==2.0")
    slow.__class__ = Slow
    loop = asyncio.get_running_loop()
    began = loop.time()
    server = await axon.start(isolated(Versed(), env=slow))
    assert started[0].seconds <= loop.time() - began - 0.5
    await axon.stop(server)
    end()


async def test_an_environment_that_cannot_be_built_is_the_reason_of_the_start(tmp_path: Path, wanted: Making) -> None:
    """Of all that wait for it, and nothing is left of the build."""
    failed: list[EnvBuildFailed] = []
    end = attach(failed.append, EnvBuildFailed)
    manager = wanted("nosuch", base=tmp_path)
    reasons = await asyncio.gather(*(reason_of(manager) for _ in range(3)))
    assert [reason.reason for reason in reasons] == ["package_not_found"] * 3
    assert "nosuch" in str(reasons[0])
    assert len(failed) == 1
    assert builds_in(tmp_path) == []
    end()


async def test_what_contradicts_axons_own_needs_is_refused_by_the_installer(tmp_path: Path, wanted: Making) -> None:
    reason = await reason_of(wanted("pydantic<2", base=tmp_path))
    assert reason.reason == "version_conflict"
    assert "pydantic>=2.12" in " ".join("".join(reason.context.output).split())


async def test_a_start_that_is_cancelled_ends_the_build(tmp_path: Path, wanted: Making) -> None:
    def leave(event: EnvProgress) -> None:
        if event.step == "install":
            starting.cancel()

    end = attach(leave, EnvProgress)
    starting = asyncio.create_task(axon.start(isolated(Versed(), env=wanted("pear<2", base=tmp_path))))
    with pytest.raises(asyncio.CancelledError):
        await starting
    async with asyncio.timeout(10):
        while builds_in(tmp_path):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert runtime().spawner is None
    end()


@pytest.mark.parametrize("how", ["by its path", "by its version"])
async def test_a_python_that_is_too_old_for_axon_is_refused(tmp_path: Path, wanted: Making, how: str) -> None:
    """Though it is recent enough for other environments."""
    old = tmp_path / "python3.10"
    old.write_text(f"""#!/bin/sh\necho '["{old}", "3.10.14", "CPython", true]'\n""")
    old.chmod(0o755)
    reason = await reason_of(wanted(base=tmp_path / "base", python=old if how == "by its path" else "3.10"))
    assert reason.reason == ("wrong_interpreter" if how == "by its path" else "no_interpreter")
    assert f"Axon needs {OWN_PYTHON}" in reason.context.detail


def test_the_childs_program_refuses_a_python_that_is_too_old() -> None:
    code = f"import runpy, sys; sys.version_info = (3, 10, 14); runpy.run_path({str(BOOTSTRAP)!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Axon needs Python 3.11, and ")
    assert str(OWN_PYTHON) == f">={'.'.join(map(str, OLDEST))}"


async def test_an_environment_that_lacks_what_axon_needs_is_refused_by_name(wanted: Making) -> None:
    env = await wanted("pear==2.0").ensure_env()
    with pytest.raises(InvalidOption, match=r"env must be .*pydantic<3,>=2\.12.*structlog") as refused:
        isolated(Versed(), env=env)
    assert "pear" not in str(refused.value.expected)
    whole = await wanted("pear==2.0").with_axon().ensure_env()
    assert whole.missing_for_axon() == []
    assert dataclasses.replace(whole, version="3.10.14").missing_for_axon() == [f"Python {OWN_PYTHON}"]
    with pytest.raises(InvalidOption, match=r"env must be .*Python >=3\.11"):
        isolated(Versed(), env=dataclasses.replace(whole, version="3.10.14"))


async def test_an_environment_and_an_interpreter_are_not_both_taken(wanted: Making) -> None:
    with pytest.raises(InvalidOption, match="python must be left out where env is given"):
        isolated(Versed(), env=wanted(), python=sys.executable)
    wrong: Any = {"API_KEY": "secret"}
    with pytest.raises(InvalidOption, match=r"environment variables go by environ\), got: {'API_KEY': '…'}"):
        isolated(Versed(), env=wrong)


async def test_what_axon_needs_is_asked_for_once_however_often(wanted: Making) -> None:
    manager = wanted("pear==2.0").with_axon()
    assert manager.with_axon().digest == manager.digest != wanted("pear==2.0").digest


def test_what_axon_needs_is_what_it_declares(tmp_path: Path, archives: Path) -> None:
    """As its project says, or, where there is none, the distribution beside it."""
    python, requirements = declared(PACKAGE)
    assert python == ">=3.11"
    (wheel,) = archives.glob("axon_otp-*")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "lib" / "site-packages")
    installed_python, installed = declared(tmp_path / "lib" / "site-packages" / "axon")
    assert installed_python == python
    assert {line.split("<")[0].split(">")[0] for line in requirements} == {
        line.split("<")[0].split(">")[0] for line in installed
    }
    with pytest.raises(ImportError, match="axon-otp"):
        declared(tmp_path / "axon")


def test_children_of_multiprocessing_find_axon_too(tmp_path: Path) -> None:
    """They run the file of the main program under another name."""
    code = f"import runpy, sys; runpy.run_path({str(BOOTSTRAP)!r}, run_name='__mp_main__'); import axon; print(axon.__file__)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"{axon.__file__}\n", "")
    assert importlib.util.find_spec("axon") is not None
