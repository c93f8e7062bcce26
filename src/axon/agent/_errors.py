"""What Axon itself has to say about a turn; all other errors of a run are the original ones, unchanged.

AxonError
├─ RunInterrupted         cancelled, and nobody had asked for it                 .path
├─ ExitRefused            its code called `sys.exit`
├─ TakenOver              another program has the agent now, and this one ends      .path
├─ TurnTimeout            a limit of the agent's options passed                  .after
│  ├─ FirstTokenTimeout   the model began no answer
│  ├─ StreamStalled       the model stopped in the middle of its answer
│  └─ ToolTimeout         a tool did not end                                     .tool
├─ AgentBusy              a turn is under way, and `when_busy="reject"`
├─ MessageIdReused        the id belongs to another message                      .message_id
├─ UnknownMessage         no message came with this id, or it is long ago        .message_id
├─ TurnFailed             a request made again: its turn has ended badly before  .message_id .how .error
│  └─ TurnSetAside        it failed too often from one checkpoint                .attempts
├─ AnswerNotKept          its answer cannot be written as JSON                   .message_id
├─ EventsLost             a reader is too late: events were let go               .resume_after
└─ InvalidHistory         a conversation that no model can go on from (an `InvalidOption`)  .problem
"""

from __future__ import annotations

from ..errors import AxonError, InvalidOption


class RunInterrupted(AxonError):
    """A run ended with a `CancelledError` that nobody had asked for.

    A tool, a model or a library raised it; without this it would look as if the caller were being cancelled. The
    stray error is the `__cause__`.
    """

    def __init__(self, path: str) -> None:
        super().__init__(f"the run of {path} was cancelled from the inside: a tool, its model or a library did it")
        self.path = path


class ExitRefused(AxonError):
    """Code of a run called `sys.exit` (argument parsers do), which would have ended the program: it ended the run."""

    def __init__(self, where: str, error: SystemExit) -> None:
        super().__init__(f"{where} tried to end the program with {error!r}; only its run has ended")


class TakenOver(AxonError):
    """Another program has started this agent and has its journal now: what the agent ends with here.

    Its supervisor does not bring it back, so that the two programs do not take it from each other for ever;
    `restart_child` does, and takes it over in turn. The write that was refused is the `__cause__`.
    """

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} was taken over: another program has started the agent, and this one ends here")
        self.path = path


class TurnTimeout(AxonError, TimeoutError):
    """A limit that an option of the agent sets passed: `after` so many seconds."""

    def __init__(self, message: str, after: float) -> None:
        super().__init__(message)
        self.after = after


class FirstTokenTimeout(TurnTimeout):
    """The model was asked, and nothing of its answer came within `first_token_timeout`."""

    def __init__(self, after: float) -> None:
        super().__init__(f"the model sent nothing for {after:g} s (first_token_timeout)", after)


class StreamStalled(TurnTimeout):
    """The model stopped in the middle of its answer for longer than `stall_timeout`."""

    def __init__(self, after: float) -> None:
        super().__init__(f"the model stopped in the middle of its answer for {after:g} s (stall_timeout)", after)


class ToolTimeout(TurnTimeout):
    """A tool did not end within `tool_timeout`. If it is a plain function, its thread may still run."""

    def __init__(self, tool: str, after: float) -> None:
        super().__init__(f"the tool {tool!r} did not end within {after:g} s (tool_timeout)", after)
        self.tool = tool


class AgentBusy(AxonError):
    """A turn is under way, and the agent takes no other meanwhile (`when_busy="reject"`). Nothing was kept."""

    def __init__(self, path: str) -> None:
        super().__init__(f'{path} is in the middle of a turn and takes no other meanwhile (when_busy="reject")')


class MessageIdReused(AxonError):
    """A message came with the id of an earlier one, and says something else. Nothing was done with it."""

    def __init__(self, message_id: str) -> None:
        super().__init__(f"message_id={message_id!r} was used before, for another message")
        self.message_id = message_id


class UnknownMessage(AxonError, LookupError):
    """Nothing is known of a message with this id: none came, or its turn was over too long ago."""

    def __init__(self, message_id: str) -> None:
        super().__init__(f"no message with message_id={message_id!r} is known")
        self.message_id = message_id


class TurnFailed(AxonError):
    """The answer to a request made again whose turn ended without one: it is not run a second time.

    `how` it ended is `failed`, `cancelled`, `deadline` or `set aside`, `error` what was said then. To try again, ask
    with another `message_id`.
    """

    def __init__(self, message_id: str, how: str, error: str) -> None:
        super().__init__(f"the turn of message {message_id!r} ended without an answer ({how}): {error}")
        self.message_id = message_id
        self.how = how
        self.error = error


class TurnSetAside(TurnFailed):
    """A turn failed `attempts` times in a row from the same checkpoint, and was given up; the agent goes on without it.

    `error` says what the last try failed with.
    """

    def __init__(self, message_id: str, attempts: int, error: str) -> None:
        why = error or "each try ended together with its process"
        super().__init__(message_id, "set aside", f"after {attempts} attempts: {why}")
        self.attempts = attempts


class AnswerNotKept(AxonError):
    """The turn of this message is done, but its output could not be written as JSON, so it cannot be given again."""

    def __init__(self, message_id: str) -> None:
        super().__init__(f"the output of message {message_id!r} is no JSON and was not kept; its turn is done")
        self.message_id = message_id


class EventsLost(AxonError):
    """A reader fell behind by more events than are kept (`stream_buffer`), or came back too late.

    The run did not wait for it. Go on with `after=error.resume_after`, or ask for the result alone with `run`.
    """

    def __init__(self, missed: int, resume_after: str) -> None:
        super().__init__(f"{missed} events were let go before they were read; go on with after={resume_after!r}")
        self.missed = missed
        self.resume_after = resume_after


class InvalidHistory(InvalidOption):
    """A `message_history` that no model can go on from; `problem` says why. Nothing was sent."""

    def __init__(self, problem: str, messages: int) -> None:
        super().__init__("message_history", f"<{messages} messages: {problem}>", "one that a model can go on from")
        self.problem = problem
