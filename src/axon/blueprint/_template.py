"""Instructions as Jinja2 templates: strict about what they read, and unable to do anything but read."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import date, time, timedelta
from decimal import Decimal
from functools import cache
from importlib import import_module
from types import BuiltinMethodType
from typing import TYPE_CHECKING, Any, Generic, cast

from pydantic import BaseModel
from pydantic_ai import RunContext
from typing_extensions import TypeVar, is_typeddict

from ..errors import InvalidOption
from ._errors import InvalidTemplate, UnknownVariable

with suppress(ImportError):  # here and not when the first template comes: it takes 0.1 s
    import_module("jinja2.sandbox")

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment

Deps = TypeVar("Deps", default=Any)

_VALUES = (str, bytes, int, float, list, tuple, dict, set, frozenset, Decimal, date, time, timedelta)
"""Types whose own methods a template may call: `{{ name.upper() }}`."""


class Template(Generic[Deps]):
    """Instructions for an agent, rendered anew for each model request from the run's dependencies.

        agent = Agent("openai:gpt-5", deps_type=House, instructions=Template("You are the clerk of {{ name }}.", House))

    Its variables are the fields of the dependencies: of a dataclass, a pydantic model, a `TypedDict` or a dict, and the
    properties of the first two. Nothing else is there; put today's date into the dependencies if the model is to know it.

    deps_type: what tells the fields; then an unknown variable is refused here and now, without it (the default) when the
    template is rendered. fields: their names, where no type tells them.

    The sandbox lets a template read: it calls no methods but those of texts, numbers, dates and collections, changes
    nothing, and loads no other template. It is no defence against one that takes long. Needs the extra:
    `pip install 'axon-otp[templates]'`. Raises `InvalidTemplate`, `UnknownVariable`, `InvalidOption`.
    https://jinja.palletsprojects.com/en/stable/templates/
    """

    def __init__(
        self, text: str, deps_type: type[Deps] | None = None, *, fields: Collection[str] | None = None
    ) -> None:
        try:
            from jinja2 import TemplateSyntaxError, meta
        except ImportError as error:
            message = f"used with jinja2 installed ({error.name} is missing): pip install 'axon-otp[templates]'"
            raise InvalidOption("template", text, message) from error
        if not isinstance(text, str):
            raise InvalidOption("template", text, "a text")
        sandbox = _sandbox()
        try:
            parsed = sandbox.parse(text)
            self._template = sandbox.from_string(text)
        except TemplateSyntaxError as error:
            raise InvalidTemplate(text, f"line {error.lineno}: {error.message}") from error
        if any(True for _ in meta.find_referenced_templates(parsed)):
            raise InvalidTemplate(text, "it loads another template")
        self.text: str = text
        self.fields: frozenset[str] | None = fields_of(deps_type) if fields is None else frozenset(fields)
        self.variables: frozenset[str] = frozenset(meta.find_undeclared_variables(parsed)) - set(sandbox.globals)
        """What it reads of the dependencies."""
        unknown = sorted(self.variables - self.fields) if self.fields is not None else []
        if unknown:
            raise UnknownVariable(text, f"{unknown[0]!r} is undefined", self.fields or ())

    def __repr__(self) -> str:
        return f"Template({self.text!r})"

    async def __call__(self, ctx: RunContext[Deps]) -> str:
        """What pydantic-ai asks for the instructions of a request."""
        return self.render(ctx.deps)

    def render(self, deps: Deps) -> str:
        """The text for these dependencies. Raises `UnknownVariable`, `InvalidTemplate`, and what a property raises."""
        from jinja2 import UndefinedError

        values = {name: _value(deps, name) for name in self.variables}
        try:
            return self._template.render({name: value for name, value in values.items() if value is not _MISSING})
        except UndefinedError as error:
            raise UnknownVariable(self.text, error.message or "something is undefined", self.fields or ()) from error
        except Exception as error:  # the sandbox refused it, or it divides by zero: a fault of the template's
            raise InvalidTemplate(self.text, f"{type(error).__name__}: {error}") from error


_MISSING: Any = object()


def _value(deps: object, name: str) -> Any:
    if isinstance(deps, Mapping):
        return cast("Mapping[str, Any]", deps).get(name, _MISSING)
    return _MISSING if name.startswith("_") else getattr(deps, name, _MISSING)


def fields_of(deps_type: Any) -> frozenset[str] | None:
    """The names that dependencies of this type have for a template; None if the type does not tell."""
    origin: Any = typing.get_origin(deps_type) or deps_type
    if is_typeddict(origin):
        return frozenset(typing.get_type_hints(origin))
    if not isinstance(origin, type):
        return None
    if origin is type(None):
        return frozenset()
    if dataclasses.is_dataclass(origin):
        names = {field.name for field in dataclasses.fields(origin)}
    elif issubclass(origin, BaseModel):
        names = {*origin.model_fields, *origin.model_computed_fields}
    else:
        return None
    names |= {name for name in dir(origin) if isinstance(getattr(origin, name, None), property)}
    return frozenset(name for name in names if not name.startswith("_"))


@cache
def _sandbox() -> SandboxedEnvironment:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Sandbox(ImmutableSandboxedEnvironment):
        def is_safe_callable(self, obj: Any) -> bool:
            """Jinja2's own functions and macros, and the methods of values: all others might act."""
            if isinstance(obj, BuiltinMethodType):
                return isinstance(obj.__self__, _VALUES)
            return obj is dict or (getattr(obj, "__module__", None) or "").startswith("jinja2.")

    return Sandbox(undefined=StrictUndefined, autoescape=False)  # a prompt is no HTML
