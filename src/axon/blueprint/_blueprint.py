"""A whole agent as data: from a plain dict to a spec."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

from pydantic import BaseModel, Field, field_validator, model_validator
from pydantic_ai import Agent, ModelSettings
from pydantic_ai.agent import AbstractAgent
from pydantic_ai.models import Model

from ..agent import AgentServer
from ..errors import InvalidOption
from ..store import Store
from ..wire import JSONSchema
from ._errors import UnknownTarget
from ._furnished import Furnished
from ._structured import deps_from, structured_dict
from ._template import Template, fields_of
from ._tool_data import FunctionTarget, Targets, ToolBlueprint, toolset_of

NOTHING = Targets()


class TemplateInstructions(BaseModel, frozen=True, extra="forbid"):
    """Instructions that are a Jinja2 template over the dependencies, see `Template`."""

    template: str


class AgentBlueprint(BaseModel, frozen=True, extra="forbid"):
    """An agent as data, which JSON can carry; `spec` makes the server of it.

        blueprint = AgentBlueprint.model_validate(json.loads(text))
        spec = blueprint.spec(Targets(functions={"days_between": days_between}), store=store)

    name: what it is registered under. model: of pydantic-ai, by name. instructions: a text, `{"template": …}`, or
    `{"function": …}` of the targets. deps: the dependencies of runs that bring none, an object. deps_schema: the JSON
    Schema they are held to; it also tells a template which names there are. tools: see `ToolBlueprint`. result_schema:
    the JSON Schema of an object that is the output, default a text. model_settings: for all requests, as pydantic-ai
    has them.

    Raises pydantic's `ValidationError`, which says where. Not for an agent that is written in code: that needs none of it.
    """

    name: str = Field(min_length=1)
    model: str | None = None
    instructions: str | TemplateInstructions | FunctionTarget | None = None
    deps: dict[str, Any] | None = None
    deps_schema: dict[str, Any] | None = None
    tools: tuple[ToolBlueprint, ...] = ()
    result_schema: dict[str, Any] | None = None
    model_settings: dict[str, Any] | None = None

    @field_validator("deps_schema", "result_schema")
    @classmethod
    def _is_schema(cls, schema: dict[str, Any] | None) -> dict[str, Any] | None:
        if schema is not None:
            structured_dict(JSONSchema(schema))
        return schema

    @model_validator(mode="after")
    def _fits(self) -> AgentBlueprint:
        names = [tool.name for tool in self.tools]
        if len(set(names)) < len(names):
            raise InvalidOption("tools", names, "tools of different names")
        return self

    def spec(
        self,
        targets: Targets = NOTHING,
        *,
        agent: AbstractAgent[Any, Any] | None = None,
        model: Model | str | None = None,
        store: Store | None = None,
    ) -> AgentServer[Any, Any]:
        """The server that the blueprint describes; for more options use `dataclasses.replace` on it.

        targets: what its tools and instructions may be for, default nothing. agent: one in code that the blueprint adds
        to, such as that of a module: its `deps_type` counts then, and its output unless there is a `result_schema`.
        model: instead of the blueprint's own. store: see `AgentServer`. A run's own dependencies come through
        `deps_from`, which holds them to the type or schema.

        Raises `UnknownTarget`, `TargetMismatch`, `InvalidTemplate`, `UnknownVariable`, `InvalidDeps`, `InvalidOption`.
        """
        if agent is not None and self.deps_schema is not None:
            raise InvalidOption("deps_schema", self.deps_schema, "None for an agent in code: its own deps_type counts")
        deps_type: Any = dict if self.deps_schema is None else structured_dict(JSONSchema(self.deps_schema))
        fields = None if self.deps_schema is None else self.deps_schema.get("properties")
        if agent is not None:
            fields = fields_of(agent.deps_type)
        output = None if self.result_schema is None else structured_dict(JSONSchema(self.result_schema))
        instructions = self._instructions(targets, fields)
        toolsets = [toolset_of(self.tools, targets)] if self.tools else None
        whole: AbstractAgent[Any, Any]
        if agent is None:
            whole = Agent(
                name=self.name,
                deps_type=deps_type,
                output_type=output or str,
                instructions=instructions,
                toolsets=toolsets,
            )
        elif instructions is None and output is None and toolsets is None:
            whole = agent  # as it is: a run of a furnished one takes a fifth longer to begin
        else:
            whole = Furnished(agent, instructions=instructions, output_type=output, toolsets=toolsets)
        return AgentServer(
            whole,
            name=self.name,
            model=model or self.model,
            deps=None if self.deps is None else deps_from(whole, self.deps),
            model_settings=cast("ModelSettings | None", self.model_settings),
            store=store,
        )

    def _instructions(self, targets: Targets, fields: Collection[str] | None) -> Any:
        match self.instructions:
            case TemplateInstructions(template=text):
                return Template[Any](text, fields=fields)
            case FunctionTarget(name=name):
                if name not in targets.functions:
                    raise UnknownTarget("instructions", f"the function {name!r}", targets.functions)
                return targets.functions[name]
            case text:
                return text
