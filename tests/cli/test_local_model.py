"""The local model plays a researcher from the messages alone: same messages, same response."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from pydantic_ai import Agent, ModelRetry, RunContext, ToolFailed
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from axon.cli.demo._answer import Answer
from axon.cli.demo._corpus import Corpus
from axon.cli.demo._model import local_model
from axon.cli.demo._research import Library, research_agent

MakeCorpus = Callable[[dict[str, str | bytes]], Corpus]

FOLDER: dict[str, str | bytes] = {
    "mail.md": "# Mailbox\n\nA mailbox is a queue of messages. It is bounded only as an option.\n",
    "tree.md": "# Supervisor\n\nA supervisor restarts its children. The restart intensity is 3 in 5 seconds.\n",
    "misc.md": "Nothing of interest here.\n",
}


def calls(messages: Sequence[ModelMessage]) -> list[str]:
    return [part.tool_name for message in messages for part in message.parts if isinstance(part, ToolCallPart)]


def said(answer: Answer) -> str:
    return " ".join(claim.text for claim in answer.claims)


async def test_it_searches_then_reads_then_answers(make_corpus: MakeCorpus) -> None:
    result = await research_agent(local_model()).run("What is a mailbox?", deps=Library(make_corpus(FOLDER)))
    assert calls(result.all_messages()) == ["search", "read_lines", "final_result"]
    assert said(result.output).startswith("A mailbox is a queue of messages.")


async def test_a_word_in_the_heading_helps_the_sentence_below(make_corpus: MakeCorpus) -> None:
    result = await research_agent(local_model()).run("mailbox bounded?", deps=Library(make_corpus(FOLDER)))
    assert "It is bounded only as an option." in said(result.output)


@pytest.mark.parametrize("question", ["capital of France", "", "?", "what is it?", "AND OR NOT"])
async def test_nothing_found_is_said(make_corpus: MakeCorpus, question: str) -> None:
    result = await research_agent(local_model()).run(question, deps=Library(make_corpus(FOLDER)))
    assert result.output == Answer(found=False)


async def test_a_poor_search_is_followed_by_one_for_the_rarest_word_and_others_like_the_missing(
    make_corpus: MakeCorpus,
) -> None:
    question = "Which dragon ate the mailbox of the wizard in the northern castle?"
    result = await research_agent(local_model()).run(question, deps=Library(make_corpus(FOLDER)))
    queries = [
        part.args_as_dict()["query"]
        for message in result.all_messages()
        for part in message.parts
        if isinstance(part, ToolCallPart) and part.tool_name == "search"
    ]
    assert queries[0] == question
    assert {"mailbox", "eaten", "food"} < {*queries[1].split()}


async def test_a_streamed_run_gives_the_same_answer(make_corpus: MakeCorpus) -> None:
    agent, library = research_agent(local_model()), Library(make_corpus(FOLDER))
    plain = await agent.run("restart intensity", deps=library)
    async with agent.run_stream("restart intensity", deps=library) as stream:
        partial = [output async for output in stream.stream_output(debounce_by=None)]
    assert partial[-1] == plain.output
    assert "The restart intensity is 3 in 5 seconds." in said(plain.output)


async def test_only_the_last_question_of_a_conversation_is_answered(make_corpus: MakeCorpus) -> None:
    agent, library = research_agent(local_model()), Library(make_corpus(FOLDER))
    first = await agent.run("What is a mailbox?", deps=library)
    history = ModelMessagesTypeAdapter.validate_json(first.all_messages_json())
    second = await agent.run("restart intensity", deps=library, message_history=history)
    assert calls(second.new_messages()) == ["search", "read_lines", "final_result"]
    assert "mailbox" not in said(second.output)
    ids = [p.tool_call_id for m in second.all_messages() for p in m.parts if isinstance(p, ToolCallPart)]
    assert len(ids) == len(set(ids))


async def test_it_goes_on_from_a_history_that_was_stored(make_corpus: MakeCorpus) -> None:
    """After each response, and after each round of tools: what is left of the run gives the same answer."""
    agent, library = research_agent(local_model()), Library(make_corpus(FOLDER))
    whole = await agent.run("What is a mailbox?", deps=library)
    for length in range(1, len(whole.all_messages()) - 1):
        history = ModelMessagesTypeAdapter.validate_json(
            ModelMessagesTypeAdapter.dump_json(whole.all_messages()[:length])
        )
        resumed = await agent.run(message_history=history, deps=library)
        assert resumed.output == whole.output
        assert calls(resumed.all_messages()) == calls(whole.all_messages())


async def test_tools_that_were_interrupted_are_called_again(make_corpus: MakeCorpus) -> None:
    agent, library = research_agent(local_model()), Library(make_corpus(FOLDER))
    whole = (await agent.run("What is a mailbox?", deps=library)).all_messages()
    for length, tool in [(2, "search"), (4, "read_lines")]:
        cut = [*whole[:length], ModelRequest(parts=[], state="interrupted")]
        resumed = await agent.run(message_history=cut, deps=library)
        assert calls(resumed.all_messages()).count(tool) == 2
        assert resumed.output.found


@pytest.mark.parametrize("error", [ModelRetry("try again"), ToolFailed("no")])
@pytest.mark.parametrize("failures", [1, 9])
async def test_a_search_that_fails_is_tried_once_more(make_corpus: MakeCorpus, error: Exception, failures: int) -> None:
    left = failures

    async def fail(tool: str) -> None:
        nonlocal left
        if tool == "search" and left:
            left -= 1
            raise error

    library = Library(make_corpus(FOLDER), before_tool=fail)
    result = await research_agent(local_model()).run("What is a mailbox?", deps=library)
    assert calls(result.all_messages()).count("search") == 2
    assert result.output.found is (failures == 1)


async def test_if_reading_fails_it_quotes_what_the_search_showed(make_corpus: MakeCorpus) -> None:
    async def fail(tool: str) -> None:
        if tool == "read_lines":
            raise ToolFailed("no")

    library = Library(make_corpus(FOLDER), before_tool=fail)
    result = await research_agent(local_model()).run("What is a mailbox?", deps=library)
    assert said(result.output).startswith("A mailbox is a queue of messages.")


@pytest.mark.parametrize("complaint", ["claim 1: no", "I do not like it"])
async def test_a_claim_that_was_refused_is_dropped(make_corpus: MakeCorpus, complaint: str) -> None:
    agent = research_agent(local_model())
    refused: list[str] = []

    async def picky(ctx: RunContext[Library], answer: Answer) -> Answer:
        if not refused:
            refused.append(answer.claims[0].text)
            raise ModelRetry(complaint)
        return answer

    agent.output_validator(picky)
    result = await agent.run("What is a mailbox?", deps=Library(make_corpus(FOLDER)))
    assert refused[0] not in said(result.output)
    assert calls(result.all_messages())[-2:] == ["final_result", "final_result"]


async def test_without_tools_or_output_tool_it_still_ends() -> None:
    result = await Agent(local_model()).run("What is a mailbox?")
    assert result.output == "The folder does not answer this question."


async def test_the_same_messages_give_the_same_calls(make_corpus: MakeCorpus) -> None:
    agent, library = research_agent(local_model()), Library(make_corpus(FOLDER))
    first, second = [await agent.run("mailbox and supervisor", deps=library) for _ in range(2)]
    assert [p.tool_call_id for m in first.all_messages() for p in m.parts if isinstance(p, ToolCallPart)] == [
        p.tool_call_id for m in second.all_messages() for p in m.parts if isinstance(p, ToolCallPart)
    ]


async def test_a_result_of_another_shape_is_as_good_as_none(make_corpus: MakeCorpus) -> None:
    history: list[ModelMessage] = [
        ModelRequest(parts=[UserPromptPart("What is a mailbox?")]),
        ModelResponse(parts=[ToolCallPart("search", {"query": "x"}, "one")]),
        ModelRequest(parts=[ToolReturnPart("search", "gone", "one")]),
    ]
    agent = research_agent(local_model())
    assert (await agent.run(message_history=history, deps=Library(make_corpus(FOLDER)))).output.found
