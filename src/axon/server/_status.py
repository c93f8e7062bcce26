"""What is shown of a server to people: its life, its state and its messages, as far as its class lets them be seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..process import ExitReason, Letter, Message, Why, short
from ._mailbox import arguments_of

if TYPE_CHECKING:
    from ._genserver import GenServer
    from ._handler import Handler
    from ._mailbox import Item
    from ._process import ServerProcess
    from ._slot import Slot

Life: TypeAlias = Literal["starting", "running", "suspended", "terminating", "ended"]
"""What a server is doing with its life."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What is to be shown of a server; `GenServer.format_status` may change it before anybody sees it.

    `parent` is the path of who started it. The rest is filled as the occasion needs: `state` by `axon.get_status`;
    `messages`, each a `Message` or what was sent, by that, by crash reports, and wherever a message becomes text;
    `reason` by crash reports; `answer` by `axon.trace`.
    """

    path: str
    life: Life
    parent: str | None = None
    state: object = None
    messages: tuple[object, ...] = ()
    reason: object = None
    answer: object = None


def life_of(server: ServerProcess) -> Life:
    """What the server is doing with its life now."""
    if server.reason is not None:
        return "ended"
    if server.phase == "running":
        return "suspended" if server.suspended else "running"
    return "starting" if server.phase == "init" else "terminating"


def status_of(server: ServerProcess, **fields: Any) -> Status:
    """What is shown of a server, after its class has had its say."""
    parent = None if server.parent is None else server.parent.path
    return formatted(server.handle, Status(path=server.path, life=life_of(server), parent=parent, **fields))


def formatted(handle: GenServer[Any], status: Status) -> Status:
    """What the class of the server makes of it. If that fails nothing is shown: there may be keys in it."""
    try:
        answer: object = handle.format_status(status)
        if isinstance(answer, Status):
            return answer
        why = f"it returned {type(answer).__name__} and no Status"
    except BaseException as error:  # it runs in the step of death, which nothing may break off
        why = repr(error)
    hidden = f"<hidden: {type(handle).__name__}.format_status failed: {why}>"
    return replace(
        status,
        state=None if status.state is None else hidden,
        messages=(hidden,) * len(status.messages),
        reason=None if status.reason is None else hidden,
        answer=None if status.answer is None else hidden,
    )


# -- messages


def message_of(handler: Handler | None, args: Any, keywords: dict[str, Any] | None) -> object:
    """A message as it is shown: a `Message` for a handler, or what was sent."""
    return args if handler is None else Message(handler.name, *arguments_of(args, keywords))


def as_text(message: object) -> str:
    """One line for a message."""
    return str(message) if isinstance(message, Message) else short(message)


def text_of(handle: GenServer[Any], slot: Slot, item: Item) -> str:
    """One line for a message of a server, which its class may redact."""
    messages, process = (message_of(*item[:3]),), slot.process
    if process is not None:
        status = status_of(process, messages=messages)
    else:
        status = formatted(handle, Status(path=slot.path, life="ended", messages=messages))
    return ", ".join(map(as_text, status.messages))


def recent_of(server: ServerProcess) -> tuple[object, ...]:
    """The messages the server handled last, newest last."""
    server.count_batch()
    oldest, recent = server.place, server.recent or server.begin_recent()
    ordered = [*recent[oldest:], *recent[:oldest]]
    return tuple(message_of(*item[:3]) for item in ordered if item is not None)


def crash_of(server: ServerProcess, reason: ExitReason) -> tuple[object, tuple[str, ...]]:
    """What the report of a crash shows: the reason, and as text what was handled last."""
    status = status_of(server, reason=reason, messages=recent_of(server))
    return status.reason, tuple(map(as_text, status.messages))


# -- dead letters


def dead_letter(handle: GenServer[Any], slot: Slot, item: Item, why: Why) -> None:
    """A message for this server was not taken."""
    text, letter = partial(text_of, handle, slot, item), partial(_letter, handle, slot, item, why)
    slot.runtime.dead_letter(slot.path, why, text, letter)


def _letter(handle: GenServer[Any], slot: Slot, item: Item, why: Why) -> Letter:
    handler, args, keywords, request = item
    again = None
    if handler is not None and (request is None or not request.is_call):
        by_position, by_keyword = arguments_of(args, keywords)
        again = partial(handler.send, handle, *by_position, **by_keyword)
    return Letter(path=slot.path, message=message_of(handler, args, keywords), why=why, send_again=again)
