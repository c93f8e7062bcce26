"""Modules that requests name: from one folder, on a list, and nothing else is imported."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from axon import InvalidOption
from axon.gateway import ModuleNotAllowed, Modules, ModuleUnusable

CLERK = """
import functools, os
from pydantic_ai import Agent
agent = Agent("test", name="clerk")
def book(): ...
def _own(): ...
class Desk:
    def __call__(self, command: str): os.system(command)
desk = Desk()
shell = functools.partial(os.system)
"""


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Path]:
    """A folder with a package of agents, and things around it that are none of anybody's business."""
    before = set(sys.modules)
    package = tmp_path / "app" / "staff"
    package.mkdir(parents=True)
    (package / "clerk.py").write_text(CLERK)
    (package / "plain.py").write_text("agent = 'no agent'\n")
    (package / "broken.py").write_text("1 / 0\n")
    (package / "leaves.py").write_text("raise SystemExit\n")
    (tmp_path / "outside.py").write_text(CLERK)
    (package / "link.py").symlink_to(tmp_path / "outside.py")
    yield tmp_path / "app"
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_an_agent_is_found_by_the_name_of_its_module(app: Path) -> None:
    modules = Modules(app, allowed=["staff.*"])
    assert modules.agent("staff.clerk").name == "clerk"
    assert modules.agent("staff.clerk") is modules.agent("staff.clerk")
    assert callable(modules.function("staff.clerk", "book"))


@pytest.mark.parametrize(
    "name",
    [
        "os",
        "staff",
        "other.clerk",
        "",
        ".",
        "staff.",
        "staff..clerk",
        "../staff.clerk",
        "staff/clerk",
        "staff.../../outside",
        "/etc/passwd",
        "staff.clerk\n",
        "staff.clerk\0",
        "staff.clerk;import os",
        "stäff.clerk",
        "staff.__main__",
        "staff.__init__",
    ],
)
def test_what_is_not_on_the_list_is_not_imported(app: Path, name: str) -> None:
    before = set(sys.modules)
    with pytest.raises(ModuleNotAllowed, match=r"staff\.\*"):
        Modules(app, allowed=["staff.*"]).agent(name)
    assert set(sys.modules) == before


@pytest.mark.parametrize("name", ["staff.link", "staff.nobody", "staff.clerk.deeper", "json.decoder", "outside"])
def test_nothing_outside_the_folder_is_imported(app: Path, name: str) -> None:
    before = set(sys.modules)
    with pytest.raises(ModuleUnusable, match=r"is not in|from elsewhere"):
        Modules(app, allowed=["*"]).agent(name)
    assert "outside" not in set(sys.modules) - before


def test_a_package_that_is_imported_from_elsewhere_is_not_taken_for_that_of_the_folder(app: Path) -> None:
    (app / "json").mkdir()
    (app / "json" / "clerk.py").write_text(CLERK)
    with pytest.raises(ModuleUnusable, match="from elsewhere"):
        Modules(app, allowed=["json.*"]).agent("json.clerk")


@pytest.mark.parametrize(
    ("name", "problem"), [("plain", "no attribute `agent`"), ("broken", "ZeroDivisionError"), ("leaves", "SystemExit")]
)
def test_a_module_that_has_no_agent_says_why(app: Path, name: str, problem: str) -> None:
    for _ in range(2):  # and is not half imported
        with pytest.raises(ModuleUnusable, match=problem):
            Modules(app, allowed=["staff.*"]).agent(f"staff.{name}")


@pytest.mark.parametrize("function", ["_own", "Agent", "agent", "nothing", "__import__", "Desk", "desk", "shell"])
def test_a_function_is_public_and_the_modules_own(app: Path, function: str) -> None:
    with pytest.raises(ModuleUnusable, match="of its own"):
        Modules(app, allowed=["staff.*"]).function("staff.clerk", function)


def test_the_folder_is_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="app_dir"):
        Modules(tmp_path / "nowhere")
    with pytest.raises(InvalidOption, match="allowed"):
        Modules(tmp_path, allowed="agents.*")
