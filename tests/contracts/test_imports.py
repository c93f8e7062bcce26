"""A room imports only rooms listed above it, and only what their `__init__` shows."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from typing import NamedTuple

import pytest

import axon

SRC = Path(axon.__file__).parent
FILES = sorted(SRC.rglob("*.py"))
PROJECT = Path(__file__).parents[2] / "pyproject.toml"

ROOMS = (
    "errors",
    "telemetry",
    "process",
    "server",
    "registry",
    "supervisor",
    "task",
    "wire",
    "store",
    "mcp",
    "budget",
    "env",
    "port",
    "cluster",
    "provider",
    "agent",
    "blueprint",
    "gateway",
    "observer",
    "cli",
    "testing",
)
OF_AN_EXTRA = {"env": "packaging", "mcp": "fastmcp", "gateway.grpc": "grpc", "gateway.http": "fastapi"}
"""Rooms that are an extra as a whole, with a module that it brings: without it the import names the extra."""
BY_NAME = {("port/__main__.py", "axon.gateway.service")}
"""Files that run a program of a later room by its name: that of ports is for all child processes, whatever they are."""
RUNTIME = ROOMS[: ROOMS.index("task") + 1]
"""What `import axon` loads; the face stands right below it, and the rooms after that may import the face."""


def room_of(file: Path) -> str:
    """The room a file belongs to; the face is the room `axon`."""
    first = file.relative_to(SRC).parts[0]
    return "axon" if first == "__init__.py" else first.removesuffix(".py")


class Import(NamedTuple):
    """One import that leaves its room."""

    where: str
    importer: str
    room: str
    below: tuple[str, ...]
    """What stands behind the room in the imported name: `("_slot", "Slot")` of `axon.server._slot.Slot`."""


def imported_names(file: Path) -> Iterator[tuple[int, str]]:
    """Every import of a file, also in functions and for type checkers, by its full name."""
    package = ("axon", *file.relative_to(SRC).parts[:-1])
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            home = ".".join((*base, node.module) if node.module else base)
            yield from ((node.lineno, f"{home}.{alias.name}") for alias in node.names)


@cache
def imports() -> list[Import]:
    found: list[Import] = []
    for file in FILES:
        for line, name in imported_names(file):
            package, *rest = name.split(".")
            room = rest[0] if rest and rest[0] in ROOMS else "axon"
            if package == "axon" and room != room_of(file):
                where = f"{file.relative_to(SRC)}:{line} imports {name}"
                found.append(Import(where, room_of(file), room, tuple(rest[1:])))
    return found


def place(room: str) -> float:
    """Where a room stands in the list; the face stands right below the runtime."""
    return len(RUNTIME) - 0.5 if room == "axon" else ROOMS.index(room)


def test_every_room_is_in_the_list() -> None:
    assert {room_of(file) for file in FILES} - {"axon", *ROOMS} == set()


def test_a_room_imports_only_rooms_above_it() -> None:
    assert [found.where for found in imports() if place(found.room) >= place(found.importer)] == []


def test_a_room_imports_of_another_room_what_its_init_shows() -> None:
    """Neither a file of its own nor a name that is private to it."""
    assert [
        found.where
        for found in imports()
        if found.room != "axon" and (len(found.below) > 1 or any(name.startswith("_") for name in found.below))
    ] == []


def named(file: Path) -> Iterator[str]:
    """The modules of Axon that a file has as strings, if it imports or runs modules by their names."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    called = {ast.unparse(node.func).rpartition(".")[2] for node in ast.walk(tree) if isinstance(node, ast.Call)}
    if called & {"__import__", "find_spec", "import_module", "run_module"}:
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and re.fullmatch(rf"axon\.({'|'.join(ROOMS)})(\.\w+)*", str(node.value)):
                yield str(node.value)


def test_a_later_room_is_named_only_where_that_is_agreed_on() -> None:
    """An import by name would get around the order of the rooms."""
    found = {
        (str(file.relative_to(SRC)), name)
        for file in FILES
        for name in named(file)
        if place(name.split(".")[1]) > place(room_of(file))
    }
    assert found == BY_NAME


def test_nobody_imports_the_testing_room() -> None:
    assert [found.where for found in imports() if found.room == "testing"] == []


def at_import_time(body: list[ast.stmt]) -> Iterator[tuple[int, str]]:
    """What is imported from outside when the module is: not by its functions, nor for type checkers only."""
    for node in body:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
            yield node.lineno, node.module
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from at_import_time(node.orelse)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for part in ("body", "orelse", "finalbody", "handlers"):
                yield from at_import_time(getattr(node, part, []))


def test_the_runtime_imports_only_the_standard_library() -> None:
    assert [
        f"{file.relative_to(SRC)}:{line} imports {name}"
        for file in FILES
        if room_of(file) in (*RUNTIME, "axon")
        for line, name in at_import_time(ast.parse(file.read_text(encoding="utf-8")).body)
        if name.split(".")[0] not in sys.stdlib_module_names
    ] == []


def plain(requirement: str) -> str:
    """The name of the distribution in a requirement."""
    return re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-")


def modules_of(requirements: list[str]) -> set[str]:
    """The top-level modules that the named distributions install here."""
    wanted = set(map(plain, requirements)) - {"axon-otp"}
    return {module for module, names in packages_distributions().items() if wanted & set(map(plain, names))}


def brought_along(requirements: list[str]) -> list[str]:
    """What the named distributions need themselves, their extras apart."""
    needed = [line for name in requirements for line in requires(plain(name)) or ()]
    return [line for line in needed if "extra ==" not in line]


@pytest.mark.slow
def test_a_room_needs_no_extra_and_the_runtime_no_dependency() -> None:
    """Each room is imported while the extras are hidden; the runtime while the base dependencies are, too.

    A room that is an extra as a whole says which.
    """
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    dependencies: list[str] = project["dependencies"]
    base = modules_of(dependencies)
    extras = modules_of([line for lines in project["optional-dependencies"].values() for line in lines])
    extras -= modules_of([*dependencies, *brought_along(dependencies)])  # opentelemetry comes with pydantic-ai
    assert {"pydantic", "pydantic_ai", "structlog", "tenacity"} <= base
    assert {"typer", "rich"} <= extras
    assert "opentelemetry" not in extras
    here = {room_of(file) for file in FILES}
    program = f"""
import importlib, sys
for name in {sorted({*base, *extras, *OF_AN_EXTRA.values()})!r}:
    sys.modules[name] = None
for room in {[room for room in RUNTIME if room in here]!r}:
    importlib.import_module("axon." + room)
for name in {sorted(base)!r}:
    del sys.modules[name]
for room in {[*(room for room in ROOMS if room in here and room not in RUNTIME), *OF_AN_EXTRA]!r}:
    try:
        importlib.import_module("axon." + room)
    except ImportError as error:
        if room not in {sorted(OF_AN_EXTRA)!r} or f"axon-otp[{{room.rpartition('.')[2]}}]" not in str(error):
            raise
    else:
        assert room not in {sorted(OF_AN_EXTRA)!r}, room
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
