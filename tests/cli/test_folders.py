"""What the local model makes of folders of many kinds: a question a line, with the words that its quote must have.

`tests/cli/folders` holds a folder a file. "-" says that the folder does not answer the question, and "~" that the model
does not get it right yet.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from axon.cli.demo._answer import Answer, check_citations
from axon.cli.demo._corpus import Corpus
from axon.cli.demo._folder import Contents, TextFile
from axon.cli.demo._model import answer_to, next_calls
from axon.cli.demo._research import found_in, lines_of
from axon.cli.demo._turn import ToolCall, Turn

FOLDERS = sorted(Path(__file__).with_name("folders").glob("*.txt"))


def research(corpus: Corpus, question: str) -> Answer:
    """What the local model answers, without an agent around it: its calls are answered at once."""
    turn = Turn(question)
    while calls := next_calls(turn):
        for name, arguments in calls:
            match arguments:
                case {"query": str(query)}:
                    content = to_json(found_in(corpus, query))
                case {"file": str(file), "first_line": int(first), "last_line": int(last)}:
                    content = to_json(lines_of(corpus, file, first, last))
                case _:
                    raise AssertionError(arguments)
            turn.calls[str(len(turn.calls))] = ToolCall(name, arguments, "success", content.decode())
    return answer_to(turn)


@dataclass(frozen=True)
class Asked:
    """A question, the words that answer it (None if nothing does), and whether the model is known to fail."""

    question: str
    answer: str | None
    fails: bool


@cache
def opened(path: Path) -> tuple[Corpus, list[Asked]]:
    files: dict[str, list[str]] = {}
    name = ""
    for line in path.read_text().splitlines():
        if line.startswith("--- ") and not line.startswith("--- questions"):
            name = line.removeprefix("--- ")
            files[name] = []
        elif line == "--- questions":
            name = line
            files[name] = []
        else:
            files[name].append(line)
    asked = [parsed(line) for line in files.pop("--- questions")]
    texts = [TextFile(name, tuple(lines)) for name, lines in sorted(files.items())]
    return Corpus(Contents(path, tuple(texts), {})), asked


def parsed(line: str) -> Asked:
    question, _, answer = line.removeprefix("~ ").rpartition(" | ")
    return Asked(question, None if answer == "-" else answer, line.startswith("~ "))


def is_right(corpus: Corpus, asked: Asked) -> bool:
    answer = research(corpus, asked.question)
    assert check_citations(answer, corpus) == []
    if asked.answer is None:
        return not answer.found
    quotes = [" ".join(cited.quote for cited in claim.citations) for claim in answer.claims]
    return any(" ".join(asked.answer.split()) in quote for quote in quotes)


def all_asked() -> Iterator[Asked]:
    for path in FOLDERS:
        yield from opened(path)[1]


@pytest.mark.parametrize("path", FOLDERS, ids=lambda path: path.stem)
def test_a_folder_is_searched_and_quoted(path: Path) -> None:
    """Every quote holds; who answers a question marked "~" rightly takes the mark away."""
    corpus, questions = opened(path)
    wrong = [asked.question for asked in questions if not is_right(corpus, asked)]
    assert wrong == [asked.question for asked in questions if asked.fails]


def test_of_the_questions_a_third_has_no_answer_and_nearly_all_are_got_right() -> None:
    questions = list(all_asked())
    assert len(questions) >= 700
    assert sum(asked.answer is None for asked in questions) >= len(questions) / 3
    assert sum(asked.fails for asked in questions) <= len(questions) * 0.04


# Anything


LINES = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "", "# A heading", "Title", "=====", "---", "- an item", "  - nested", "1. first", "key: value", "  inner = 2",
            "[section]", "| a | b |", "|---|---|", "| one | two |", "a,b,c", "1,2,3", "4,,6", "```", "def f(x):",
            '    """Doc."""', "Is it open?", "Q: why?", "A: because.", "It was built in 1871. He left.", "Dr. E. Marlow of",
            "2024-01-01 10:00:00 ERROR it failed", "The following:", "\x1b[31mred\x1b[0m valve", "x" * 700, "word " * 400,
            "東京都は日本の首都です。", "наша река", '"open": {', "}", '"port": 80,', "<p>text</p>", "a\tb\tc", "\x0c", "name   age   city",
        ]
    ),
)  # fmt: skip
ASKS = st.sampled_from(
    ["", "who is", "what is the", "which", "when was", "where", "why", "how many", "how long is", "is"]
)
NAMES = st.sampled_from(["a.md", "b.txt", "c.csv", "d.py", "e.yaml", "test_f.js", "g", "h.log"])


@settings(max_examples=int(os.environ.get("AXON_EXAMPLES", "150")), deadline=timedelta(seconds=2))
@given(
    files=st.dictionaries(NAMES, st.lists(LINES, min_size=1, max_size=30), min_size=1, max_size=3),
    asks=ASKS,
    strange=st.text(max_size=6),
    data=st.data(),
)
def test_whatever_the_files_and_the_question_every_quote_holds_and_it_ends_soon(
    files: dict[str, list[str]], asks: str, strange: str, data: st.DataObject
) -> None:
    words = data.draw(st.sampled_from([line for lines in files.values() for line in lines])).split() or ["x"]
    some = data.draw(st.lists(st.sampled_from(words), min_size=1, max_size=3, unique=True))
    question = f"{asks} {' '.join(some)} {strange}"
    texts = [TextFile(name, tuple("\n".join(lines).split("\n"))) for name, lines in sorted(files.items())]
    with Corpus(Contents(Path("x"), tuple(texts), {})) as corpus:
        answer = research(corpus, question)
        event("found" if answer.found else "not found")
        assert check_citations(answer, corpus) == []
        assert answer == research(corpus, question)


@pytest.mark.slow
@pytest.mark.parametrize(
    "line", ["a, " * 300_000, "x" * 1_000_000, "Dr. A. " * 140_000, "(((" * 300_000, "a? " * 300_000]
)
def test_a_line_of_a_megabyte_takes_seconds_at_most(line: str) -> None:
    began = time.monotonic()
    with Corpus(Contents(Path("x"), (TextFile("a.txt", (line, "The valve is red.")),), {})) as corpus:
        assert research(corpus, "What colour is the valve?").found
    assert time.monotonic() - began < 10
