"""`axon doctor`: what of Axon's needs is there on this machine, and what to do about the rest."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

State = Literal["ok", "optional", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. advice: what to do, empty if all is well."""

    what: str
    state: State
    found: str
    advice: str = ""


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Say what of Axon's needs is there: Python versions, uv, extras, servers, folders; with advice on what is not.

    The exit status is 1 if something is wrong that Axon needs in any case.
    """
    findings = list(examined())
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(finding) for finding in findings]))
    else:
        table = Table("", Column(no_wrap=True), Column(overflow="fold"), box=None, show_header=False)
        marks = {"ok": Text("ok", "green"), "optional": Text("--", "yellow"), "problem": Text("no", "red")}
        for finding in findings:
            told = "\n".join(filter(None, (finding.found, finding.advice)))
            table.add_row(marks[finding.state], finding.what, told)
        Console(highlight=False, markup=False).print(table)  # 'axon-otp[mcp]' is no markup
    raise typer.Exit(int(any(finding.state == "problem" for finding in findings)))


def examined() -> Iterator[Finding]:
    """All that is looked at, one after the other."""
    version = importlib.metadata.version("axon-otp")
    yield Finding("axon", "ok", f"{version} on {platform.python_implementation()} {platform.python_version()}")
    yield from _extras()
    yield from _environments()
    yield _program("nats-server", ("nats-server",), "needed for clusters: https://docs.nats.io")
    yield _program("postgres", _postgres(), "needed for a store of several machines, unless one runs elsewhere")
    yield from _folders()


def _extras() -> Iterator[Finding]:
    """Each extra, with the distributions that it lacks."""
    for extra in importlib.metadata.metadata("axon-otp").get_all("Provides-Extra") or ():
        lacking = sorted(set(_lacking("axon-otp", extra)))
        if lacking:
            advice = f"if it is needed: pip install 'axon-otp[{extra}]'"
            yield Finding(f"extra {extra}", "optional", f"without {', '.join(lacking)}", advice)
        else:
            yield Finding(f"extra {extra}", "ok", "installed")


def _lacking(distribution: str, extra: str) -> Iterator[str]:
    """What an extra needs and is not installed, through the extras that it asks for itself."""
    for line in importlib.metadata.requires(distribution) or ():
        needed, _, marker = line.partition(";")
        if not re.search(rf"extra == ['\"]{re.escape(extra)}['\"]", marker) or "_version" in marker:
            continue
        parts = re.match(r"([\w.-]+)(?:\[([\w,\s.-]+)\])?", needed.strip())
        assert parts is not None, f"a distribution has a requirement without a name: {line}"
        try:
            importlib.metadata.version(parts[1])
        except importlib.metadata.PackageNotFoundError:
            yield parts[1]
            continue
        for inner in re.split(r"[\s,]+", parts[2] or ""):
            if inner and parts[1] != distribution:
                yield from _lacking(parts[1], inner)


def _environments() -> Iterator[Finding]:
    try:
        from ..env import default_base, find_uv, interpreters
    except ImportError as error:
        yield Finding("environments", "optional", "cannot be made", str(error))
        return
    uv = asyncio.run(find_uv(os.environ))
    pythons = asyncio.run(interpreters())
    shown = ", ".join(f"{each.version} ({each.path})" for each in pythons)
    if pythons:
        yield Finding("pythons", "ok", shown)
    else:
        yield Finding("pythons", "problem", "none of 3.10 or later", "install one, or set PYTHON_EXEC to its path")
    if uv is not None:
        yield Finding("uv", "ok", f"{uv[1]} ({uv[0]})")
    elif any(each.pip for each in pythons):
        yield Finding("uv", "optional", "not found, pip is used", "it is ten times as fast: pip install uv")
    else:
        yield Finding("uv", "problem", "not found, and no Python has ensurepip", "pip install uv")
    yield _folder("environments", default_base())


def _folders() -> Iterator[Finding]:
    from .demo._place import state_folder

    yield _folder("state", state_folder())
    yield _folder("temporary files", Path(tempfile.gettempdir()))


def _folder(what: str, folder: Path) -> Finding:
    """Whether it can be written to, or made."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            free = shutil.disk_usage(there).free
    except OSError as error:
        return Finding(
            f"folder of {what}", "problem", f"{folder}: {error.strerror}", "make it writable, or set another"
        )
    if free < 100_000_000:
        return Finding(f"folder of {what}", "problem", f"{folder}: {free / 1e6:.0f} MB are free", "make room")
    return Finding(f"folder of {what}", "ok", f"{folder}, {free / 1e9:.1f} GB are free")


def _postgres() -> tuple[str, ...]:
    """Debian keeps the server's programs apart from the PATH."""
    return ("postgres", *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True)))


def _program(what: str, names: tuple[str, ...], advice: str) -> Finding:
    """A server that is optional: where it is, and what it says of its version."""
    for path in filter(None, map(shutil.which, names)):
        with suppress(OSError, subprocess.SubprocessError):
            done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=5, check=True)  # noqa: S603
            version = re.search(r"\d+(?:\.\d+)+", done.stdout + done.stderr)
            return Finding(what, "ok", f"{version[0] if version else 'some version'} ({path})")
    return Finding(what, "optional", "not found", advice)
