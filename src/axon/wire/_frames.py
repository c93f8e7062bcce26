"""What comes back for a request: frames of JSON, `{"answer": …}`, `{"item": …}`, `{"end": true}` or `{"error": …}`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ValidationError

from ._boxed import BoxedError
from ._errors import BadMessage, NotOnWire, problems_of
from ._method import Method

END = b'{"end":true}'
"""The frame after the last item of a stream."""


class _Failed(BaseModel):
    """The frame of a request that failed."""

    error: BoxedError


def frame_of(method: Method, value: object) -> bytes:
    """The frame of an answer or item. Raises `NotOnWire` if it is not what the hint of the handler says."""
    if method.answer_model is None:
        return b'{"answer":null}'
    (name,) = method.answer_model.model_fields
    fields: dict[str, Any] = {name: value}
    try:
        return method.answer_model.model_construct(**fields).model_dump_json(warnings="error").encode()
    except Exception as error:
        # Without the value, which goes to nobody whom it was not meant for; the cause has it.
        raise NotOnWire(method.where, f"its {name}, a {type(value).__name__}, is not what its hint says") from error


def failure(error: Exception) -> bytes:
    """The frame of an error."""
    return _Failed(error=BoxedError.of(error)).model_dump_json().encode()


def value_in(method: Method, frame: bytes | str, known: Iterable[type[Exception]] = ()) -> Any:
    """The value in a frame. Raises the error in it, or `BadMessage`."""
    model = method.answer_model
    if model is None:
        _raise_failure(frame, known)
        return None
    try:
        message = model.model_validate_json(frame)
    except ValidationError as error:
        _raise_failure(frame, known)
        raise BadMessage(problems_of(error), f"the answer of {method.where}") from error
    (name,) = model.model_fields
    return getattr(message, name)


def _raise_failure(frame: bytes | str, known: Iterable[type[Exception]]) -> None:
    try:
        failed = _Failed.model_validate_json(frame)
    except ValidationError:
        return
    raise failed.error.error(known)
