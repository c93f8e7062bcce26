"""Broken on purpose: the right reason each time, and nothing that looks ready is left."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, get_args

import pytest
from env_parts import builds_in, gone, manager, processes_with, saying, sdist, sleeping, until

from axon.env import (
    EnvBuildFailed,
    EnvErrorReason,
    PythonEnv,
    PythonEnvError,
    PythonEnvManager,
    find_uv,
    list_envs,
)
from axon.env._diagnosis import diagnose, of_os_error
from axon.env._errors import SAID
from axon.env._installer import Installer
from axon.env._lock import Lock
from axon.env._run import run
from axon.env._threads import off_loop
from axon.telemetry import attach

pytestmark = [pytest.mark.slow, pytest.mark.real_clock]

NOWHERE = "http://127.0.0.1:9/simple"
"""An index that nobody answers for: the port is of the discard service."""


async def fails(manager: PythonEnvManager) -> PythonEnvError:
    """How the build fails; nothing of it is left, and it is told."""
    told: list[EnvBuildFailed] = []
    detach = attach(told.append, EnvBuildFailed)
    with pytest.raises(PythonEnvError) as failed:
        await manager.ensure_env()
    detach()
    assert [event.why for event in told] in ([failed.value.reason], [])
    assert await list_envs(manager.base) == []
    assert builds_in(manager.base) == []
    return failed.value


CASES: dict[str, tuple[EnvErrorReason, list[str], str]] = {
    "no such package": ("package_not_found", ["nosuch"], "nosuch"),
    "no such version": ("package_not_found", ["pear==9"], "pear==9"),
    "contradiction": ("version_conflict", ["plum", "pear==2"], "pear"),
    "for another Python": ("requires_python", ["tomorrow"], "3.99"),
    "cannot be built": ("package_build_failed", ["unbuildable"], "no compiler"),
}


@pytest.mark.parametrize(("reason", "requirements", "word"), CASES.values(), ids=CASES)
async def test_what_cannot_be_installed_says_why(
    tmp_path: Path, links: Path, reason: EnvErrorReason, requirements: list[str], word: str
) -> None:
    error = await fails(manager(tmp_path, links, *requirements))
    assert error.reason == reason
    assert word in "".join(error.context.output)
    assert error.context.requirements == tuple(sorted(requirements))
    assert error.context.status not in (0, None)
    assert error.context.command[1:3] == ("pip", "install")


async def test_pip_means_the_same(tmp_path: Path, links: Path, by_pip: PythonEnv) -> None:
    """Its words are others. One environment is broken in all these ways: to make one takes pip seconds."""
    installer = Installer(None)

    async def reason(wanted: PythonEnvManager) -> EnvErrorReason:
        command = installer.install(by_pip.path, wanted._request)
        seen = installer.environ(os.environ, wanted._request)
        ended = await run(command, python=str(by_pip.python), env=seen, cwd=tmp_path)
        return diagnose(ended, "install_failed", "pip install").reason

    for expected, requirements, _ in CASES.values():
        assert await reason(manager(tmp_path, links, *requirements)) == expected
    assert await reason(PythonEnvManager(["nosuch"], index=NOWHERE)) == "index_unreachable"
    assert await reason(manager(tmp_path, tmp_path / "none", "nosuch")) == "index_unreachable"


@pytest.mark.parametrize(
    "options",
    [
        {"index": NOWHERE},
        {"index": "http://nowhere.invalid/simple"},
        {"index": NOWHERE, "offline": True},
        {"find_links": ["/nowhere"], "no_index": True},
    ],
    ids=["refused", "unknown", "offline", "no folder"],
)
async def test_an_index_that_cannot_be_read_is_no_missing_package(tmp_path: Path, options: dict[str, Any]) -> None:
    assert (await fails(PythonEnvManager(["pear"], base=tmp_path, **options))).reason == "index_unreachable"


async def test_without_an_index_the_machines_configuration_does_not_count(
    tmp_path: Path, links: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("UV_FIND_LINKS", "PIP_FIND_LINKS", "UV_INDEX"):
        monkeypatch.setenv(name, str(links))
    assert (await fails(manager(tmp_path / "base", tmp_path / "empty", "pear"))).reason == "package_not_found"


@pytest.mark.parametrize(("name", "said"), [("broken", "ZeroDivisionError: at import"), ("abort", "signal 6")])
async def test_what_cannot_be_imported_is_no_environment(tmp_path: Path, links: Path, name: str, said: str) -> None:
    error = await fails(manager(tmp_path, links, name))
    assert (error.reason, said in str(error)) == ("import_failed", True)


async def test_no_python_fits(tmp_path: Path) -> None:
    """The message says which there are."""
    error = await fails(PythonEnvManager(python=">=3.99", base=tmp_path))
    assert error.reason == "no_interpreter"
    assert f"({sys.version.split()[0]})" in error.context.detail


@pytest.mark.parametrize("kind", ["missing", "no python", "silent", "too old"])
async def test_a_named_interpreter_must_be_a_python_that_will_do(tmp_path: Path, kind: str) -> None:
    python = tmp_path / "python"
    answers = {"no python": "exit 3", "silent": "true", "too old": """echo '["/old", "3.9.18", "CPython", true]'"""}
    if kind in answers:
        python.write_text(f"#!/bin/sh\n{answers[kind]}\n")
        python.chmod(0o755)
    error = await fails(PythonEnvManager(python=python, base=tmp_path / "base"))
    assert (error.reason, error.context.path) == ("wrong_interpreter", str(python))


@pytest.mark.parametrize("answer", ["nothing", "echo uv 0.7.22", "exit 1"])
async def test_a_named_uv_must_be_one(tmp_path: Path, answer: str) -> None:
    uv = tmp_path / "uv"
    if answer != "nothing":
        uv.write_text(f"#!/bin/sh\n{answer}\n")
        uv.chmod(0o755)
    error = await fails(PythonEnvManager(uv=uv, base=tmp_path / "base"))
    assert (error.reason, error.context.path) == ("no_installer", str(uv))


async def test_programs_of_the_current_folder_are_not_run(
    tmp_path: Path, links: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative entries of the PATH count for nothing: a uv or python that lies about in the current folder is a trap."""
    trap = tmp_path / "trap"
    for name in ("uv", "python3", "python3.20"):
        (tmp_path / name).write_text(f"#!/bin/sh\ntouch {trap}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f".{os.pathsep}{os.pathsep}{os.environ['PATH']}")
    assert await find_uv(os.environ) is not None
    await fails(PythonEnvManager(python=">=3.99", base=tmp_path / "base"))
    await manager(tmp_path / "base", links, "pear").ensure_env()
    assert not trap.exists()


async def test_a_base_that_is_no_folder_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PythonEnvError) as failed:
        await PythonEnvManager(base=tmp_path / "file" / "envs").ensure_env()
    assert failed.value.reason == "not_writable"


async def test_a_build_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    marker = f"sleep {tmp_path}"
    links = tmp_path / "links"
    links.mkdir()
    sdist(links, "endless", "1.0", sleeping(marker), tmp_path)
    error = await fails(manager(tmp_path / "base", links, "endless", timeout=1.0))
    assert error.reason == "timeout"
    assert "'install' after 1 s (timeout)" in error.context.detail
    await gone(marker)


@pytest.mark.kill
async def test_an_installer_that_is_killed_leaves_no_environment(tmp_path: Path) -> None:
    """As by a system that is out of memory: the reason says so, and the next call builds it."""
    links, base = tmp_path / "links", tmp_path / "base"
    links.mkdir()
    sdist(links, "fatal", "1.0", "import signal; os.kill(os.getppid(), signal.SIGKILL)", tmp_path)
    error = await fails(manager(base, links, "fatal"))
    assert (error.reason, error.context.status) == ("install_failed", -9)
    assert "was killed by signal 9" in error.context.detail
    sdist(links, "fatal", "1.0", "pass", tmp_path)
    assert (await manager(base, links, "fatal").ensure_env()).packages == (("fatal", "1.0"),)


async def test_a_cancellation_ends_the_installer_with_all_its_processes(tmp_path: Path) -> None:
    """Also those that a build has started; and the next caller begins anew."""
    marker, links, base = f"sleep {tmp_path}", tmp_path / "links", tmp_path / "base"
    links.mkdir()
    sdist(links, "endless", "1.0", sleeping(marker), tmp_path)
    building = asyncio.create_task(manager(base, links, "endless").ensure_env())
    await until(lambda: processes_with(marker))
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    await gone(marker)
    assert builds_in(base) == []
    sdist(links, "endless", "1.0", "pass", tmp_path)
    assert (await manager(base, links, "endless").ensure_env()).packages == (("endless", "1.0"),)


async def test_work_in_a_thread_is_waited_for_however_often_its_caller_is_cancelled() -> None:
    """It may be at work on what a lock protects that ends with its caller."""
    begun, goes_on, done = threading.Event(), threading.Event(), threading.Event()

    def work(stopped: Callable[[], bool]) -> None:
        begun.set()
        goes_on.wait(10)
        assert stopped()
        done.set()

    caller = asyncio.create_task(off_loop(work))
    await until(begun.is_set)
    for _ in range(3):
        caller.cancel()
        await asyncio.sleep(0.01)
    assert not caller.done()
    goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert done.is_set()


@contextmanager
def a_small_disk(folder: Path, size: int) -> Generator[None]:
    """A disk of so many bytes; where none may be mounted, no file there may be larger."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        with a_limit_on_files(folder, size):
            yield
        return
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def a_limit_on_files(folder: Path, size: int) -> Generator[None]:
    """No file may be larger: a quota that everybody may set."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("size", [1, 20_000, 60_000, 150_000, 3_000_000])
@pytest.mark.parametrize("full", [a_small_disk, a_limit_on_files])
async def test_a_full_disk_is_named(
    tmp_path: Path, links: Path, full: Callable[[Path, int], AbstractContextManager[None]], size: int
) -> None:
    """At whatever point of the build there is no room left: for the virtual environment, a package, or the record."""
    disk = tmp_path / "disk"
    with full(disk, size):
        assert (await fails(manager(disk / "base", links, "fat"))).reason == "disk_full"


async def test_on_a_disk_that_was_full_it_is_built_when_there_is_room(tmp_path: Path, links: Path) -> None:
    wanted = manager(tmp_path / "base", links, "fat")
    with a_limit_on_files(tmp_path, 20_000):
        assert (await fails(wanted)).reason == "disk_full"
    assert await wanted.ensure_env() == await wanted.check_env()


def test_a_lock_can_be_had_on_a_full_disk(tmp_path: Path) -> None:
    """So that what is there is found and used, and what is not needed is removed."""
    with a_small_disk(tmp_path / "disk", 4096):
        with suppress(OSError):
            (tmp_path / "disk" / "all").write_bytes(bytes(2**16))
        writer, reader = Lock(tmp_path / "disk" / "one"), Lock(tmp_path / "disk" / "one")
        assert writer.take("exclusive")
        assert not reader.take("shared")
        writer.release()
        assert reader.take("shared")
        reader.release()


async def test_reasons_are_a_closed_set_and_each_is_explained() -> None:
    assert set(get_args(EnvErrorReason)) == set(SAID)
    page = (Path(__file__).parents[2] / "docs" / "environments.md").read_text()
    assert [reason for reason in SAID if f"| `{reason}` |" not in page] == []


async def test_an_error_of_the_system_has_a_reason() -> None:
    assert of_os_error(OSError(errno.ENOSPC, "No space left on device", "/x")).reason == "disk_full"
    assert of_os_error(PermissionError(errno.EACCES, "Permission denied", "/x")).reason == "not_writable"


async def test_an_interpreter_that_was_removed_is_noticed(tmp_path: Path, links: Path, shared: PythonEnv) -> None:
    """`check_env` says so, `ensure_env` looks for one anew, and when there is one again all is well."""
    python = tmp_path / "python3"
    python.symlink_to(shared.python.resolve())
    made = manager(tmp_path / "base", links, "pear", python=python)
    env = await made.ensure_env()
    python.unlink()
    with pytest.raises(PythonEnvError) as failed:
        await made.check_env()
    assert failed.value.reason == "interpreter_changed"
    with pytest.raises(PythonEnvError) as failed:
        await made.ensure_env()
    assert failed.value.reason == "wrong_interpreter"
    python.symlink_to(shared.python.resolve())
    assert await made.ensure_env() == env
    assert await saying(env, "import pear; print(pear.__version__)") == "2.0"
