"""The main job: a tree of research agents answers questions over a folder, whatever is done to them meanwhile."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

from pydantic_ai.models import Model, infer_model
from rich.console import Console

import axon
from axon import AxonError, Supervisor, child
from axon.agent import AgentServer, ToolTimeout
from axon.store import Store, StoreError

from ._answer import Answer, check_citations
from ._corpus import Corpus
from ._desk import Desk
from ._effects import Effects
from ._faults import HANG_SECONDS, Faults
from ._folder import FolderNotFound, checked_folder
from ._kill import checked_step
from ._model import local_model
from ._open import Opened, to_begin, to_resume
from ._provider import Provider, account_of
from ._report import Report
from ._research import Library, checked_question, research_agent
from ._screen import Screen, count
from ._session import Began, Finished, Owner, Pen, Session
from ._takeover import take_over
from ._witness import Witness

RESEARCHERS = 3
"""Agents that work side by side."""

LOCAL_TIMEOUT, REMOTE_TIMEOUT = 15.0, 120.0
"""Seconds a model request may take: of the local model, of a provider's."""

TOOL_TIMEOUT = 30.0
"""Seconds a tool may take while nobody makes it hang."""

TRIES = 10
"""How often a turn is tried from one checkpoint: faults and kills may strike at the same one."""

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
    """What is to be done; made by `order`, which refuses what cannot be."""

    began: Began
    corpus: Corpus
    model: Model

    @property
    def request_timeout(self) -> float:
        """Seconds a model request may take."""
        return LOCAL_TIMEOUT if self.began.model == "local" else REMOTE_TIMEOUT

    @property
    def tool_timeout(self) -> float:
        """Seconds a tool may take: a search of the largest folders takes some."""
        return HANG_SECONDS + self.corpus.statistics.passages / 10_000 if self.began.faults else TOOL_TIMEOUT


def asked(*, ask: list[str] | None, over: str | None, model: str, faults: bool) -> Began:
    """What the command line asks for. Raises `QuestionError`, `FolderError`, each naming the option and its value."""
    questions = [checked_question(question) for question in ask or QUESTIONS]
    if over == "":
        raise FolderNotFound("", "the name of a folder cannot be empty; the one we are in is '.'")
    folder, only = (Path(over), None) if over is not None else _own_documentation()
    encoded = quote(os.fsencode(folder.absolute()))
    return Began(owner=Owner(), questions=questions, folder=encoded, only=only, model=model, faults=faults)


def order(began: Began, shown: str, screen: Screen) -> Order:
    """Read the folder, and make the model. Raises `FolderError`, `ModelNotUsable`."""
    chosen = local_model() if began.model == "local" else _model(began.model)
    checked_folder(Path(shown))
    screen.say(f"reading {shown}")
    return Order(began=began, model=chosen, corpus=Corpus.open(Path(shown), began.only))


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


def tree(todo: Order, session: Session, store: Store, faults: Faults, provider: Provider) -> Supervisor:
    """The supervision tree of the demo."""
    agent, account = research_agent(provider), account_of(todo.began.model)

    def researcher(name: str) -> AgentServer[Library, Answer]:
        key = session.key(name)
        return AgentServer(
            agent,
            name=key,
            store=store,
            deps=Library(todo.corpus, faults.hook(name, key)),
            request_timeout=todo.request_timeout,
            tool_timeout=todo.tool_timeout,
            on_error={ToolTimeout: "crash"},  # its supervisor starts it again at once, and the turn goes on
            attempts=TRIES,
            account=account,
        )

    agents = [child(researcher(name), id=name) for name in _names(todo)]
    return Supervisor(
        [Witness(), child(Supervisor(agents, max_restarts=20), id="researchers")],
        strategy="one_for_one",
        name="demo",
    )


async def main(todo: Order, opened: Opened, screen: Screen) -> int:
    """Do what is to be done; returns the exit status."""
    try:
        return await _main(todo, opened, screen)
    except AxonError as error:
        cause = _of_the_store(error)
        if cause is None:
            raise
        print(f"axon demo: --store {str(opened.place.path)!r}: {cause}", file=sys.stderr)
        return 2
    finally:
        await opened.store.close()


async def _main(todo: Order, opened: Opened, screen: Screen) -> int:
    place, pen = opened.place, Pen(opened.store, opened.session)
    statistics = todo.corpus.statistics
    screen.say(f"{count(statistics.files, 'file')}, {count(statistics.lines, 'line')}")
    if statistics.skipped:
        screen.say("left out: " + ", ".join(f"{n} {why}" for why, n in sorted(statistics.skipped.items())))
    await pen.open()
    resumed = await take_over(pen, opened.left, screen.say) if pen.session.unfinished is not None else None
    if resumed is None:
        await pen.note(todo.began)
    screen.say(f"journal: {place.path}")
    screen.say(f"kill -9 {os.getpid()} ends this at any moment, {place.resume} goes on")
    screen.listen()
    desk = Desk(pen=pen, questions=todo.began.questions, say=screen.say)
    provider = Provider(todo.model)
    faults = Faults(pen, Effects(place.effects), desk.asking, provider)
    report = Report(desk, faults, resumed, opened.store, screen)
    try:
        downs = await _work(desk, tree(todo, pen.session, opened.store, faults, provider), _names(todo), screen)
    except asyncio.CancelledError:
        screen.say(f"stopped; {place.resume} goes on")
        screen.last_line({"ok": False, "stopped": "by a signal", **report.summary([])})
        raise
    wrong = [problem for one in desk.answered if one.answer for problem in check_citations(one.answer, todo.corpus)]
    ok = not wrong and all(one.answer is not None for one in desk.answered)
    report.print_answers()
    report.print_work()
    screen.last_line({"ok": ok, **report.summary(downs), "wrong_citations": wrong})
    await pen.note(Finished())
    return 0 if ok else 1


async def _work(desk: Desk, tree: Supervisor, names: list[str], screen: Screen) -> list[tuple[str, str]]:
    """Have the desk work with agents that live in a tree as long as it does; returns how they ended meanwhile."""
    async with tree as top:
        group, witness = top.get(Supervisor, "researchers"), top.get(Witness)
        for name in names:
            desk.agents[name] = group.get(AgentServer[Library, Answer], name)
            witness.watch(name, desk.agents[name])
        async with screen.showing(top):
            await desk.work()
        return await witness.downs()


def _names(todo: Order) -> list[str]:
    return [f"researcher-{n + 1}" for n in range(min(RESEARCHERS, len(todo.began.questions)))]


def _of_the_store(error: AxonError) -> StoreError | None:
    """The store's own error, for which a process ended or did not start."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, StoreError):
        cause = cause.__cause__
    return cause


def run(
    *,
    ask: list[str] | None,
    over: str | None,
    model: str,
    faults: bool,
    store: str | None,
    resume: bool,
    kill_at: str | None,
    console: Console,
) -> int:
    """The demo as a program: signals end it in order. Raises what `order` raises, `NoSuchStep`, `StoreNotUsable`, and
    `NothingToResume`.
    """
    screen, step = Screen(console), checked_step(kill_at)
    if resume:
        opened = to_resume(store, step, screen.say)
        began = opened.session.began
        assert began is not None, "there is something to resume"
        todo = order(began, began.path, screen)
    else:
        opened = None
        began = asked(ask=ask, over=over, model=model, faults=faults)
        todo = order(began, over if over is not None else began.path, screen)
    with todo.corpus:
        opened = opened or to_begin(store, step, screen.say)
        status = axon.run(partial(main, todo, opened, screen))
    if opened.session.finished and not opened.place.given:
        opened.place.remove()
    opened.place.release()
    return status
