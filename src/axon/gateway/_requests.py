"""The protocol's requests and answers, as models."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, TypeAlias, cast

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_ai import AgentRunResult, ModelSettings
from pydantic_ai.messages import ModelMessage
from pydantic_ai.usage import RunUsage
from pydantic_core import to_json

from ..agent import AgentStatus, TurnStatus
from ..blueprint import AgentBlueprint, FunctionTarget, TemplateInstructions, ToolBlueprint

AGENT_ID = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
"""What the id of an agent looks like."""
KEY = r"^[A-Za-z0-9][A-Za-z0-9_.:~-]{0,119}$"
"""What an idempotency key looks like: it is a part of the id of its run."""

AgentId: TypeAlias = Annotated[str, Field(pattern=AGENT_ID)]
AgentState: TypeAlias = Literal["running", "restarting", "down"]
Level: TypeAlias = Literal["debug", "info", "warning", "error"]
Key: TypeAlias = Annotated[str, Field(pattern=KEY)]


COMMON: frozenset[str] = frozenset(ModelSettings.__annotations__) - {"extra_headers", "extra_body"}
"""Settings that any client may give. Those of one provider name files and conversations there, which the program's own
key opens whoever's they are, and guards; headers and bodies may say who asks."""
LINE = 10_000
"""Bytes of the data of a line in a log, since some hundred lines are kept."""


class Message(BaseModel):
    """The base of all: unknown fields are refused, and bytes are base64."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", ser_json_bytes="base64", val_json_bytes="base64", populate_by_name=True
    )


# -- agents


class CreateAgent(Message):
    """An agent to be served.

    agent_id: its id, also called `name`. agent_module: a module with an attribute `agent`, also called
    `python_module`; without one the agent is made of the rest alone. model: of pydantic-ai by name, default the
    module's. instructions: a text, a template over `deps`, or a function; also called `prompt`. tools, deps,
    deps_schema, result_schema (also `result_type`), model_settings: see `axon.blueprint.AgentBlueprint`. config: any of
    these once more, for clients that nest them.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "examples": [
                {"agent_id": "test_agent", "agent_module": "agents.example_agent", "model": "test"},
                {
                    "agent_id": "clerk",
                    "model": "test",
                    "instructions": "You are the clerk of a hotel.",
                    "result_schema": {"type": "object", "properties": {"nights": {"type": "integer"}}},
                },
            ]
        }
    )

    agent_id: AgentId = Field(validation_alias=AliasChoices("agent_id", "name"))
    agent_module: str | None = Field(
        default=None, max_length=200, validation_alias=AliasChoices("agent_module", "python_module")
    )
    model: str | None = Field(default=None, min_length=1, max_length=200)
    instructions: str | TemplateInstructions | FunctionTarget | None = Field(
        default=None, validation_alias=AliasChoices("instructions", "prompt")
    )
    tools: tuple[ToolBlueprint, ...] = ()
    deps: dict[str, Any] | None = None
    deps_schema: dict[str, Any] | None = None
    result_schema: dict[str, Any] | None = Field(
        default=None, validation_alias=AliasChoices("result_schema", "result_type")
    )
    model_settings: dict[str, Any] | None = None

    @model_validator(mode="before")
    @classmethod
    def _nested(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        fields = cast("dict[str, Any]", given)
        config: object = fields.get("config")
        if not isinstance(config, dict):
            return fields
        return {**cast("dict[str, Any]", config), **{name: fields[name] for name in fields if name != "config"}}

    @property
    def blueprint(self) -> AgentBlueprint:
        """The agent as data. Raises `ValidationError`."""
        return AgentBlueprint(
            name=self.agent_id,
            model=self.model,
            instructions=self.instructions,
            deps=self.deps,
            deps_schema=self.deps_schema,
            tools=self.tools,
            result_schema=self.result_schema,
            model_settings=self.model_settings,
        )


class AgentInfo(Message):
    """A served agent: what it is, and what it is doing; `status` is None while it is being restarted, or down."""

    agent_id: str
    agent_module: str | None = None
    model: str | None = None
    is_durable: bool = False
    state: AgentState = "running"
    status: AgentStatus | None = None


class AgentList(Message):
    """All served agents."""

    agents: list[AgentInfo]


# -- runs


class RunRequest(Message):
    """What is asked of an agent.

    prompt: the text. message_history: go on from this conversation instead of the agent's own; `[]` begins afresh.
    deps: the dependencies of this run, as the agent's `deps_type` or schema says; default the agent's own.
    model_settings: of the requests of this run, on top of the agent's: those that all models have, such as `temperature`.
    idempotency_key: names the request, as the header `Idempotency-Key` does.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "examples": [
                {"prompt": "Hello, agent!", "message_history": []},
                {"prompt": "Which of the two is closer?", "deps": {"house": "the Ritz"}},
            ]
        }
    )

    prompt: str
    message_history: list[ModelMessage] | None = None
    deps: dict[str, Any] | None = None
    model_settings: dict[str, Any] | None = None
    idempotency_key: Key | None = None

    @field_validator("model_settings")
    @classmethod
    def _are_for_everybody(cls, settings: dict[str, Any] | None) -> dict[str, Any] | None:
        for name in settings or ():
            if name not in COMMON:
                raise ValueError(f"{name} is for whoever serves the agent")
        return settings


class Usage(Message):
    """What a run has used, by the names of the protocol and by those of pydantic-ai."""

    requests: int
    request_tokens: int
    response_tokens: int
    total_tokens: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    tool_calls: int = 0

    @classmethod
    def of(cls, usage: RunUsage) -> Usage:
        """The usage of a run."""
        return cls(
            requests=usage.requests,
            request_tokens=usage.input_tokens,
            response_tokens=usage.output_tokens,
            total_tokens=usage.total_tokens,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            tool_calls=usage.tool_calls,
        )


class RunAnswer(Message):
    """A run that is done: its result, the whole conversation with it, and what it used."""

    result: Any
    messages: list[ModelMessage]
    usage: Usage

    @classmethod
    def of(cls, result: AgentRunResult[Any]) -> RunAnswer:
        """That of a result."""
        return cls.model_construct(result=result.output, messages=result.all_messages(), usage=Usage.of(result.usage))


class Chunk(Message):
    """A frame of a stream: a piece of the text, or of the JSON of a structured result."""

    status: Literal["chunk"] = "chunk"
    data: str


class Complete(Message):
    """The last frame of a stream, if the run did not fail."""

    status: Literal["complete"] = "complete"
    result: Any
    usage: Usage


class RunAccepted(Message):
    """A run that goes on by itself; ask for it by its id."""

    status: Literal["accepted"] = "accepted"
    run_id: str


class ApprovalInfo(Message):
    """A tool call that waits for a decision."""

    id: str
    agent_id: str
    kind: Literal["approval", "external"]
    """`external`: somebody else carries it out, and gives its result."""
    tool: str
    args: dict[str, Any]
    asked_at: float
    expires_at: float | None = None


class ApprovalList(Message):
    """The tool calls that wait for a decision."""

    approvals: list[ApprovalInfo]


class Cancelled(Message):
    """Whether there was a run to end."""

    cancelled: bool


class Steered(Message):
    """Whether the run will read it; if not it is over, or has not begun."""

    steered: bool


class RunInfo(Message):
    """What became of a run, and what it waits for."""

    run_id: str
    agent_id: str
    status: Literal["queued", "running", "committed", "failed", "cancelled", "deadline", "set aside"]
    error: str | None = None
    doing: AgentStatus | None = None
    approvals: list[ApprovalInfo] = []

    @classmethod
    def of(cls, run_id: str, agent_id: str, turn: TurnStatus, approvals: list[ApprovalInfo]) -> RunInfo:
        """The run of a turn."""
        return cls(
            run_id=run_id,
            agent_id=agent_id,
            status=turn.state,
            error=turn.error,
            doing=turn.doing,
            approvals=approvals,
        )


class SteerRequest(Message):
    """Something more for a run under way."""

    message: str

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"examples": [{"message": "In one sentence, please."}]}
    )


class Decision(Message):
    """A decision on a tool call; `id` may be left out if the run waits for one alone.

    args: in place of the model's own, to approve. message: the reason the model is told, to deny.
    """

    id: str | None = None
    args: dict[str, Any] | None = None
    message: str = ""

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra={"examples": [{"message": "Not on a Sunday."}]})


class ToolCall(Message):
    """A tool to be called by hand, or the result of one that somebody else carries out.

    tool_name (also `name`) and args (also `arguments`): the call; `request_id` comes back with its result. Without a
    tool name: `result` is that of the call that waits under `request_id`.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "request_id": "1",
                    "tool_name": "days_between",
                    "args": {"first": "2030-01-31", "last": "2030-02-03"},
                }
            ]
        }
    )

    request_id: str | None = Field(default=None, min_length=1, max_length=500)
    tool_name: str | None = Field(default=None, min_length=1, validation_alias=AliasChoices("tool_name", "name"))
    args: dict[str, Any] = Field(default={}, validation_alias=AliasChoices("args", "arguments"))
    result: Any = None

    @model_validator(mode="after")
    def _says_which(self) -> ToolCall:
        if self.tool_name is None and self.request_id is None:
            raise ValueError("either a tool_name is needed, or the request_id of a call that waits for its result")
        return self


class ToolAnswer(Message):
    """The result of a tool call."""

    status: Literal["ok"] = "ok"
    request_id: str | None = None
    result: Any = None


class LogEntry(Message):
    """A line of an agent's log."""

    time: float
    """Seconds since 1970."""
    level: Level = "info"
    event: str
    data: dict[str, Any] = {}


class LogRequest(Message):
    """A line for an agent's log, from its program or its client."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"examples": [{"level": "info", "message": "the guest has paid"}]}
    )

    level: Level = "info"
    message: str = Field(max_length=2000)
    data: dict[str, Any] = {}

    @field_validator("data")
    @classmethod
    def _is_a_line(cls, data: dict[str, Any]) -> dict[str, Any]:
        if len(to_json(data, fallback=repr)) > LINE:
            raise ValueError(f"it must have at most {LINE} bytes")
        return data


class Log(Message):
    """The last lines of an agent's log, the oldest first."""

    entries: list[LogEntry]


class ErrorBody(Message):
    """The error model: an error's class, its text, and what is wrong where."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "error",
                    "error_type": "ValidationError",
                    "message": "RunRequest: 1 validation error",
                    "details": [{"type": "missing", "loc": ["prompt"], "msg": "Field required"}],
                }
            ]
        }
    )

    status: Literal["error"] = "error"
    error_type: str
    message: str
    details: Any = None
