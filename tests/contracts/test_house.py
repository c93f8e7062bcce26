"""How the house is kept: small files, everything explained, and a face that changes only on purpose."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import axon

SRC = Path(axon.__file__).parent
FILES = sorted(SRC.rglob("*.py"))
ROOMS = [file for file in FILES if file.name == "__init__.py" and file.parent != SRC]

FACE = """
    AnswerCancelled Application AxonError CallCycle CallError CallTimeout ChildAlreadyPresent ChildAlreadyStarted ChildCounts
    ChildError ChildInfo ChildNotFound ChildRestarting ChildRunning ChildSpec DeadLetters DeadlineExceeded Down
    DynamicSupervisor Exit ExitReason Exited Finished GenServer Group GroupMonitor IdleTimeout Ignore Ignored
    InvalidHandler InvalidOption Joined Left Letter MailboxFull MaxChildrenReached Message Monitor NameTaken NoMembers
    NoProcess NotInProcess NotPicklable NotStarted NotSuspended NotTaskOwner PartitionSupervisor Process ProcessDead
    PubSub Reason Registry Reply ServerDied StartError StartFailed Statistics Status Stop Stream Supervisor
    SupervisorDied Task TaskAlreadyAwaited TaskError TaskExit TaskReply TaskStream TaskSupervisor TaskTimeout Timeout
    Timer UsageError Wait WrongArguments WrongLoop WrongServer ancestors call callers cancel_timer cast change_code
    child continue_with current dead_letters deadline demonitor errors exit from_thread get_state get_status group
    handler idle_after is_clean kill killed link lookup monitor monitor_scope noproc normal offer process read_timer
    register registered replace_state resume run send send_after shutdown start start_link start_timer statistics stop
    stop_self stream suspend telemetry trace unlink unregister wait_down waits watch_loop whereis which_groups
"""


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def lines_of(file: Path) -> int:
    return len(file.read_text(encoding="utf-8").splitlines())


def test_no_file_is_longer_than_400_lines() -> None:
    assert {str(file.relative_to(SRC)): lines_of(file) for file in FILES if lines_of(file) > 400} == {}


def test_half_of_the_files_have_at_most_200_lines() -> None:
    assert statistics.median(map(lines_of, FILES)) <= 200


def test_every_module_says_why_it_exists() -> None:
    assert [str(file.relative_to(SRC)) for file in FILES if not ast.get_docstring(parsed(file))] == []


def test_a_room_says_in_one_sentence_why_it_exists() -> None:
    """What else there is to say about it follows in a paragraph of its own."""
    wrong: list[str] = []
    for room in ROOMS:
        first = (ast.get_docstring(parsed(room)) or "").split("\n\n")[0]
        if not first.endswith(".") or re.search(r"[.!?]\s", first):
            wrong.append(f"{room.relative_to(SRC)}: {first}")
    assert wrong == []


def source_of(home: Path) -> Path:
    """The file of a module, whether it is a file or a package."""
    return home / "__init__.py" if home.is_dir() else home.with_suffix(".py")


def shown(init: Path) -> Iterator[tuple[str, Path, str]]:
    """(name, the file it comes from, its name there) for all that an `__init__` shows: what it defines, `X as X`, `*`.

    A module that is shown has no name there.
    """
    for node in parsed(init).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node.name, init, node.name
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        home = init.parents[node.level - 1].joinpath(*(node.module or "").split("."))
        for alias in node.names:
            if alias.name == "*":
                yield from ((name, source_of(home), name) for name in in_all(source_of(home)))
            elif alias.asname == alias.name:
                module = source_of(home / alias.name)
                if module.exists():
                    yield alias.name, module, ""
                else:
                    yield alias.name, source_of(home), alias.name


def in_all(file: Path) -> list[str]:
    """The names in a module's `__all__`."""
    for node in parsed(file).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return names
    return []


def is_explained(file: Path, name: str) -> bool:
    """Whether a module, class or function has a docstring, or a constant a text below it."""
    if not name:
        return ast.get_docstring(parsed(file)) is not None
    body = parsed(file).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == name:
            if ast.get_docstring(node):
                return True
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                return isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
    others = ((source, there) for known, source, there in shown(file) if known == name and source != file)
    return any(is_explained(source, there) for source, there in others)


def test_every_public_name_is_explained() -> None:
    wrong = [
        f"{init.parent.name}.{name}"
        for init in [SRC / "__init__.py", *ROOMS]
        for name, source, there in shown(init)
        if not is_explained(source, there)
    ]
    assert wrong == []


def test_the_face_is_this_list() -> None:
    """Whoever adds a name to `axon`, or takes one away, says so here."""
    names = sorted(name for name, _, _ in shown(SRC / "__init__.py"))
    assert names == FACE.split()
    assert [name for name in names if not hasattr(axon, name)] == []


def test_import_axon_loads_nothing_heavy() -> None:
    heavy = ("fastapi", "pydantic", "pydantic_ai", "structlog", "tenacity")
    program = f"import sys, axon; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
