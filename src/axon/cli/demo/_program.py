"""The main job: a tree of research agents answers questions over a folder, whatever is done to them meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.models import Model, infer_model
from rich.console import Console

import axon
from axon import Supervisor, child
from axon.agent import AgentServer

from ._answer import Answer, check_citations
from ._corpus import Corpus
from ._desk import Answered, Desk
from ._faults import Faults
from ._folder import FolderNotFound, checked_folder
from ._model import local_model
from ._research import Library, checked_question, research_agent
from ._screen import Screen, printable
from ._witness import Witness

RESEARCHERS = 3
"""Agents that work side by side."""

LOCAL_DEADLINE, REMOTE_DEADLINE = 15.0, 120.0
"""Seconds an answer may take: by the local model, by a provider's."""

QUESTIONS = (
    "What happens to queued casts when a server crashes?",
    "How many max_restarts are allowed within max_seconds?",
    "When is a killed process declared dead and listed as a zombie?",
    "What does the handle of a supervised child raise meanwhile?",
)


class ModelNotUsable(ValueError):
    """The model of `--model` cannot be made: unknown, not installed, or without its key."""

    def __init__(self, value: str, problem: str) -> None:
        super().__init__(f"--model {value!r}: {problem}")
        self.option, self.value = "--model", value


class NoFolder(ValueError):
    """There is no `--over`, and nothing to search by default."""

    def __init__(self) -> None:
        super().__init__("--over FOLDER is needed here: this folder has no docs/ and README.md to search by default")
        self.option, self.value = "--over", None


@dataclass(frozen=True, kw_only=True)
class Order:
    """What the command line asks for; made by `order`, which refuses what cannot be done."""

    questions: list[str]
    corpus: Corpus
    model: Model
    faults: bool
    deadline: float


def order(*, ask: list[str] | None, over: str | None, model: str, faults: bool, screen: Screen) -> Order:
    """Check the options and read the folder.

    Raises `QuestionError`, `FolderError`, `ModelNotUsable`, each naming the option and its value.
    """
    questions = [checked_question(question) for question in ask or QUESTIONS]
    if over == "":
        raise FolderNotFound("", "the name of a folder cannot be empty; the one we are in is '.'")
    folder, only = (Path(over), None) if over is not None else _own_documentation()
    chosen = local_model() if model == "local" else _model(model)
    checked_folder(folder)
    screen.say(f"reading {folder}")
    return Order(
        questions=questions,
        model=chosen,
        corpus=Corpus.open(folder, only),
        faults=faults,
        deadline=LOCAL_DEADLINE if model == "local" else REMOTE_DEADLINE,
    )


def _own_documentation() -> tuple[Path, tuple[str, ...]]:
    """The project's docs/ and README, from a checkout; without one, those of the folder we are in."""
    for root in (Path(__file__).resolve().parents[4], Path.cwd()):
        if (root / "docs").is_dir() and (root / "README.md").is_file():
            return root, ("docs", "README.md")
    raise NoFolder


def _model(name: str) -> Model:
    try:
        return infer_model(name)
    except Exception as error:
        raise ModelNotUsable(name, str(error)) from error


def tree(agent: Agent[Library, Answer], researchers: int) -> Supervisor:
    """The supervision tree of the demo."""
    agents = [child(AgentServer(agent), id=name) for name in _names(researchers)]
    return Supervisor(
        [Witness(), child(Supervisor(agents, max_restarts=10), id="researchers")],
        strategy="one_for_one",
        name="demo",
    )


async def main(order: Order, screen: Screen) -> int:
    """Start the tree and get the answers; returns the exit status."""
    with order.corpus as corpus:
        screen.say(f"{_count(corpus.statistics.files, 'file')}, {_count(corpus.statistics.lines, 'line')}")
        if corpus.statistics.skipped:
            screen.say("left out: " + ", ".join(f"{n} {why}" for why, n in sorted(corpus.statistics.skipped.items())))
        screen.listen()
        desk = Desk(
            corpus=corpus,
            questions=order.questions,
            faults=Faults(len(order.questions), order.faults),
            deadline=order.deadline,
            say=screen.say,
        )
        try:
            downs = await _work(desk, order.model, screen)
        except asyncio.CancelledError:
            screen.last_line({"ok": False, "stopped": "by a signal", **_summary(desk, [], screen.restarts)})
            raise
        wrong = [problem for one in desk.answered if one.answer for problem in check_citations(one.answer, corpus)]
        ok = not wrong and all(one.answer is not None for one in desk.answered)
        _print_answers(screen.console, desk.answered)
        screen.last_line({"ok": ok, **_summary(desk, downs, screen.restarts), "wrong_citations": wrong})
    return 0 if ok else 1


async def _work(desk: Desk, model: Model, screen: Screen) -> list[tuple[str, str]]:
    """Have the desk work with agents that live in a tree as long as it does; returns how they ended meanwhile."""
    count = min(RESEARCHERS, len(desk.questions))
    async with tree(research_agent(model), count) as top:
        group, witness = top.get(Supervisor, "researchers"), top.get(Witness)
        for name in _names(count):
            desk.agents[name] = group.get(AgentServer[Library, Answer], name)
            witness.watch(name, desk.agents[name])
        async with screen.showing(top):
            await desk.work()
        return await witness.downs()


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _names(count: int) -> list[str]:
    return [f"researcher-{n + 1}" for n in range(count)]


def _print_answers(console: Console, answered: list[Answered]) -> None:
    for one in answered:
        console.print()
        console.print(printable(one.question), style="bold", markup=False, highlight=False, soft_wrap=True)
        if one.answer is None:
            console.print(printable(f"  no answer: {one.error}"), markup=False, highlight=False, soft_wrap=True)
        elif not one.answer.found:
            console.print("  the folder does not say", markup=False, highlight=False)
        for claim in one.answer.claims if one.answer is not None else ():
            places = ", ".join(f"{c.file}:{c.first_line}-{c.last_line}" for c in claim.citations)
            console.print(printable(f"  {claim.text}  [{places}]"), markup=False, highlight=False, soft_wrap=True)
    console.print()


def _summary(desk: Desk, downs: list[tuple[str, str]], restarts: dict[str, int]) -> dict[str, Any]:
    return {
        "answers": [
            {
                "question": one.question,
                "found": one.answer is not None and one.answer.found,
                "claims": [] if one.answer is None else [c.model_dump(mode="json") for c in one.answer.claims],
                "error": one.error,
                "agent": one.agent,
                "attempts": one.attempts,
                "seconds": round(one.seconds, 3),
            }
            for one in desk.answered
        ],
        "faults": [
            {
                "fault": fault.kind,
                "agent": fault.agent,
                "question": fault.question + 1,
                "attempt": fault.attempt,
                "asker_saw": fault.asker_saw,
            }
            for fault in desk.faults.struck
        ],
        "downs": [{"agent": name, "reason": reason} for name, reason in downs],
        "restarts": restarts,
    }


def run(*, ask: list[str] | None, over: str | None, model: str, faults: bool, console: Console) -> int:
    """The demo as a program: signals end it in order. Raises what `order` raises."""
    screen = Screen(console)
    asked = order(ask=ask, over=over, model=model, faults=faults, screen=screen)
    return axon.run(partial(main, asked, screen))
