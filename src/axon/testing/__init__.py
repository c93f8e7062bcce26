"""Helpers for tests of actors: virtual time, events as lists, servers that misbehave as told, and leaks by name."""

from ._clock import VirtualClockLoop as VirtualClockLoop
from ._clock import virtual_clock as virtual_clock
from ._events import CapturedEvents as CapturedEvents
from ._events import capture_events as capture_events
from ._leaks import assert_no_leaks as assert_no_leaks
from ._record import Record as Record
from ._scripted import History as History
from ._scripted import Scripted as Scripted
from ._scripted import ScriptedFailure as ScriptedFailure
