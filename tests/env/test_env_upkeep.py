"""Environments that were tampered with, are removed, or are needed no longer."""

from __future__ import annotations

import asyncio
import gc as garbage
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from env_parts import builds, builds_in, manager, saying
from test_env_builders import builder

from axon.env import EnvDiscarded, PythonEnv, PythonEnvError, check_env, gc, list_envs
from axon.errors import InvalidOption
from axon.telemetry import attach

pytestmark = [pytest.mark.slow, pytest.mark.real_clock]


def site(env: PythonEnv) -> Path:
    return next(env.path.glob("lib/*/site-packages"))


def change(env: PythonEnv) -> None:
    (site(env) / "pear.py").write_text("__version__ = '1.1'\n")


def add(env: PythonEnv) -> None:
    (site(env) / "sitecustomize.py").touch()


def take_away(env: PythonEnv) -> None:
    (site(env) / "plum.py").unlink()


def uninstall(env: PythonEnv) -> None:
    shutil.rmtree(site(env) / "pear-1.0.dist-info")


def redirect(env: PythonEnv) -> None:
    (env.path / "bin" / "python3").unlink()
    (env.path / "bin" / "python3").symlink_to("/bin/true")


def forget(env: PythonEnv) -> None:
    (env.path / "axon-manifest.json").write_text("{}")


def gut(env: PythonEnv) -> None:
    (env.path / "axon-manifest.json").unlink()


WAYS = [change, add, take_away, uninstall, redirect, forget]


async def test_whatever_is_done_to_its_files_is_found_and_built_anew(tmp_path: Path, links: Path) -> None:
    """`check_env` finds it and changes nothing; `ensure_env(check=True)` repairs it."""
    discarded: list[EnvDiscarded] = []
    attach(discarded.append, EnvDiscarded)
    wanted = manager(tmp_path, links, "plum")
    for tamper in WAYS:
        env = await wanted.ensure_env()
        tamper(env)
        with pytest.raises(PythonEnvError) as failed:
            await wanted.check_env()
        assert failed.value.reason == "tampered", tamper
        repaired = await wanted.ensure_env(check=True)
        assert repaired.path != env.path
        assert repaired.packages == env.packages
    assert await wanted.check_env() == await wanted.ensure_env()
    assert [event.why for event in discarded] == ["tampered"] * len(WAYS)


async def test_what_shows_at_a_glance_is_never_used(tmp_path: Path, links: Path) -> None:
    """Without a check, too."""
    wanted = manager(tmp_path, links, "plum")
    ways: list[Callable[[PythonEnv], None]] = [
        gut,
        lambda env: shutil.rmtree(env.path),
        lambda env: env.python.unlink(),
    ]
    for broken in ways:
        env = await wanted.ensure_env()
        broken(env)
        [info] = await list_envs(tmp_path)
        assert info.problem in {"tampered", "interpreter_changed"}
        assert (await wanted.ensure_env()).path != env.path


async def test_a_record_that_cannot_be_read_says_nothing(tmp_path: Path, links: Path) -> None:
    wanted = manager(tmp_path, links, "plum")
    env = await wanted.ensure_env()
    record = env.path.parent / "ready.json"
    for text in ("", "{", "[]", '{"build": "x"}', record.read_text().replace(env.path.name, "../x")):
        record.write_text(text)
        with pytest.raises(PythonEnvError, match="not_built"):
            await wanted.check_env()
    assert (await wanted.ensure_env()).packages == env.packages


async def test_what_python_caches_is_no_tampering(tmp_path: Path, links: Path) -> None:
    wanted = manager(tmp_path, links, "plum")
    env = await wanted.ensure_env()
    await saying(env, "import compileall, sysconfig; compileall.compile_dir(sysconfig.get_path('purelib'), quiet=2)")
    assert await wanted.check_env() == env


async def test_what_is_not_built_cannot_be_checked_and_is_removed_for_nothing(tmp_path: Path, links: Path) -> None:
    wanted = manager(tmp_path, links, "plum")
    for check in (wanted.check_env, lambda: check_env(wanted.digest, tmp_path)):
        with pytest.raises(PythonEnvError) as failed:
            await check()
        assert failed.value.reason == "not_built"
    await wanted.remove()
    assert await asyncio.to_thread(os.listdir, tmp_path) == []


async def test_who_uses_an_environment_that_is_built_anew_keeps_the_old_one(tmp_path: Path, links: Path) -> None:
    """Until nobody does: then it goes with the next build or `gc`."""
    user, wanted = manager(tmp_path, links, "plum"), manager(tmp_path, links, "plum")
    old = await user.ensure_env()
    add(old)
    new = await wanted.ensure_env(check=True)
    assert builds_in(tmp_path) == sorted([old.path.name, new.path.name])
    assert await saying(old, "import plum; print('still')") == "still"
    assert await wanted.gc() == []
    del user, wanted
    garbage.collect()
    [removed] = await gc(tmp_path)
    assert (removed.digest, removed.whole) == (old.digest, False)
    assert removed.size > 0
    assert builds_in(tmp_path) == [new.path.name]


async def test_what_another_manager_uses_is_not_removed(tmp_path: Path, links: Path) -> None:
    one, two = manager(tmp_path, links, "plum"), manager(tmp_path, links, "plum")
    env = await one.ensure_env()
    with pytest.raises(PythonEnvError) as failed:
        await two.remove()
    assert failed.value.reason == "in_use"
    assert await one.check_env() == env
    await one.remove()
    assert await list_envs(tmp_path) == []
    assert builds_in(tmp_path) == []
    assert (await two.ensure_env()).path != env.path


async def test_what_another_process_uses_is_not_collected_until_that_ends(tmp_path: Path, links: Path) -> None:
    """However it ends."""
    wanted = manager(tmp_path, links, "plum")
    env = await wanted.ensure_env()
    user = builder(tmp_path, links, "plum", "hold")
    del wanted
    garbage.collect()
    assert user.stdin is not None
    user.stdin.write("\n")
    user.stdin.flush()
    assert user.stdout is not None
    assert user.stdout.readline() == "found\n"
    assert await gc(tmp_path, unused_for=0) == []
    user.kill()
    user.communicate()
    [removed] = await gc(tmp_path, unused_for=0)
    assert (removed.digest, removed.whole) == (env.digest, True)
    assert await list_envs(tmp_path) == []


async def test_only_what_was_not_ensured_for_so_long_is_collected(tmp_path: Path, links: Path) -> None:
    old, new = manager(tmp_path, links, "pear<2"), manager(tmp_path, links, "pear>=2")
    for each in (old, new):
        os.utime((await each.ensure_env()).path.parent / "ready.json", (0, time.time() - 100))
    await new.ensure_env()
    wanted = new.digest
    del old, new, each
    garbage.collect()
    assert await gc(tmp_path) == []
    assert [removed.whole for removed in await gc(tmp_path, unused_for=50)] == [True]
    assert [info.digest for info in await list_envs(tmp_path)] == [wanted]
    with pytest.raises(InvalidOption, match="unused_for"):
        await gc(tmp_path, unused_for=-1)


async def test_the_rest_of_a_build_that_was_killed_is_collected(tmp_path: Path, links: Path) -> None:
    process = builder(tmp_path, links, "plum", "verify")
    process.communicate("\n")
    assert len(builds_in(tmp_path)) == 1
    assert [removed.whole for removed in await gc(tmp_path)] == [True]
    assert builds_in(tmp_path) == []
    async with builds() as built:
        await manager(tmp_path, links, "plum").ensure_env()
    assert len(built) == 1


async def test_the_list_has_what_there_is(tmp_path: Path, links: Path) -> None:
    env = await manager(tmp_path, links, "plum").ensure_env()
    with pytest.raises(PythonEnvError):
        await manager(tmp_path, links, "nosuch").ensure_env()
    [info] = await list_envs(tmp_path)
    assert (info.digest, info.path, info.packages, info.requirements) == (
        env.digest,
        env.path,
        env.packages,
        env.requirements,
    )
    assert (info.problem, info.size > 1000) == (None, True)
    assert info.last_used >= env.built_at - 1
    assert await check_env(env.digest, tmp_path) == env
    assert await list_envs(tmp_path / "nowhere") == []
