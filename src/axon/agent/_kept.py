"""What the journal says: the state of an agent as its records make it, the same live and when they are read again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from pydantic import ConfigDict
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, ToolReturn, ToolReturnPart
from pydantic_ai.usage import RunUsage

from ..store import ApprovalStatus, Codec, Journal, Unreadable
from ._records import (
    Accepted,
    ApprovalAsked,
    ApprovalDecided,
    AttemptFailed,
    CancelAsked,
    Committed,
    Content,
    Ended,
    Paused,
    Reset,
    Responded,
    Started,
    Steered,
    Step,
    ToolDeferred,
    ToolDone,
    ToolEnded,
    ToolIntended,
    ToolUnknown,
    decoded,
)

ANSWERS = 1000
"""Turns whose answers are kept for requests that are made again: the last ones."""

_BASE64 = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")


@dataclass
class Effect:
    """What is known of one tool call."""

    tool: str
    state: Literal["intended", "done", "failed", "retry", "raised", "unknown"] = "intended"
    part: ToolReturnPart | None = None
    returned: ToolReturn | None = None
    message: str = ""


@dataclass
class Asked:
    """An approval that a tool call waits for: its row's id, and what became of it."""

    id: str
    status: ApprovalStatus = "pending"
    decision: str = ""


@dataclass
class KeptTurn:
    """A turn that is not over: what of it is done.

    `history` is None until it starts; `start` messages of it were there before the turn. `attempts` were made since the
    last progress, `responses` is how often the model answered.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _BASE64
    accepted: Accepted
    history: list[ModelMessage] | None = None
    start: int = 0
    resend: ModelRequest | None = None
    responses: int = 0
    before: RunUsage = field(default_factory=RunUsage)
    usage: RunUsage = field(default_factory=RunUsage)
    effects: dict[str, Effect] = field(default_factory=dict[str, Effect])
    asked: dict[str, Asked] = field(default_factory=dict[str, Asked])
    steers: dict[str, Content] = field(default_factory=dict[str, Content])
    riders: dict[str, str] = field(default_factory=dict[str, str])
    attempts: int = 0
    error: str = ""
    cancelled: bool = False

    @property
    def id(self) -> str:
        """The id of its message."""
        return self.accepted.turn

    @property
    def final(self) -> ModelResponse | None:
        """The last response, if it calls no tool and nothing follows it: only its handling is left."""
        if self.responses == 0 or self.resend is not None or not self.history:
            return None
        last = self.history[-1]
        return last if isinstance(last, ModelResponse) and not last.tool_calls else None

    def apply(self, step: Step) -> None:
        """Take a step of this turn in."""
        match step:
            case Responded(keep=keep, messages=messages):
                assert self.history is not None, "a turn has started before its model answers"
                self.history[keep:] = messages
                self.resend, self.before, self.usage = step.resend, step.before, step.usage
                self.answered()
                self.steers = {id: content for id, content in self.steers.items() if id not in step.delivered}
                self._progressed()
            case ToolIntended(call=call, tool=tool):
                self.effects[call] = Effect(tool)
            case ToolDone(call=call):
                effect = self.effects[call]
                effect.state, effect.part, effect.returned = "done", step.part, step.returned
                self._progressed()
            case ToolEnded(call=call):
                self.effects[call].state, self.effects[call].message = step.how, step.message
                if step.how != "raised":
                    self._progressed()
            case ToolUnknown(call=call):
                self.effects[call].state = "unknown"
            case ToolDeferred(call=call):
                self.effects.pop(call, None)
            case ApprovalAsked(calls=calls):
                self.asked.update({call: Asked(id) for call, id in calls.items()})
            case ApprovalDecided(call=call):
                self.asked[call].status, self.asked[call].decision = step.status, step.decision
                self._progressed()
            case Steered(steer=steer, content=content):
                self.steers[steer] = content
                if step.fingerprint is not None:
                    self.riders[steer] = step.fingerprint
            case CancelAsked():
                self.cancelled = True
            case AttemptFailed(error=error):
                self.error = error
            case Paused():
                self.attempts = max(0, self.attempts - 1)
            case _:
                raise AssertionError(f"{step!r} is no step within a turn")

    def answered(self) -> None:
        """The model has answered: what was done about an earlier answer is over."""
        self.responses += 1
        self.effects, self.asked = {}, {}

    def _progressed(self) -> None:
        self.attempts, self.error = min(self.attempts, 1), ""


@dataclass
class Answer:
    """What became of a turn that is over; its messages are those of the conversation from `start` to `stop`, if it
    still has them.
    """

    fingerprint: str
    how: Literal["committed", "failed", "cancelled", "deadline", "set aside"]
    usage: RunUsage
    output: str | None = None
    output_tool: str | None = None
    start: int | None = None
    stop: int | None = None
    error: str = ""


@dataclass
class Kept:
    """Everything a journal says about its agent.

    `queue` holds the turns that are not over, the next or running one first, and None where the conversation is to
    begin afresh; `asides` those beside the conversation, by their ids.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _BASE64
    messages: list[ModelMessage] = field(default_factory=list[ModelMessage])
    spent: RunUsage = field(default_factory=RunUsage)
    queue: list[KeptTurn | None] = field(default_factory=list[KeptTurn | None])
    answers: dict[str, Answer] = field(default_factory=dict[str, Answer])
    asides: dict[str, KeptTurn] = field(default_factory=dict[str, KeptTurn])

    def turn(self, id: str) -> KeptTurn | None:
        """The turn with this id, if it is not over."""
        for turn in self.queue:
            if turn is not None and turn.accepted.turn == id:
                return turn
        return self.asides.get(id)

    @property
    def head(self) -> KeptTurn | None:
        """The turn that is under way or begins next."""
        return self.queue[0] if self.queue else None

    @property
    def is_busy(self) -> bool:
        """Whether anything is to be done."""
        return bool(self.queue or self.asides)

    def apply(self, step: Step) -> None:
        """Take a step in."""
        if isinstance(step, Accepted):
            self.accept(step)
        elif isinstance(step, Reset):
            self.queue.append(None)
        else:
            turn = self.turn(step.turn)
            if turn is None:
                return  # it was over when this was on its way
            if isinstance(step, Started):
                self.start(turn)
            elif isinstance(step, Committed):
                self._commit(turn, step)
            elif isinstance(step, Ended):
                self._end(turn, Answer(turn.accepted.fingerprint, step.how, step.usage, error=step.error))
            else:
                turn.apply(step)
        self._begin_afresh()

    def accept(self, step: Accepted) -> KeptTurn:
        """A message was taken."""
        turn = KeptTurn(step)
        if step.aside:
            self.asides[turn.id] = turn
            return turn
        self.queue.insert(1 if step.first and self.queue else len(self.queue), turn)
        return turn

    def start(self, turn: KeptTurn) -> None:
        """A try at a turn begins."""
        if turn.history is None:
            given = turn.accepted.history
            turn.history = list(self.messages if given is None else given)
            turn.start = len(turn.history)
        turn.attempts += 1

    def finish(self, turn: KeptTurn, messages: list[ModelMessage] | None, usage: RunUsage) -> None:
        """A turn is over that leaves nothing behind but, if it succeeded, these messages: the conversation from now on."""
        self._remove(turn)
        self.spent.incr(usage)
        if messages is not None and not turn.accepted.aside:
            self.messages = messages
        self._begin_afresh()

    def _begin_afresh(self) -> None:
        while self.queue and self.queue[0] is None:
            self.queue.pop(0)
            self._keep_messages(0)
            self.messages = []

    def _commit(self, turn: KeptTurn, step: Committed) -> None:
        assert turn.history is not None, "a turn has started before it is done"
        if turn.accepted.aside:
            self._end(turn, Answer(turn.accepted.fingerprint, "committed", step.usage, step.output, step.output_tool))
            return
        before, turn.history[step.keep :] = self.messages, step.messages
        self._keep_messages(_same(before, turn.history))
        self.messages = turn.history
        self._end(
            turn,
            Answer(
                turn.accepted.fingerprint,
                "committed",
                step.usage,
                step.output,
                step.output_tool,
                turn.start,
                len(turn.history),
            ),
        )

    def _end(self, turn: KeptTurn, answer: Answer) -> None:
        self._remove(turn)
        self.spent.incr(answer.usage)
        self.answers[turn.id] = answer
        for id, fingerprint in turn.riders.items():
            self.answers[id] = replace(answer, fingerprint=fingerprint)
        while len(self.answers) > ANSWERS:
            del self.answers[next(iter(self.answers))]

    def _remove(self, turn: KeptTurn) -> None:
        if self.asides.pop(turn.id, None) is None:
            self.queue.remove(turn)

    def _keep_messages(self, keep: int) -> None:
        """The conversation stays as it is up to `keep` only: later answers do not find their messages any more."""
        for answer in reversed(self.answers.values()):
            if answer.stop is not None and answer.stop > keep:
                answer.start = answer.stop = None


SNAPSHOTS = Codec("snapshot", Kept)


def replayed(journal: Journal) -> Kept:
    """What a journal that was read says. Raises `Unreadable`."""
    kept = Kept() if journal.snapshot is None else SNAPSHOTS.value(journal.snapshot)
    for entry in journal.entries:
        step = decoded(entry)
        try:
            kept.apply(step)
        except Exception as error:
            reason = f"it does not follow from those before it: {error!r}"
            raise Unreadable(entry.key, entry.version, reason) from error
    return kept


def patch(old: Sequence[ModelMessage], new: Sequence[ModelMessage]) -> tuple[int, list[ModelMessage]]:
    """How to make `new` of `old`: how many messages stay, and which ones follow them."""
    keep = _same(old, new)
    return keep, list(new[keep:])


def _same(old: Sequence[ModelMessage], new: Sequence[ModelMessage]) -> int:
    same = 0
    for one, other in zip(old, new, strict=False):
        if one is not other and one != other:
            break
        same += 1
    return same
