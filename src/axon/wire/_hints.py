"""The hints of a handler: resolved, with the type variables of its class filled in."""

from __future__ import annotations

import asyncio
import typing
from collections.abc import AsyncIterable, Callable
from types import UnionType
from typing import Any, TypeVar, Union

Filled = dict[Any, Any]
"""Type variables, and what stands for them."""


def hints_of(function: Callable[..., Any], filled: Filled) -> dict[str, Any]:
    """Each parameter's hint and the answer's. Raises what `typing.get_type_hints` raises."""
    return {name: fill(hint, filled) for name, hint in typing.get_type_hints(function, include_extras=True).items()}


def filled_in(server: Any, owner: type) -> Filled:
    """What the type variables of `owner`, a base of the class or itself, stand for: `{T: int}` of `Stack[int]`."""
    origin: type = typing.get_origin(server) or server
    filled = dict(zip(getattr(origin, "__parameters__", ()), typing.get_args(server), strict=False))
    if origin is owner:
        return filled
    for base in vars(origin).get("__orig_bases__", origin.__bases__):
        if issubclass(typing.get_origin(base) or base, owner):
            return filled_in(fill(base, filled), owner)
    return {}


def fill(hint: Any, filled: Filled) -> Any:
    """The hint with its type variables filled in."""
    if isinstance(hint, TypeVar):
        return filled.get(hint, hint)
    parameters = getattr(hint, "__parameters__", ())
    if isinstance(hint, type) or not any(parameter in filled for parameter in parameters):
        return hint
    return hint[tuple(filled.get(parameter, parameter) for parameter in parameters)]


def answer_hint(hint: Any) -> Any:
    """What the caller gets: `R` for a handler that returns an `asyncio.Future[R]`."""
    origin = typing.get_origin(hint) or hint
    if origin in (Union, UnionType):
        return Union[tuple(map(answer_hint, typing.get_args(hint)))]  # noqa: UP007
    if isinstance(origin, type) and issubclass(origin, asyncio.Future):
        return (*typing.get_args(hint), Any)[0]
    return hint


def item_hint(hint: Any) -> Any:
    """What the reader of a stream gets, one by one."""
    origin = typing.get_origin(hint) or hint
    if isinstance(origin, type) and issubclass(origin, AsyncIterable):
        return (*typing.get_args(hint), Any)[0]
    return hint
