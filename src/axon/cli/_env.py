"""`axon env`: the Python environments of this machine, listed, made, checked and cleared away."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from ..errors import InvalidOption
from ..telemetry import attach

if TYPE_CHECKING:
    from ..env import EnvInfo, EnvProgress, PythonEnv, PythonEnvError, PythonEnvManager

env = typer.Typer(no_args_is_help=True, help="Python environments for agents that bring packages of their own.")


@env.callback()
def _with_extra() -> None:
    """Say what is missing before any command."""
    try:
        import_module("axon.env")
    except ImportError as error:
        typer.echo(f"axon env: {error}", err=True)
        raise typer.Exit(2) from None


Base = Annotated[str | None, typer.Option(help="The folder of environments; default: axon/envs in the cache folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@env.command("list")
def list_(base: Base = None, as_json: Json = False) -> None:
    """Show the environments there are: their size, their last use, and what is wrong with them."""
    from ..env import list_envs

    found = asyncio.run(list_envs(base))
    if as_json:
        rows = [dataclasses.asdict(info) | {"path": str(info.path)} for info in found]
        typer.echo(json.dumps(rows))
        return
    table = Table("digest", "python", "size", "last used", "requirements", "state", box=None)
    for info in found:
        table.add_row(*_row(info))
    if found:
        Console(markup=False).print(table)  # pear[juice] is no markup
    else:
        typer.echo("there are no environments", err=True)


@env.command()
def sync(  # noqa: PLR0917  # typer gives them by name
    requirements: Annotated[list[str] | None, typer.Argument(help="What is wanted, such as 'httpx>=0.27'.")] = None,
    file: Annotated[
        list[Path] | None, typer.Option("--requirements", "-r", help="A file of requirements, one a line.")
    ] = None,
    python: Annotated[str, typer.Option(help="Versions, such as 3.12 or '>=3.11', or the path of one.")] = ">=3.10",
    base: Base = None,
    index: Annotated[str | None, typer.Option(help="The URL of a package index instead of the usual one.")] = None,
    extra_index: Annotated[list[str] | None, typer.Option(help="The URL of one besides it.")] = None,
    find_links: Annotated[list[str] | None, typer.Option(help="A folder or URL with archives.")] = None,
    no_index: Annotated[bool, typer.Option("--no-index", help="Only what --find-links has.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Use no network.")] = False,
    no_uv: Annotated[bool, typer.Option("--no-uv", help="Use pip, also where uv is installed.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Read all its files, and repair it.")] = False,
    with_axon: Annotated[
        bool,
        typer.Option("--with-axon", help="And what Axon needs to run servers there: the one that isolated() takes."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Make the environment with these packages, or find it; the last line is the path of its Python.

    The exit status is 1 if it cannot be made, and 2 if an option cannot be used.
    """
    from ..env import PythonEnvManager, requirements_in

    try:
        lines = [line for path in file or () for line in requirements_in(_text(path))]
        asked = [*(requirements or ()), *lines]
        if not asked and not with_axon:
            named = (
                f"at least one in {', '.join(map(str, file))}" if file else "'httpx>=0.27', or -r and a file of them"
            )
            raise InvalidOption("requirements", asked, f"what the environment is to have, such as {named}")
        manager = PythonEnvManager(
            asked,
            python,
            base,
            index=index,
            extra_indexes=extra_index or (),
            find_links=find_links or (),
            no_index=no_index,
            offline=offline,
            uv=False if no_uv else None,
        )
    except InvalidOption as error:
        typer.echo(f"axon env sync: {error}", err=True)
        raise typer.Exit(2) from None
    made = _or_exit(manager.with_axon() if with_axon else manager, check=check)
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(made) | {"path": str(made.path), "python": str(made.python)}))
    else:
        typer.echo(made.python)


@env.command()
def check(
    digests: Annotated[list[str] | None, typer.Argument(help="Which, by how they begin; default: all.")] = None,
    base: Base = None,
) -> None:
    """Read all files of environments, and import what they are for. The exit status is 1 if one is not well."""
    from ..env import PythonEnvError, check_env, list_envs

    infos = asyncio.run(list_envs(base))
    unknown = [digest for digest in digests or () if not any(info.digest.startswith(digest) for info in infos)]
    if unknown:
        typer.echo(f"axon env check: there is no environment {', '.join(map(repr, unknown))}", err=True)
        raise typer.Exit(2)
    bad = 0
    for info in infos:
        if digests and not info.digest.startswith(tuple(digests)):
            continue
        try:
            asyncio.run(check_env(info.digest, base))
        except PythonEnvError as error:
            bad += 1
            typer.echo(f"{info.digest} {error.reason}: {error.context.detail}")
        else:
            typer.echo(f"{info.digest} ok")
    raise typer.Exit(1 if bad else 0)


@env.command()
def gc(
    days: Annotated[float, typer.Option(help="Remove what was not used for so many days.")] = 30.0,
    base: Base = None,
) -> None:
    """Remove environments that nobody has used for long, and what is left of builds that were killed."""
    from ..env import PythonEnvError
    from ..env import gc as collect

    try:
        removed = asyncio.run(collect(base, unused_for=days * 86400))
    except (InvalidOption, PythonEnvError) as error:
        typer.echo(f"axon env gc: {error}", err=True)
        raise typer.Exit(2 if isinstance(error, InvalidOption) else 1) from None
    for each in removed:
        typer.echo(f"{each.digest} {'removed' if each.whole else 'leftovers removed'}, {_size(each.size)}")
    typer.echo(f"{len(removed)} removed, {_size(sum(each.size for each in removed))}", err=True)


def _or_exit(manager: PythonEnvManager, *, check: bool) -> PythonEnv:
    from ..env import PythonEnvError

    try:
        return asyncio.run(_ensured(manager, check=check))
    except PythonEnvError as error:
        _explain(error)
        raise typer.Exit(1) from None


async def _ensured(manager: PythonEnvManager, *, check: bool) -> PythonEnv:
    from ..env import EnvProgress

    attach(_show, EnvProgress)
    return await manager.ensure_env(check=check)


def _show(event: EnvProgress) -> None:
    typer.echo(f"{event.seconds:6.1f} s  {event.step}{f': {event.said}' if event.said else ''}", err=True)


def _explain(error: PythonEnvError) -> None:
    typer.echo(f"axon env sync: {error.reason}: {error.context.detail}", err=True)
    for line in error.context.output:
        typer.echo(f"  {line}", err=True)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidOption("--requirements", str(path), f"a file that can be read ({error})") from error


def _row(info: EnvInfo) -> list[str]:
    used = time.strftime("%Y-%m-%d %H:%M", time.localtime(info.last_used))
    asked = " ".join(info.requirements) or "-"
    return [info.digest, info.version, _size(info.size), used, asked, info.problem or "ok"]


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
