"""Options of `start`, `call` and `stream`: a wrong one is refused by name, before anything happens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from servers import Plain, Start

import axon
from axon import InvalidOption, call, stream

WRONG_SECONDS: list[Any] = [-1, "1", True, float("nan"), [1]]


@pytest.mark.parametrize("wrong", WRONG_SECONDS)
async def test_the_timeout_of_start(start: Start, wrong: Any) -> None:
    began: list[object] = []
    with pytest.raises(InvalidOption) as caught:
        await start(Plain(begin=began.append), timeout=wrong)
    assert caught.value.option == "timeout"
    assert repr(wrong) in str(caught.value)
    assert began == []


@pytest.mark.parametrize("wrong", [Plain, "Plain", None, object(), 3])
async def test_what_can_be_started(start: Start, wrong: Any) -> None:
    with pytest.raises(InvalidOption) as caught:
        await start(wrong)
    assert (caught.value.option, caught.value.value) == ("spec", wrong)
    assert isinstance(caught.value, ValueError)


async def test_a_class_in_place_of_its_instance_is_told_apart() -> None:
    with pytest.raises(InvalidOption, match=r"an instance: Plain\("):
        await axon.start(Plain)  # type: ignore[type-var]


@pytest.mark.parametrize("wrong", WRONG_SECONDS)
def test_the_timeout_of_a_handler(wrong: Any) -> None:
    def one(self: Any, state: Any) -> None: ...

    async def many(self: Any, state: Any) -> AsyncIterator[int]:
        yield 1

    with pytest.raises(InvalidOption) as caught:
        call(timeout=wrong)(one)
    assert caught.value.option == "@call(timeout=)"
    with pytest.raises(InvalidOption) as caught:
        stream(timeout=wrong)(many)
    assert caught.value.option == "@stream(timeout=)"


async def test_a_plain_coroutine_cannot_be_linked_to_what_it_starts() -> None:
    with pytest.raises(axon.NotInProcess, match="start_link"):
        await axon.start_link(Plain())
