"""Events as log lines: structlog bound to the stdlib logger `axon`, silent unless the program configures logging."""

from __future__ import annotations

import dataclasses
import logging
import sys
from collections.abc import MutableMapping
from logging import NullHandler
from typing import TYPE_CHECKING, Any

from ..errors import InvalidOption
from ._events import (
    AnswerSent,
    ApplicationEnded,
    ApplicationStarted,
    ApplicationStopped,
    BackoffFailed,
    CancelIgnored,
    ChildRestarted,
    CrashLoopEnded,
    CrashLoopStarted,
    DeadLetter,
    Event,
    LifeChanged,
    ListenerFailed,
    LoopResumed,
    LoopStalled,
    MessageHandled,
    MessageTaken,
    ProcessCrashed,
    ProcessIgnored,
    ProcessStarted,
    ProcessStartFailed,
    ProgramEnded,
    SupervisorGaveUp,
    UnexpectedMessage,
    ZombieDeclared,
)

if TYPE_CHECKING:
    import structlog

LOGGER = logging.getLogger("axon")
LOGGER.addHandler(NullHandler())

LEVELS: dict[type[Event], tuple[int, str]] = {
    ProcessStarted: (logging.INFO, "started"),
    ProcessIgnored: (logging.INFO, "chose not to start"),
    ProcessStartFailed: (logging.ERROR, "failed to start"),
    ProcessCrashed: (logging.ERROR, "crashed"),
    ChildRestarted: (logging.WARNING, "restarted"),
    BackoffFailed: (logging.ERROR, "backoff failed, restarted at once"),
    CrashLoopStarted: (logging.ERROR, "crash loop"),
    CrashLoopEnded: (logging.WARNING, "crash loop over"),
    SupervisorGaveUp: (logging.ERROR, "gave up"),
    ZombieDeclared: (logging.ERROR, "declared dead, its task goes on"),
    CancelIgnored: (logging.ERROR, "goes on though cancelled"),
    LoopStalled: (logging.ERROR, "the event loop stands still"),
    LoopResumed: (logging.WARNING, "the event loop goes on"),
    DeadLetter: (logging.WARNING, "dead letter"),
    UnexpectedMessage: (logging.WARNING, "unexpected message"),
    ListenerFailed: (logging.ERROR, "telemetry listener failed, detached"),
    MessageTaken: (logging.INFO, "message taken"),
    MessageHandled: (logging.INFO, "message handled"),
    AnswerSent: (logging.INFO, "answer sent"),
    LifeChanged: (logging.INFO, "life changed"),
    ApplicationStarted: (logging.INFO, "application started"),
    ApplicationStopped: (logging.INFO, "application stopped"),
    ApplicationEnded: (logging.WARNING, "application ended"),
    ProgramEnded: (logging.INFO, "program ended"),
}


def wants(kind: type[Event]) -> bool:
    """Whether a line of this kind would reach anybody."""
    entry = LEVELS.get(kind) or kind.logged
    return entry is not None and is_heard(entry[0])


def is_heard(level: int = logging.ERROR) -> bool:
    """Whether a line of this level, by default our own highest, would reach anybody."""
    logger: logging.Logger | None = LOGGER
    while logger is not None:
        for handler in logger.handlers:  # a generator would cost 0.3 µs, at each crash and restart several times
            if type(handler) is not NullHandler:
                return LOGGER.isEnabledFor(level)
        logger = logger.parent if logger.propagate else None
    return False


def write(event: Event) -> None:
    """Log the event, if its kind is one that is logged and somebody hears it."""
    if not wants(type(event)):
        return
    entry = LEVELS.get(type(event)) or event.logged
    assert entry is not None, "it is wanted"
    level, title = entry
    fields = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    advice = getattr(event, "advice", None)
    if advice is not None:
        fields["advice"] = advice
    cause = fields.get("reason", fields.get("error"))
    if isinstance(cause, BaseException) and level >= logging.ERROR:
        fields["exc_info"] = cause
    _structlog().log(level, title, **fields)


def _structlog() -> structlog.stdlib.BoundLogger:
    import structlog  # costs 40 ms and more, once: so only when there is something to say

    wrapped: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        LOGGER,
        wrapper_class=structlog.stdlib.BoundLogger,
        processors=[_reasons_as_text, _for_any_formatter],
        cache_logger_on_first_use=False,
    )
    return wrapped


def _reasons_as_text(logger: object, method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Everything but numbers, texts and the traceback becomes text here, so that no renderer can fail on it."""
    for key, value in fields.items():
        if isinstance(value, float):
            fields[key] = round(value, 3)  # seconds
        elif key != "exc_info" and not isinstance(value, str | int | tuple):
            fields[key] = repr(value)
    return fields


def _for_any_formatter(logger: object, method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A record that plain logging prints as one telling line, with the fields as its attributes for those that want
    them; `axon_event` is the title alone.
    """
    title, cause = fields.pop("event"), fields.pop("exc_info", None)
    line = " ".join([title, *(f"{key}={value}" for key, value in fields.items())])
    return {"msg": line, "exc_info": cause, "extra": {**fields, "axon_event": title}}


def _title_again(logger: object, method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """For our own renderers, which show the fields by themselves."""
    fields["event"] = fields.pop("axon_event", fields["event"])
    return fields


def configure_logging(level: int | str = logging.INFO, *, json: bool = False) -> None:
    """Print the events of Axon on stderr, for programs (a library leaves this to its program).

    level: the least level that is printed, default INFO. json: one JSON object a line instead of columns.
    """
    if not isinstance(level, int) and level not in logging.getLevelNamesMapping():
        raise InvalidOption("level", level, "a level of logging, such as logging.INFO or 'INFO'")
    import structlog

    renderer: Any = (
        structlog.processors.JSONRenderer()
        if json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            sort_keys=False,  # who comes first, then what, and what to do about it last
            exception_formatter=structlog.dev.plain_traceback,  # the rich one shows locals: state, keys, prompts
        )
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.processors.TimeStamper(fmt="iso"),
                structlog.stdlib.ExtraAdder(),
                _title_again,
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *([structlog.processors.format_exc_info] if json else []),
                renderer,
            ],
        )
    )
    for old in [h for h in LOGGER.handlers if getattr(h, "_axon", False)]:
        LOGGER.removeHandler(old)
    handler._axon = True  # type: ignore[attr-defined]  # marks ours, so that a second call replaces it
    LOGGER.addHandler(handler)
    LOGGER.setLevel(level)
