"""The research agent searches and reads a folder, and cannot give an answer that the folder does not hold."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_ai.messages import ModelMessage, ModelResponse, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from axon.cli.demo._answer import Answer, Citation, Claim, check_citations
from axon.cli.demo._corpus import Corpus
from axon.cli.demo._model import local_model
from axon.cli.demo._research import Library, QuestionError, checked_question, research_agent

MakeCorpus = Callable[[dict[str, str | bytes]], Corpus]


class Script:
    """A model that makes these tool calls one after the other, and keeps what came back."""

    def __init__(self, *calls: tuple[str, dict[str, object]]) -> None:
        self.calls = list(calls)
        self.outcomes: list[tuple[str, str]] = []
        self.model = FunctionModel(self.respond)

    async def respond(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        for part in messages[-1].parts:
            if isinstance(part, ToolReturnPart):
                self.outcomes.append((part.outcome, part.model_response_str(wrap_if_error=False)))
        name, arguments = self.calls.pop(0)
        return ModelResponse(parts=[ToolCallPart(name, arguments)])


NOTHING: tuple[str, dict[str, object]] = ("final_result", {"found": False})


async def run(script: Script, corpus: Corpus) -> Answer:
    return (await research_agent(script.model).run("question", deps=Library(corpus))).output


async def test_the_agent_answers_with_lines_of_the_folder(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus({"a.txt": "The capital of France is Paris.\n", "b.txt": "Something else.\n"})
    result = await research_agent(local_model()).run("What is the capital of France?", deps=Library(corpus))
    place = Citation(file="a.txt", first_line=1, last_line=1, quote="The capital of France is Paris.")
    assert result.output == Answer(claims=(Claim(text=place.quote, citations=(place,)),), found=True)


async def test_a_wrong_file_name_is_told_to_the_model(make_corpus: MakeCorpus) -> None:
    script = Script(("read_lines", {"file": "x/a.txt", "first_line": 1, "last_line": 2}), NOTHING)
    await run(script, make_corpus({"a.txt": "one"}))
    ((outcome, content),) = script.outcomes
    assert outcome == "retried"
    assert "did you mean 'a.txt'" in content


async def test_lines_that_are_not_there_are_told_to_the_model(make_corpus: MakeCorpus) -> None:
    script = Script(("read_lines", {"file": "a.txt", "first_line": 5, "last_line": 9}), NOTHING)
    await run(script, make_corpus({"a.txt": "one"}))
    assert "lines 1 to 1" in script.outcomes[0][1]


async def test_a_long_read_is_cut(make_corpus: MakeCorpus) -> None:
    script = Script(("read_lines", {"file": "a.txt", "first_line": 1, "last_line": 10**9}), NOTHING)
    await run(script, make_corpus({"a.txt": "x" * 5_000 + "\nline" * 5_000}))
    assert script.outcomes[0][1].count("line") == 199 + 1  # and the field "lines"
    assert len(script.outcomes[0][1]) < 6_000


async def test_a_citation_that_does_not_hold_is_refused_with_the_reason(make_corpus: MakeCorpus) -> None:
    place = Citation(file="a.txt", first_line=1, last_line=1, quote="two")
    wrong = Answer(claims=(Claim(text="x", citations=(place,)),), found=True)
    script = Script(("final_result", wrong.model_dump()), NOTHING)
    assert not (await run(script, make_corpus({"a.txt": "one"}))).found
    assert "line 1 of a.txt does not contain the words 'two'" in script.outcomes[0][1]


async def test_before_tool_is_told_each_tool_that_starts(make_corpus: MakeCorpus) -> None:
    started: list[str] = []

    async def note(tool: str) -> None:
        started.append(tool)

    corpus = make_corpus({"a.txt": "one apple"})
    await research_agent(local_model()).run("apple", deps=Library(corpus, before_tool=note))
    assert started == ["search", "read_lines"]


async def test_what_before_tool_raises_leaves_the_run(make_corpus: MakeCorpus) -> None:
    async def fail(tool: str) -> None:
        raise ConnectionError(tool)

    with pytest.raises(ConnectionError, match="search"):
        corpus = make_corpus({"a.txt": "one apple"})
        await research_agent(local_model()).run("apple", deps=Library(corpus, before_tool=fail))


@pytest.mark.parametrize("question", ["", "  \n", "?!"])
def test_a_question_without_a_word_is_refused_with_its_option(question: str) -> None:
    with pytest.raises(QuestionError, match="--ask") as raised:
        checked_question(question)
    assert repr(question) in str(raised.value)
    assert checked_question(" 猫? ") == "猫?"


TEXT = st.text(alphabet=st.sampled_from("abcd \n.#-*|?«猫北京я\t\r\x0b\x1b\x85\u2028"), max_size=400)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(texts=st.lists(TEXT, min_size=1, max_size=4), question=TEXT)
def test_every_answer_of_the_local_model_holds(texts: list[str], question: str) -> None:
    """Whatever the folder and the question, no citation is refused even once."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "x.txt").write_text("x")
        for number, text in enumerate(texts):
            Path(folder, f"{number}.md").write_bytes(text.encode())
        with Corpus.open(Path(folder)) as corpus:
            result = asyncio.run(research_agent(local_model()).run(question, deps=Library(corpus)))
            assert check_citations(result.output, corpus) == []
            assert not any(
                part.outcome == "retried"
                for message in result.all_messages()
                for part in message.parts
                if isinstance(part, ToolReturnPart)
            )
