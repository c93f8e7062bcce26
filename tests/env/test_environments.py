"""What an environment is: built once, with what was asked for, found again, and independent of everything else."""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from env_parts import builds, builds_in, manager, saying, sdist, wheel

from axon.env import (
    BuildStep,
    EnvInstallerSaid,
    EnvProgress,
    Interpreter,
    PythonEnv,
    PythonEnvManager,
    find_uv,
    list_envs,
)
from axon.env._installer import Installer, find_installer
from axon.errors import InvalidOption
from axon.telemetry import attach

pytestmark = [pytest.mark.slow, pytest.mark.real_clock]


async def test_an_environment_has_what_was_asked_for_and_what_that_needs(shared: PythonEnv) -> None:
    assert shared.packages == (("pear", "1.0"), ("plum", "1.0"))
    assert shared.requirements == ("plum",)
    assert await saying(shared, "import plum, pear, platform; print(pear.__version__, platform.python_version())") == (
        f"1.0 {shared.version}"
    )


async def test_without_requirements_it_is_an_interpreter_alone(tmp_path: Path, links: Path) -> None:
    """Which a server may want whose packages are Axon's own."""
    bare = manager(tmp_path, links)
    env = await bare.ensure_env()
    assert (env.packages, env.requirements) == ((), ())
    assert await bare.check_env() == env
    assert await saying(env, "import sys; print(sys.prefix)") == str(env.path)


async def test_it_is_found_again_and_not_built_again(shared: PythonEnv, home: Path, links: Path) -> None:
    async with builds() as built:
        again = await manager(home, links, "plum").ensure_env()
        assert (again, built) == (shared, [])


async def test_the_same_request_has_the_same_digest_however_it_is_written(home: Path, links: Path) -> None:
    written = [["Plum", "pear<2"], ["pear <2", "plum", "plum"], ["plum", "pear<2"]]
    assert len({manager(home, links, *names).digest for names in written}) == 1
    others = [
        manager(home, links, "plum"),
        manager(home, links, "plum", "pear<3"),
        manager(home, links, "plum", "pear<2", python="3.12"),
        manager(home, links, "plum", "pear<2", imports=["plum"]),
        PythonEnvManager(["plum", "pear<2"], base=home, index="https://packages.example/simple"),
        PythonEnvManager(["plum", "pear<2"], base=home),
        manager(home, links, "plum", "pear<2"),
    ]
    assert len({other.digest for other in others}) == len(others)


async def test_the_program_of_the_page_does_what_it_says(
    tmp_path: Path, links: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await asyncio.to_thread((Path(__file__).parents[2] / "docs" / "environments.md").read_text)
    [program] = re.findall(r"^```python\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("UV_FIND_LINKS", str(links))
    monkeypatch.setenv("UV_OFFLINE", "1")
    command = [sys.executable, "-W", "error", "-c", program]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr) == ("0.28.1\n", "")
    assert len(await list_envs(tmp_path / "axon" / "envs")) == 1


async def test_another_version_of_a_package_runs_beside_the_parents(tmp_path: Path, links: Path) -> None:
    """The parent has a version of `packaging` of its own loaded, and keeps it."""
    mine = importlib.metadata.version("packaging")
    env = await manager(tmp_path, links, "packaging<1").ensure_env()
    assert await saying(env, "import packaging; print(packaging.__version__, packaging.__file__)") == (
        f"0.1 {next(env.path.glob('lib/*/site-packages'))}/packaging.py"
    )
    assert importlib.metadata.version("packaging") == mine != "0.1"


async def test_nothing_of_the_starters_python_reaches_it(
    shared: PythonEnv, tmp_path: Path, links: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither when it is built nor, with `-I`, when it runs."""
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit('the starter')")
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "UV_PYTHON", "PIP_TARGET"):
        monkeypatch.setenv(name, str(tmp_path))
    env = await manager(tmp_path / "base", links, "plum").ensure_env()
    assert env.packages == shared.packages


async def test_a_source_distribution_is_built_and_sees_none_of_the_programs_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "links"
    folder.mkdir()
    seen = tmp_path / "seen"
    sdist(folder, "sour", "1.0", f"pathlib.Path({str(seen)!r}).write_text(repr(sorted(os.environ)))", tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    env = await manager(tmp_path / "base", folder, "sour").ensure_env()
    assert env.packages == (("sour", "1.0"),)
    assert "PATH" in seen.read_text()
    assert not {"OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY"} & set(eval(seen.read_text()))


async def test_what_a_program_does_to_its_environment_reaches_no_other(tmp_path: Path, links: Path) -> None:
    """Not even through the installer's cache."""
    first = await manager(tmp_path / "first", links, "pear<2").ensure_env()
    [module] = first.path.glob("lib/*/site-packages/pear.py")
    with module.open("r+") as file:
        file.write("__version__ = 'mine'\n#")
    second = await manager(tmp_path / "second", links, "pear<2").ensure_env()
    assert await saying(second, "import pear; print(pear.__version__)") == "1.0"


async def test_packages_that_print_and_close_their_output_can_be_verified(tmp_path: Path, links: Path) -> None:
    assert (await manager(tmp_path, links, "noisy").ensure_env()).packages == (("noisy", "1.0"),)


async def test_imports_names_what_is_imported_instead_of_everything(tmp_path: Path, links: Path) -> None:
    env = await manager(tmp_path, links, "broken", imports=["json"]).ensure_env()
    assert env.packages == (("broken", "1.0"),)


async def test_a_requirement_of_another_system_is_not_missed(tmp_path: Path, links: Path) -> None:
    env = await manager(tmp_path, links, "pear<2", "nosuch; sys_platform == 'plan9'").ensure_env()
    assert env.packages == (("pear", "1.0"),)


async def test_a_wheel_is_named_by_its_file(tmp_path: Path) -> None:
    archive = wheel(tmp_path, "lone", "3.0")
    env = await PythonEnvManager([f"lone @ {archive.as_uri()}"], base=tmp_path, no_index=True).ensure_env()
    assert env.packages == (("lone", "3.0"),)


async def test_an_environment_without_packages_is_a_python(tmp_path: Path) -> None:
    env = await PythonEnvManager(base=tmp_path).ensure_env()
    assert env.packages == ()
    assert await saying(env, "import sys; print(sys.prefix)") == str(env.path)


async def test_it_is_found_again_within_50_ms(shared: PythonEnv, home: Path, links: Path) -> None:
    """By a new manager, as at a restart."""
    taken: list[float] = []
    for _ in range(5):
        began = time.perf_counter()
        assert await manager(home, links, "plum").ensure_env() == shared
        taken.append(time.perf_counter() - began)
    assert min(taken) < 0.05


async def test_where_there_is_no_uv_pythons_own_installer_is_taken(
    tmp_path: Path, links: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to say so."""

    def find_spec(name: str) -> None: ...

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    for name in ("HOME", "PATH"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("prefix", "base_prefix"):
        monkeypatch.setattr(sys, name, str(tmp_path))
    assert await find_uv(os.environ) is None
    installer = await find_installer(manager(tmp_path, links, "plum")._request, os.environ)
    command = installer.make_venv(tmp_path, Interpreter("/bin/python3", "3.12.1", "CPython", pip=True))
    assert (installer.name, command[2:4]) == ("pip", ["-m", "venv"])


async def test_pip_does_it_where_there_is_no_uv(by_pip: PythonEnv, pip_home: Path, links: Path) -> None:
    """And whoever has uv finds that environment, too."""
    assert {"pear", "pip", "plum"} <= {name for name, _ in by_pip.packages}
    assert await manager(pip_home, links, "plum").check_env() == by_pip


async def test_progress_is_told_step_by_step_with_what_the_installer_says(tmp_path: Path, links: Path) -> None:
    steps: list[BuildStep] = []
    said: list[str] = []
    attach(lambda event: steps.append(event.step), EnvProgress)
    attach(lambda event: said.append(event.line), EnvInstallerSaid)
    await manager(tmp_path, links, "plum").ensure_env()
    assert steps == ["interpreter", "venv", "install", "verify"]
    assert any("plum==1.0" in line for line in said)


async def test_a_long_step_is_told_of_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("axon.env._progress.STILL", 0.1)
    folder = tmp_path / "links"
    folder.mkdir()
    sdist(folder, "slow", "1.0", "import time; time.sleep(0.5)", tmp_path)
    steps: list[BuildStep] = []
    attach(lambda event: steps.append(event.step), EnvProgress)
    await manager(tmp_path / "base", folder, "slow").ensure_env()
    assert steps.count("install") >= 3


async def test_the_log_has_the_steps_and_the_end(tmp_path: Path, links: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "axon")
    await manager(tmp_path, links, "plum").ensure_env()
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split(" step=")[1].split()[0] for line in lines if " step=" in line] == [
        "interpreter",
        "venv",
        "install",
        "verify",
    ]
    assert lines[-1].startswith("python environment: built")


async def test_python_may_be_a_version_or_a_path(tmp_path: Path, shared: PythonEnv) -> None:
    """The interpreter of a virtual environment stands for the one that it was made with."""
    minor = shared.version.rpartition(".")[0]
    by_version = await PythonEnvManager(python=minor, base=tmp_path).ensure_env()
    by_path = await PythonEnvManager(python=shared.python, base=tmp_path).ensure_env()
    assert by_version.version.startswith(f"{minor}.")
    assert by_path.version == shared.version
    assert len(await list_envs(tmp_path)) == 2


@pytest.mark.parametrize(
    ("option", "options"),
    [
        ("requirements", {"requirements": "pear"}),
        ("requirements", {"requirements": ["pear =="]}),
        ("requirements", {"requirements": ["./pear"]}),
        ("requirements", {"requirements": ["--index-url=https://packages.example"]}),
        ("requirements", {"requirements": [7]}),
        ("python", {"python": "three"}),
        ("python", {"python": "bin/python"}),
        ("uv", {"uv": "uv"}),
        ("uv", {"uv": "./uv"}),
        ("imports", {"imports": "pear"}),
        ("imports", {"imports": ["import os"]}),
        ("find_links", {"find_links": "/wheels"}),
        ("extra_indexes", {"extra_indexes": "https://packages.example"}),
        ("extra_indexes", {"extra_indexes": ["packages.example"]}),
        ("index", {"index": "https://packages.example https://other.example"}),
        ("no_index", {"no_index": True, "index": "https://packages.example"}),
        ("timeout", {"timeout": 0}),
        ("python", {"python": 3.12}),
    ],
)
async def test_what_cannot_be_used_is_refused_at_once(option: str, options: dict[str, object]) -> None:
    with pytest.raises(InvalidOption) as refused:
        PythonEnvManager(**options)  # type: ignore[arg-type]
    assert refused.value.option == option


async def test_users_and_passwords_are_neither_kept_nor_shown(tmp_path: Path, shared: PythonEnv) -> None:
    """Not on disk, not in the message."""
    index = "http://me:hunter2@127.0.0.1:9/simple"
    asked = f"apple @ {index}/apple-1.0-py3-none-any.whl"
    manager = PythonEnvManager(["pear", asked], base=tmp_path, index=index, find_links=[index])
    later = index.replace("hunter2", "12345")
    asked = asked.replace("hunter2", "12345")
    same = PythonEnvManager(["pear", asked], base=tmp_path, index=later, find_links=[later])
    assert manager.digest == same.digest
    with pytest.raises(Exception, match="index_unreachable") as failed:
        await manager.ensure_env()
    kept = await asyncio.to_thread((tmp_path / manager.digest / "failed.json").read_text)
    assert "***@127.0.0.1" in kept
    assert "hunter2" not in "".join([kept, str(failed.value), repr(manager), repr(failed.value.__dict__)])


async def test_the_arguments_of_a_program_have_no_password_of_an_index(tmp_path: Path) -> None:
    """Everybody on this machine can read them."""
    url = "http://me:hunter2@127.0.0.1:9/simple"
    wanted = PythonEnvManager(["pear"], index=url, extra_indexes=[url], find_links=[url, tmp_path])._request
    for installer in (Installer("/bin/uv"), Installer(None)):
        command = installer.install(tmp_path, wanted)
        assert str(tmp_path) in command
        assert "hunter2" not in " ".join(command)
        assert list(installer.environ({}, wanted).values()).count(url) == 6


async def test_nobody_is_held_up_while_an_environment_is_built(tmp_path: Path, links: Path) -> None:
    """The loop goes round: the work is done by other processes, and in threads."""
    loop = asyncio.get_running_loop()
    gaps: list[float] = []

    async def tick() -> None:
        last = loop.time()
        while True:
            await asyncio.sleep(0.001)
            now = loop.time()
            gaps.append(now - last)
            last = now

    ticking = asyncio.create_task(tick())
    await manager(tmp_path, links, "plum").ensure_env()
    ticking.cancel()
    assert len(gaps) > 20
    assert builds_in(tmp_path)
