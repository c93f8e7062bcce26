"""JSON objects whose type is a JSON Schema that came as data: outputs that are held to it, and dependencies."""

from __future__ import annotations

from typing import Any

from pydantic import GetCoreSchemaHandler, TypeAdapter, ValidationError
from pydantic_ai import StructuredDict
from pydantic_ai.agent import AbstractAgent
from pydantic_ai.exceptions import UserError
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypeVar

from ..agent import AgentServer
from ..wire import InvalidSchema, JSONSchema, Problem
from ._errors import InvalidDeps

Deps = TypeVar("Deps", default=Any)


def structured_dict(schema: JSONSchema, *, name: str | None = None) -> type[dict[str, Any]]:
    """A type for objects of this schema: as pydantic-ai's `StructuredDict`, and held to the schema.

    An output that does not fit is the model's to correct. Raises `InvalidSchema` if pydantic-ai cannot use the schema:
    one of something else than an object, or one that refers to itself.
    """
    try:
        base: Any = StructuredDict(schema.schema, name=name)
    except UserError as error:
        raise InvalidSchema("schema", schema.schema, error.message) from error

    def held(value: dict[str, Any]) -> dict[str, Any]:
        problems = schema.problems(value)
        if problems:
            raise ValueError("; ".join(map(str, problems)))
        return value

    def core(cls: type, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(held, base.__get_pydantic_core_schema__(source, handler))

    return type(base.__name__, (base,), {"__get_pydantic_core_schema__": classmethod(core)})


def deps_from(agent: AgentServer[Deps, Any] | AbstractAgent[Deps, Any], data: object) -> Deps:
    """The dependencies of an agent from data, such as parsed JSON, as its `deps_type` says.

        await clerk.run("A room, please", deps=deps_from(clerk, {"name": "Ritz", "today": "2030-01-31"}))

    agent: the agent, or its server. Raises `InvalidDeps`, which says what is wrong where and shows no value; also if JSON
    cannot carry what the type is made of. https://docs.pydantic.dev/latest/concepts/type_adapter/
    """
    deps_type: Any = (agent.agent if isinstance(agent, AgentServer) else agent).deps_type
    name = getattr(deps_type, "__name__", str(deps_type))
    try:
        deps: Deps = TypeAdapter(deps_type).validate_python(data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise InvalidDeps(name, [Problem(".".join(map(str, it["loc"])), it["msg"]) for it in found]) from error
    except Exception as error:
        raise InvalidDeps(name, [Problem("", f"which cannot be made of data: {error}")]) from error
    return deps
