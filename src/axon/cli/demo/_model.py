"""The local model exists so that the demo works without a key: it searches, reads and quotes, and cannot invent."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import zip_longest
from typing import TypeAlias

from pydantic import ValidationError
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, DeltaToolCalls, FunctionModel

from ._answer import Answer, Citation, Claim
from ._choice import Chosen, best
from ._corpus import Hit
from ._folder import Line
from ._forms import kin
from ._passages import PASSAGE_CHARACTERS
from ._pieces import Piece, pieces
from ._question import Question
from ._research import MOST_CHARACTERS, Read
from ._turn import Turn, last_turn
from ._words import words

MODEL_NAME = "local"

_GOOD = 0.5
_MOST_SEARCHES = 2
_MOST_READS = 3
_LINES_AFTER = 10
_PIECE = 48
_LONG_LINE = PASSAGE_CHARACTERS // 2  # of a longer line a hit may hold a part only
_CLAIM_NUMBER = re.compile(r"^claim (\d+):", re.MULTILINE)
_COMPLETE = re.compile(r"(?:^|[.!?。！？])[\"'”’)\]*_`]*\s*$")
_OWN_ID = re.compile(rf"{MODEL_NAME}-(\d+)")

_Call: TypeAlias = tuple[str, dict[str, object]]


def local_model() -> FunctionModel:
    """A model without a network, for `research_agent`: the same messages always give the same response.

    It searches for the question, once more for other words if that gave little, reads on from the best passages, and
    answers with what has all the words of the question that matter, if anything has. It keeps nothing between requests:
    all it knows is the messages since the last user prompt, so a run may be resumed from its history.
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
    calls = next_calls(turn) if searchable else []
    if not calls:
        answer = answer_to(turn)
        if not info.output_tools:
            return [TextPart(_prose(answer))]
        calls = [(info.output_tools[0].name, answer.model_dump(mode="json"))]
    number = 1 + max((_number(part) for message in messages for part in message.parts), default=0)
    return [ToolCallPart(name, arguments, f"{MODEL_NAME}-{i}") for i, (name, arguments) in enumerate(calls, number)]


def next_calls(turn: Turn) -> list[_Call]:
    """The tools to call now; none if it is time to answer."""
    return _searches(turn) or _reads(turn)


def answer_to(turn: Turn) -> Answer:
    """The answer that what was found and read so far gives."""
    found = turn.found
    if not found or not found[0].words:
        return Answer(found=False)
    refused = _refused(turn)
    candidates = [piece for piece in _pieces(turn) if piece.quote not in refused]
    chosen = best(candidates, Question(turn.question, found[0].words, found[0].passages))
    return Answer(claims=tuple(_claim(one) for one in chosen), found=bool(chosen))


def _searches(turn: Turn) -> list[_Call]:
    """The next search, if one is due: the first, one more after a failure, or one more after a poor result."""
    tries, found = turn.named("search"), turn.found
    if len(tries) >= _MOST_SEARCHES or not words(turn.question):
        return []
    if not found:
        return [("search", {"query": turn.question})]
    others = [other for word, count in found[0].words.items() if not count for other in sorted(kin(word))]
    if turn.named("read_lines") or (found[0].hits and found[0].hits[0].score >= _GOOD and not others):
        return []
    known = {word: count for word, count in found[0].words.items() if count}
    rarest = min(known, key=known.__getitem__) if known else max(found[0].words, key=len, default="")
    return [("search", {"query": " ".join([rarest, *others])})] if len(found[0].words) > 1 or others else []


def _reads(turn: Turn) -> list[_Call]:
    """The lines of the best hits and after them, once, and once more if nothing came of it."""
    windows: dict[tuple[str, int], int] = {}
    for hit in _hits(turn):
        first, last = hit.first_line, hit.last_line + _LINES_AFTER
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


def _pieces(turn: Turn) -> Iterator[Piece]:
    """Everything that may be quoted: what was read and found, file by file in the order of the hits."""
    files: dict[str, dict[int, str]] = {}
    for hit in _hits(turn):
        lines = files.setdefault(hit.file, {})
        lines.update(hit.above)
        if len(hit.text) > _LONG_LINE and hit.first_line == hit.last_line:
            above = [line for line in hit.above if line.number < hit.first_line]
            yield from pieces(hit.file, [*above, Line(hit.first_line, hit.text)])
        else:
            lines.update(enumerate(hit.text.split("\n"), hit.first_line))
    for read in turn.read:
        lines = files.setdefault(read.file, {})
        # A line that was cut off ends with a mark that is not in the file.
        lines.update((number, text) for number, text in _sentences(read) if len(text) <= MOST_CHARACTERS)
    for file, lines in files.items():
        yield from pieces(file, [Line(number, lines[number]) for number in sorted(lines)])


def _sentences(read: Read) -> list[Line]:
    """The lines that were read, up to the last one that ends a sentence or a paragraph, unless the file ends there."""
    ends = (i for i in range(len(read.lines), 0, -1) if not read.more or _COMPLETE.search(read.lines[i - 1].text))
    return read.lines[: next(ends, 0)]


def _hits(turn: Turn) -> list[Hit]:
    """The hits of all searches, the best of each in turn."""
    ranked = zip_longest(*(found.hits for found in turn.found))
    return list(dict.fromkeys(hit for row in ranked for hit in row if hit is not None))


def _claim(chosen: Chosen) -> Claim:
    return Claim(
        text=chosen.piece.plain[:MOST_CHARACTERS], citations=(_place(chosen.piece), *map(_place, chosen.support))
    )


def _place(piece: Piece) -> Citation:
    return Citation(file=piece.file, first_line=piece.first_line, last_line=piece.last_line, quote=piece.quote)


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
