"""The demo's tree with a scripted model: each question gets one answer, its own, or an error, whatever is killed."""

from __future__ import annotations

import asyncio
import io
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelMessage, ToolReturnPart, UserPromptPart
from rich.console import Console

import axon
from axon import SupervisorDied
from axon.cli.demo import _desk, _program
from axon.cli.demo._corpus import Corpus
from axon.cli.demo._effects import Effects
from axon.cli.demo._faults import Faults as PlannedFaults
from axon.cli.demo._folder import Contents, TextFile
from axon.cli.demo._provider import Provider
from axon.cli.demo._screen import Screen
from axon.cli.demo._session import Began, Owner, Pen, Session
from axon.store import MemoryStore
from axon.telemetry import ChildRestarted, ProcessExited, ProcessStarted, SupervisorGaveUp, attach
from axon.testing import Faults, SimulationLoop, one_reply
from axon.testing.models import CallTool, Fail, Part, Say, ScriptedModel, Stall

from .tree import Tree
from .witness import Witness

T = TypeVar("T")

LINE = "Anna Holm lit the lamp every evening."
CORPUS = Corpus(
    Contents(Path("/harbour"), (TextFile("light.txt", ("The lighthouse was built in 1871.", "", LINE)),), skipped={})
)
QUESTIONS = ("Who lit the lamp?", "When was the lighthouse built?", "Where is it?", "How tall is it?")
RESPONSES = 400
"""More than all attempts at all questions can ask for."""
MOST_RESTARTS = {"demo": 3, "demo/researchers": 20}
"""Within 5 s, by the path of the supervisor."""


@dataclass
class Book:
    """What was seen of the tree's processes; orphans are those whose supervisor was killed and who still clean up."""

    witness: Witness
    alive: set[str] = field(default_factory=set[str])
    orphans: Counter[str] = field(default_factory=Counter[str])
    gave_up: bool = False

    def open(self) -> None:
        attach(self.started, ProcessStarted)
        attach(self.exited, ProcessExited)
        attach(self.restarted, ChildRestarted)
        attach(self.given_up, SupervisorGaveUp)

    def started(self, event: ProcessStarted) -> None:
        self.witness.rule(event.path not in self.alive, f"two live processes at {event.path}")
        self.alive.add(event.path)

    def exited(self, event: ProcessExited) -> None:
        if self.orphans[event.path]:
            self.orphans[event.path] -= 1
            return
        self.alive.discard(event.path)
        left = {path for path in self.alive if path.startswith(f"{event.path}/")}
        self.witness.rule(not left or event.reason is axon.killed, f"{event.path} ended before {sorted(left)}")
        self.alive -= left
        self.orphans.update(left)

    def restarted(self, event: ChildRestarted) -> None:
        most = MOST_RESTARTS[event.path.rpartition("/")[0]]
        self.witness.rule(event.restarts <= most, f"{event.restarts} restarts at {event.path}, {most} are allowed")

    def given_up(self, event: SupervisorGaveUp) -> None:
        self.gave_up = self.gave_up or event.path == "demo"


class EffectsInMemory(Effects):
    """There are no files in a simulation."""

    def __init__(self) -> None:
        self._made = set()

    def _append(self, line: str) -> None: ...


def asked(questions: list[str]) -> Began:
    """What the command line asks for."""
    return Began(
        owner=Owner(pid=1, since=0.0),
        questions=questions,
        folder="/harbour",
        only=None,
        model="local",  # for its limits
        faults=random.random() < 0.5,
    )


def answer(number: int, quote: str) -> Part:
    """The answer of the response with this number, which says so in its claim."""
    place = {"file": "light.txt", "first_line": 3, "last_line": 3, "quote": quote}
    claim = {"text": f"response {number}", "citations": [place]}
    return CallTool("final_result", {"found": True, "claims": [claim]}, after=a_while())


def a_while() -> float:
    return random.choice([0.0, 0.0, 0.01, 0.5])


def response(number: int) -> list[Part]:
    """What a provider may say, whoever asks."""
    read = CallTool("read_lines", {"file": random.choice(["light.txt", "none"]), "first_line": 1, "last_line": 3})
    search = CallTool("search", {"query": random.choice(QUESTIONS)}, after=a_while())
    match random.randrange(16):
        case 0 | 1 | 2:
            return [search]
        case 3 | 4:
            return [read]
        case 5:
            return [Say("Let me see.", every=0.01), search, read]
        case 6:
            return [Say("It was Anna.")]
        case 7:
            return [answer(number, "Nobody lit it.")]
        case 8:
            return [CallTool("grep", {"pattern": "lamp"})]
        case 9:
            return [Fail(ModelHTTPError(random.choice([429, 503]), "scripted"), after=a_while())]
        case 10:
            return [Stall(random.choice([None, 0.1]))]
        case _:
            return [answer(number, LINE)]


async def in_no_thread(function: Callable[..., T], /, *arguments: Any) -> T:
    """In the place of `asyncio.to_thread`, which a simulation refuses: it takes a while, and others run meanwhile."""
    await asyncio.sleep(random.choice([0, 0, 0.01]))
    return function(*arguments)


def last_question(messages: list[ModelMessage]) -> object:
    """The one that is asked now; what pydantic-ai asks for in between is none."""
    prompts = [part for message in messages for part in message.parts if isinstance(part, UserPromptPart)]
    return next((part.content for part in reversed(prompts) if part.content in QUESTIONS), None)


def check_answers(book: Book, desk: _desk.Desk, model: ScriptedModel) -> None:
    """Each question has an answer, which the provider gave to this very question, or an error."""
    rule = book.witness.rule
    rule([one.question for one in desk.answered] == desk.questions, "not all questions are done with")
    told: list[int] = []
    for one in desk.answered:
        rule((one.answer is None) == (one.error is not None), f"{one.question} has an answer and an error, or neither")
        rule(1 <= one.attempts <= _desk.ATTEMPTS, f"{one.question} was asked {one.attempts} times")
        rule(one.error is None or "ScriptEnded" not in one.error, "the script is too short")
        if one.answer is not None:
            number = int(one.answer.claims[0].text.removeprefix("response "))
            told.append(number)
            asked = last_question(model.asked[number])
            rule(asked == one.question, f"{one.question} got the answer to {asked}")
    rule(len(told) == len(set(told)), f"one response is the answer to several questions: {told}")


def check_conversation(book: Book, messages: list[ModelMessage]) -> None:
    """An agent remembers the turns that were finished, whole, and nothing of any other."""
    question: str | None = None
    for part in (part for message in messages for part in message.parts):
        if isinstance(part, UserPromptPart) and part.content in QUESTIONS:
            book.witness.rule(question is None, f"the conversation holds half a turn: {question}")
            question = str(part.content)
        elif isinstance(part, ToolReturnPart) and part.tool_name == "final_result" and part.outcome == "success":
            question = None
    book.witness.rule(question is not None, "a request came when its turn was finished")


async def program(witness: Witness) -> None:
    book = Book(witness)
    book.open()
    questions: list[str] = list(QUESTIONS[: random.randrange(1, len(QUESTIONS) + 1)])
    model = ScriptedModel(*(response(number) for number in range(RESPONSES)))
    screen = Screen(Console(file=io.StringIO()))
    screen.listen()
    store = MemoryStore()
    pen = Pen(store, Session())
    await pen.open()
    order = _program.Order(began=asked(questions), corpus=CORPUS, model=model)
    await pen.note(order.began)
    desk = _desk.Desk(pen=pen, questions=questions, say=screen.say)
    provider = Provider(model)
    faults = PlannedFaults(pen, EffectsInMemory(), desk.asking, provider)
    tree = _program.tree(order, pen.session, store, faults, provider)
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulationLoop)
    with patch.object(asyncio, "to_thread", in_no_thread):
        async with one_reply():
            working = asyncio.create_task(_program._work(desk, tree, _program._names(order), screen))
            interrupted = random.random() < 0.2
            if interrupted:
                await asyncio.sleep(random.choice([0, 0, 0.1, 1.0, 5.0]))
                working.cancel()
            began = loop.time()
            [ended] = await asyncio.gather(working, return_exceptions=True)
            took = loop.time() - began
    witness.rule(not interrupted or took < 2, f"the demo took {took:g} s to stop")
    left = sorted(book.alive) + sorted(book.orphans.elements())
    witness.rule(not left, f"the demo has left {left}")
    if isinstance(ended, list):
        check_answers(book, desk, model)
    elif isinstance(ended, SupervisorDied):
        witness.rule(book.gave_up, f"{ended!r}, and no supervisor gave up")
    elif isinstance(ended, axon.StartFailed):
        witness.rule(loop.kills, f"{ended!r}, and nobody was killed")
    else:
        witness.rule(interrupted and isinstance(ended, asyncio.CancelledError), f"the demo ended with {ended!r}")
    for messages in model.asked:
        check_conversation(book, messages)


FAULTS = Faults(kill=0.003, victims="demo/researchers*", late=0.01)
TREE = Tree(name="demo", program=program, faults=FAULTS, bound=150.0, share=1 / 20)  # agents take longer
