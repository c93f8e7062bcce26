"""The local model exists so that the demo works without a key: it searches, reads and quotes, and cannot invent."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import zip_longest
from typing import TypeAlias

from pydantic import ValidationError
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, DeltaToolCalls, FunctionModel

from ._answer import Answer, Citation, Claim
from ._corpus import Hit, Line
from ._research import MOST_CHARACTERS
from ._sentences import Sentence, best, sentences
from ._turn import Turn, last_turn
from ._words import words

MODEL_NAME = "local"

_GOOD = 0.5
_MOST_SEARCHES = 2
_MOST_READS = 3
_LINES_AROUND = 3
_PIECE = 48
_CLAIM_NUMBER = re.compile(r"^claim (\d+):", re.MULTILINE)
_OWN_ID = re.compile(rf"{MODEL_NAME}-(\d+)")

_Call: TypeAlias = tuple[str, dict[str, object]]


def local_model() -> FunctionModel:
    """A model without a network, for `research_agent`: the same messages always give the same response.

    It searches for the question, searches once more for its rarest words if that gave little, reads around the best
    passages and answers with the sentences that say most about the question. It keeps nothing between requests: all
    it knows is the messages since the last user prompt, so a run may be resumed from its history.
    """
    return FunctionModel(_respond, stream_function=_stream, model_name=MODEL_NAME)


async def _respond(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    return ModelResponse(parts=[*_next(messages, info)])


async def _stream(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str | DeltaToolCalls]:
    for index, part in enumerate(_next(messages, info)):
        if isinstance(part, TextPart):
            yield part.content
            continue
        arguments = part.args_as_json_str()
        yield {index: DeltaToolCall(part.tool_name, arguments[:_PIECE], tool_call_id=part.tool_call_id)}
        for start in range(_PIECE, len(arguments), _PIECE):
            yield {index: DeltaToolCall(json_args=arguments[start : start + _PIECE])}


def _next(messages: Sequence[ModelMessage], info: AgentInfo) -> list[ToolCallPart | TextPart]:
    turn = last_turn(messages)
    searchable = any(tool.name == "search" for tool in info.function_tools)
    calls = _searches(turn) or _reads(turn) if searchable else []
    if not calls:
        answer = _answer(turn)
        if not info.output_tools:
            return [TextPart(_prose(answer))]
        calls = [(info.output_tools[0].name, answer.model_dump(mode="json"))]
    number = 1 + max((_number(part) for message in messages for part in message.parts), default=0)
    return [ToolCallPart(name, arguments, f"{MODEL_NAME}-{i}") for i, (name, arguments) in enumerate(calls, number)]


def _searches(turn: Turn) -> list[_Call]:
    """The next search, if one is due: the first, one more after a failure, or one more after a poor result."""
    tries, found = turn.named("search"), turn.found
    if len(tries) >= _MOST_SEARCHES or not words(turn.question):
        return []
    if not found:
        return [("search", {"query": turn.question})]
    if turn.named("read_lines") or (found[0].hits and found[0].hits[0].score >= _GOOD):
        return []
    known = {word: count for word, count in found[0].words.items() if count}
    rarest = min(known, key=known.__getitem__) if known else max(found[0].words, key=len, default="")
    return [("search", {"query": rarest})] if len(found[0].words) > 1 else []


def _reads(turn: Turn) -> list[_Call]:
    """The lines around the best hits, once, and once more if nothing came of it."""
    windows: dict[tuple[str, int], int] = {}
    for hit in _hits(turn):
        first, last = max(hit.first_line - _LINES_AROUND, 1), hit.last_line + _LINES_AROUND
        near = next(
            (key for key, end in windows.items() if key[0] == hit.file and key[1] <= last and first <= end),
            None,
        )
        if near:
            windows[min(near, (hit.file, first))] = max(windows.pop(near), last)
        elif len(windows) < _MOST_READS:
            windows[hit.file, first] = last
    if turn.read or len(turn.named("read_lines")) >= 2 * len(windows):
        return []
    return [
        ("read_lines", {"file": file, "first_line": first, "last_line": last})
        for (file, first), last in windows.items()
    ]


def _answer(turn: Turn) -> Answer:
    found = turn.found
    if not found or not found[0].words:
        return Answer(found=False)
    weights = {word: math.log(1 + found[0].passages / max(count, 1)) for word, count in found[0].words.items()}
    refused = _refused(turn)
    candidates = [sentence for sentence in _sentences(turn) if sentence.quote not in refused]
    chosen = best(candidates, weights, turn.question)
    return Answer(claims=tuple(_claim(sentence) for sentence in chosen), found=bool(chosen))


def _sentences(turn: Turn) -> Iterator[Sentence]:
    """Everything that may be quoted: what was read, then the other hits."""
    seen: set[tuple[str, int]] = set()
    for read in turn.read:
        # A line that was cut off ends with a mark that is not in the file.
        lines = [Line(n, t[:MOST_CHARACTERS]) for n, t in read.lines]
        fresh = [line for line in lines if (read.file, line.number) not in seen]
        seen.update((read.file, line.number) for line in fresh if len(line.text) < MOST_CHARACTERS)
        yield from sentences(read.file, fresh)
    for hit in _hits(turn):
        lines = [Line(number, text) for number, text in enumerate(hit.text.split("\n"), hit.first_line)]
        yield from sentences(hit.file, [line for line in lines if (hit.file, line.number) not in seen])


def _hits(turn: Turn) -> list[Hit]:
    """The hits of all searches, the best of each in turn."""
    ranked = zip_longest(*(found.hits for found in turn.found))
    return list(dict.fromkeys(hit for row in ranked for hit in row if hit is not None))


def _claim(sentence: Sentence) -> Claim:
    place = Citation(
        file=sentence.file, first_line=sentence.first_line, last_line=sentence.last_line, quote=sentence.quote
    )
    return Claim(text=sentence.plain, citations=(place,))


def _refused(turn: Turn) -> set[str]:
    """The quotes that a validator has refused; of a complaint that names no claim, all."""
    refused: set[str] = set()
    for call in turn.calls.values():
        if call.outcome != "retried" or call.name in ("search", "read_lines"):
            continue
        try:
            claims = Answer.model_validate(call.arguments).claims
        except ValidationError:
            continue
        named = {int(number) for number in _CLAIM_NUMBER.findall(call.content)}
        for number, claim in enumerate(claims, 1):
            if number in named or not named:
                refused.update(citation.quote for citation in claim.citations)
    return refused


def _prose(answer: Answer) -> str:
    if not answer.found:
        return "The folder does not answer this question."
    return "\n".join(
        f"{claim.text} ({claim.citations[0].file}:{claim.citations[0].first_line})" for claim in answer.claims
    )


def _number(part: object) -> int:
    match = _OWN_ID.fullmatch(part.tool_call_id) if isinstance(part, ToolCallPart) else None
    return int(match[1]) if match else 0
