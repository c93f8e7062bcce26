"""Several builders at once, and builders that are killed: built once, whole or not at all, and the next one recovers."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from env_builder import POINTS, STEPS
from env_parts import builds, builds_in, gone, manager, processes_with, sdist, sleeping, until

from axon.env import EnvBuildFailed, EnvBuilt, EnvProgress, PythonEnv, PythonEnvError, list_envs
from axon.telemetry import attach

pytestmark = [pytest.mark.slow, pytest.mark.real_clock]

BUILDER = Path(__file__).with_name("env_builder.py")
LONGEST = 30


def builder(base: Path, links: Path, requirement: str, point: str = "") -> subprocess.Popen[str]:
    """A builder in a process of its own, which waits for a line."""
    command = [sys.executable, str(BUILDER), str(base), str(links), requirement, point]
    environ = {**os.environ, "PYTHONPATH": str(BUILDER.parents[1])}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


async def said(process: subprocess.Popen[str]) -> str:
    """The last that it says."""
    output, _ = await asyncio.to_thread(process.communicate, timeout=LONGEST)
    return output.strip()


async def test_tasks_that_ask_at_once_get_the_one_that_is_built(tmp_path: Path, links: Path) -> None:
    async with builds() as built:
        managers = [manager(tmp_path, links, "plum") for _ in range(4)] * 2
        envs = await asyncio.gather(*(each.ensure_env() for each in managers))
    assert len(built) == 1
    assert len(set(envs)) == 1
    assert len(builds_in(tmp_path)) == 1


async def test_threads_that_ask_at_once_get_the_one_that_is_built(tmp_path: Path, links: Path) -> None:
    """Each with an event loop of its own."""
    builds: list[EnvBuilt] = []

    async def ensure() -> PythonEnv:
        attach(builds.append, EnvBuilt)
        return await manager(tmp_path, links, "plum").ensure_env()

    envs = await asyncio.gather(*(asyncio.to_thread(asyncio.run, ensure()) for _ in range(4)))
    assert len(builds) == 1
    assert len(set(envs)) == 1
    assert len(builds_in(tmp_path)) == 1


async def test_processes_that_ask_at_once_get_the_one_that_is_built(tmp_path: Path, links: Path) -> None:
    processes = [builder(tmp_path, links, "plum") for _ in range(3)]
    for process in processes:
        go(process)
    assert sorted([await said(process) for process in processes]) == ["built", "found", "found"]
    assert len(builds_in(tmp_path)) == 1


async def test_who_waits_for_a_build_that_fails_gets_its_error(tmp_path: Path, links: Path) -> None:
    """Instead of trying the same again, one after the other. Who asks later tries again."""
    failed: list[EnvBuildFailed] = []
    attach(failed.append, EnvBuildFailed)
    managers = [manager(tmp_path, links, "nosuch") for _ in range(5)]
    errors = await asyncio.gather(*(each.ensure_env() for each in managers), return_exceptions=True)
    assert [error.reason for error in errors if isinstance(error, PythonEnvError)] == ["package_not_found"] * 5
    assert len({str(error) for error in errors}) == 1
    assert len(failed) == 1
    with pytest.raises(PythonEnvError, match="package_not_found"):
        await managers[0].ensure_env()
    assert len(failed) == 2


async def test_who_waits_for_a_build_that_is_cancelled_builds_it(tmp_path: Path, links: Path) -> None:
    second: list[asyncio.Task[PythonEnv]] = []

    def listen(event: EnvProgress) -> None:
        if event.step == "venv" and not second:
            second.append(asyncio.create_task(manager(tmp_path, links, "plum").ensure_env()))
        if event.step == "install":
            first.cancel()

    attach(listen, EnvProgress)
    async with builds() as built:
        first = asyncio.create_task(manager(tmp_path, links, "plum").ensure_env())
        with pytest.raises(asyncio.CancelledError):
            await first
        assert (await second[0]).packages == (("pear", "1.0"), ("plum", "1.0"))
    assert len(built) == 1
    assert len(builds_in(tmp_path)) == 1


@pytest.mark.kill
@pytest.mark.parametrize("point", [*STEPS, *POINTS])
async def test_a_builder_that_is_killed_leaves_nothing_that_looks_ready(
    tmp_path: Path, links: Path, point: str
) -> None:
    """Wherever that happens; its installer ends too, and the next builder recovers. What counts is whole."""
    process = builder(tmp_path, links, "plum", point)
    go(process)
    assert await said(process) == ""
    assert process.returncode == -signal.SIGKILL
    assert len(await list_envs(tmp_path)) == (point == "when it counts")
    await gone(str(tmp_path))
    async with builds() as built:
        wanted = manager(tmp_path, links, "plum")
        env = await wanted.ensure_env()
    assert len(built) == (point != "when it counts")
    assert builds_in(tmp_path) == [env.path.name]
    assert await wanted.check_env() == env


@pytest.mark.kill
async def test_whenever_a_builder_is_killed_the_next_one_recovers(tmp_path: Path, links: Path) -> None:
    """Three builders compete, and the one that builds is killed at any time; those that wait for it build it then."""
    chance = random.Random(int(os.environ.get("AXON_SEED", "3")))
    for _ in range(int(os.environ.get("AXON_ROUNDS", "2"))):
        base = tmp_path / f"{chance.random()}"
        processes = [builder(base, links, "plum") for _ in range(3)]
        go(processes[0])
        await asyncio.sleep(chance.uniform(0, 0.3))
        for process in processes[1:]:
            go(process)
        processes[0].kill()
        assert await said(processes[0]) in {"", "built", "found"}
        assert sorted([await said(process) for process in processes[1:]]) in (["built", "found"], ["found", "found"])
        assert len(builds_in(base)) == 1
        await manager(base, links, "plum").check_env()


@pytest.mark.kill
async def test_no_process_of_a_build_outlives_its_builder(tmp_path: Path) -> None:
    """Neither the installer nor what it has started, when the builder is killed in the middle of it."""
    marker, links = f"sleep {tmp_path}", tmp_path / "links"
    links.mkdir()
    sdist(links, "endless", "1.0", sleeping(marker), tmp_path)
    process = builder(tmp_path / "base", links, "endless")
    go(process)
    await until(lambda: processes_with(marker))
    process.kill()
    await said(process)
    await gone(str(tmp_path))
