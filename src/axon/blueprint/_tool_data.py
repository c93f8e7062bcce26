"""Tools as data: a name, a description and a JSON Schema, for a function or for another actor's `@call`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from pydantic import AliasChoices, BaseModel, Field, field_validator
from pydantic_ai import RunContext, Tool
from pydantic_ai.exceptions import ModelRetry
from pydantic_ai.toolsets import AbstractToolset, FunctionToolset, ToolsetTool, WrapperToolset
from pydantic_ai.toolsets.abstract import SchemaValidatorProt
from pydantic_core import SchemaValidator, from_json, to_jsonable_python

from ..agent import function_of
from ..errors import InvalidOption
from ..registry import lookup
from ..server import GenServer, class_of
from ..wire import InvalidSchema, JSONSchema
from ._errors import TargetMismatch, UnknownTarget

Partial: TypeAlias = bool | Literal["off", "on", "trailing-strings"]


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What tools as data may be for: nothing else can be reached by them, and nothing is imported by name.

        Targets(functions={"days_between": days_between}, servers={"desk": Desk})

    functions: by the names that data calls them, any that pydantic-ai takes as a tool. servers: by the names under which
    they are registered; each `@call` of the class is offered. A server need not run when a tool is made: it is looked
    up for each call. Raises `InvalidOption`.
    """

    functions: Mapping[str, Callable[..., object]] = field(default_factory=dict[str, Callable[..., object]])
    servers: Mapping[str, type[GenServer[Any]]] = field(default_factory=dict[str, type[GenServer[Any]]])

    def __post_init__(self) -> None:
        if not isinstance(self.functions, Mapping) or not all(map(callable, self.functions.values())):
            raise InvalidOption("functions", self.functions, "functions by name")
        servers: object = self.servers
        if not isinstance(servers, Mapping) or not all(
            issubclass(class_of(server), GenServer) for server in self.servers.values()
        ):
            raise InvalidOption("servers", servers, "classes of servers by the names they are registered under")


class FunctionTarget(BaseModel, frozen=True, extra="forbid"):
    """A function, by its name among the `Targets`; with a module it is `module.function` there."""

    function: str
    module: str | None = None

    @property
    def name(self) -> str:
        """What it is called among the targets."""
        return self.function if self.module is None else f"{self.module}.{self.function}"


class ServerTarget(BaseModel, frozen=True, extra="forbid"):
    """A `@call` of a server, by the name the server is registered under."""

    server: str
    method: str


class ToolBlueprint(BaseModel, frozen=True, extra="forbid"):
    """A tool as data, which JSON can carry.

        ToolBlueprint.model_validate({
            "name": "book_room",
            "description": "Book rooms for a guest.",
            "parameters": {"type": "object", "properties": {"guest": {"type": "string"}}, "required": ["guest"]},
            "target": {"server": "desk", "method": "book"},
        })

    name: what the model calls it. description: what it is told, default what its target says of itself. parameters: the
    JSON Schema of the arguments, default that of the target; arguments are held to it before the target sees them, and
    to the target's own hints then. target: what it is for, also called `handler`. idempotent, requires_approval,
    sequential: as of `tool_of`, default False.

    It behaves as the same tool in code. Raises pydantic's `ValidationError`, with an `InvalidSchema` inside if
    `parameters` is no JSON Schema of an object.
    """

    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    description: str | None = None
    parameters: dict[str, Any] | None = None
    target: FunctionTarget | ServerTarget = Field(validation_alias=AliasChoices("target", "handler"))
    idempotent: bool = False
    requires_approval: bool = False
    sequential: bool = False

    @field_validator("parameters")
    @classmethod
    def _is_schema(cls, parameters: dict[str, Any] | None) -> dict[str, Any] | None:
        if parameters is not None:
            checked = JSONSchema(parameters, option="parameters")
            if checked.schema.get("type") != "object":
                raise InvalidSchema("parameters", parameters, "its type must be 'object'")
        return parameters

    def tool(self, targets: Targets) -> Tool[Any]:
        """Its function, with the name and the description; `toolset_of` holds the arguments to the schema.

        Raises `UnknownTarget`, `TargetMismatch`, and `NotOnWire` if no message can stand for the method.
        """
        function, takes_ctx = self._function(targets)
        made: Tool[Any] = Tool(
            function,
            takes_ctx=takes_ctx,
            name=self.name,
            description=self.description,
            requires_approval=self.requires_approval,
            sequential=self.sequential,
            metadata={"idempotent": True} if self.idempotent else None,
        )
        if self.parameters is not None:
            problem = _mismatch(self.parameters, made.function_schema.json_schema)
            if problem:
                raise TargetMismatch(self.name, problem)
        return made

    def _function(self, targets: Targets) -> tuple[Callable[..., Any], bool | None]:
        target = self.target
        if isinstance(target, FunctionTarget):
            function = targets.functions.get(target.name)
            if function is None:
                raise UnknownTarget(self.name, f"the function {target.name!r}", targets.functions)
            return function, None
        server = targets.servers.get(target.server)
        if server is None:
            raise UnknownTarget(self.name, f"the server {target.server!r}", targets.servers)
        calls = {name for name in dir(class_of(server)) if not name.startswith("_") and _is_call(server, name)}
        if target.method not in calls:
            raise UnknownTarget(self.name, f"the method {target.method!r} of {target.server!r}", calls)
        method = getattr(class_of(server), target.method)
        return function_of(method, lambda: lookup(server, target.server), server), False


def toolset_of(tools: Sequence[ToolBlueprint], targets: Targets) -> AbstractToolset[Any]:
    """Tools as data for any pydantic-ai agent: `Agent(..., toolsets=[toolset_of(tools, targets)])`.

    Raises `UnknownTarget`, which shows what is offered, `TargetMismatch`, and `InvalidOption` if two have one name.
    """
    names = [tool.name for tool in tools]
    if len(set(names)) < len(names):
        raise InvalidOption("tools", names, "tools of different names")
    functions: FunctionToolset[Any] = FunctionToolset([tool.tool(targets) for tool in tools])
    schemas = {tool.name: JSONSchema(tool.parameters) for tool in tools if tool.parameters is not None}
    return _Held(functions, schemas)


@dataclass
class _Held(WrapperToolset[Any]):
    """Tools that the model sees by schemas that were given, and whose arguments are held to them."""

    schemas: Mapping[str, JSONSchema]

    async def get_tools(self, ctx: RunContext[Any]) -> dict[str, ToolsetTool[Any]]:
        tools = await super().get_tools(ctx)
        return {name: self._held(tool) if name in self.schemas else tool for name, tool in tools.items()}

    def _held(self, tool: ToolsetTool[Any]) -> ToolsetTool[Any]:
        schema = self.schemas[tool.tool_def.name]
        shown = replace(tool.tool_def, parameters_json_schema=schema.schema)
        return replace(tool, tool_def=shown, args_validator=_Arguments(schema, tool.args_validator))


@dataclass(frozen=True)
class _Arguments:
    """Validates as the function's own hints say, and holds what the model sent to the schema: as it was sent, or as the
    function reads it, since pydantic takes the text "3" for a number as it does for a tool in code.
    """

    schema: JSONSchema
    own: SchemaValidator | SchemaValidatorProt

    def validate_json(self, input: str | bytes | bytearray, *, allow_partial: Partial = False, **options: Any) -> Any:
        value = self.own.validate_json(input, allow_partial=allow_partial, **options)
        if allow_partial in (False, "off"):  # otherwise there is more to come
            self._check(from_json(input), value)
        return value

    def validate_python(self, input: Any, *, allow_partial: Partial = False, **options: Any) -> Any:
        value = self.own.validate_python(input, allow_partial=allow_partial, **options)
        if allow_partial in (False, "off"):
            self._check(input, value)
        return value

    def _check(self, sent: Any, read: Mapping[str, Any]) -> None:
        problems = self.schema.problems(sent)
        if problems and self.schema.problems(to_jsonable_python({name: read[name] for name in sent if name in read})):
            raise ModelRetry(f"The arguments do not fit: {'; '.join(map(str, problems))}")


def _is_call(server: Any, name: str) -> bool:
    handler = getattr(getattr(class_of(server), name), "__axon_handler__", None)
    return getattr(handler, "kind", None) == "call"


def _mismatch(given: Mapping[str, Any], own: Mapping[str, Any]) -> str | None:
    """What the schema has that the target does not take, or lacks that it needs."""
    if any(key in given for key in ("$ref", "allOf", "anyOf", "oneOf")):
        return None
    names, takes = set(given.get("properties", ())), set(own.get("properties", ()))
    missing = sorted(set(own.get("required", ())) - names)
    if missing:
        return f"it needs {', '.join(missing)}"
    unknown = sorted(names - takes)
    if unknown and own.get("additionalProperties") is False:
        return f"it takes no {', '.join(unknown)}, but {', '.join(sorted(takes)) or 'nothing'}"
    return None
