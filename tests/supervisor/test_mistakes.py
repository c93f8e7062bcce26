"""What cannot be meant is refused where it is written, by an error that names the option and shows the value."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from parts import Log, Part

import axon
from axon import InvalidOption, Supervisor, normal
from axon.telemetry import DeadLetter, attach, configure_logging

Mistake = Callable[[Any, Any], Any]

MISTAKES: dict[str, tuple[str, Mistake]] = {
    "a class as the target of send": ("target", lambda sup, part: axon.send(Part, 1)),  # type: ignore[arg-type]
    "a class as the target of exit": ("target", lambda sup, part: axon.exit(Part, normal)),  # type: ignore[arg-type]
    "a class as the target of whereis": ("target", lambda sup, part: axon.whereis(Part)),  # type: ignore[arg-type]
    "a number as the target of send": ("target", lambda sup, part: axon.send(3, 1)),  # type: ignore[arg-type]
    "a text as the class to get": ("server", lambda sup, part: sup.get("Part")),
    "a spec as the class to get": ("server", lambda sup, part: sup.get(Part("a", Log()))),
    "a text as the class to look up": ("server", lambda sup, part: axon.lookup("Part", "a")),  # type: ignore[arg-type]
    "no name to register": ("name", lambda sup, part: axon.register(None, part)),  # type: ignore[arg-type]
    "no timer to cancel": ("timer", lambda sup, part: axon.cancel_timer(None)),  # type: ignore[arg-type]
    "no timer to read": ("timer", lambda sup, part: axon.read_timer("t")),  # type: ignore[arg-type]
    "an id that looks like a path": ("id", lambda sup, part: axon.child(Part("b", Log()), id="a/b")),
    "a listener that is no function": ("listener", lambda sup, part: attach(3, DeadLetter)),  # type: ignore[arg-type]
    "a level that logging does not have": ("level", lambda sup, part: configure_logging("LOUD")),
    "a level that is none": ("level", lambda sup, part: configure_logging(None)),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(("option", "mistake"), MISTAKES.values(), ids=MISTAKES)
async def test_a_mistake_is_named_with_its_value(option: str, mistake: Mistake) -> None:
    handlers = list(logging.getLogger("axon").handlers)
    async with Supervisor([Part("a", Log())]) as sup:
        with pytest.raises(InvalidOption) as caught:
            mistake(sup, sup.get(Part))
        assert caught.value.option == option
        assert repr(caught.value.value) in str(caught.value)
        assert await sup.get(Part).number() == 1
    assert logging.getLogger("axon").handlers == handlers
