"""Helpers for tests of actors: virtual time, and simulations that find races.

The guide is docs/testing.md; scripted models are in `axon.testing.models`, the fixture and marker in `.plugin`.
"""

from ._chaos import chaos as chaos
from ._clock import VirtualClockLoop as VirtualClockLoop
from ._clock import virtual_clock as virtual_clock
from ._events import CapturedEvents as CapturedEvents
from ._events import capture_events as capture_events
from ._eventually import eventually as eventually
from ._faults import Faults as Faults
from ._invariants import Invariant as Invariant
from ._invariants import nothing_left as nothing_left
from ._invariants import one_reply as one_reply
from ._invariants import within as within
from ._leaks import assert_no_leaks as assert_no_leaks
from ._loop import SimulationLoop as SimulationLoop
from ._loop import SimulationRunsOn as SimulationRunsOn
from ._loop import SimulationStuck as SimulationStuck
from ._record import Record as Record
from ._scripted import History as History
from ._scripted import Scripted as Scripted
from ._scripted import ScriptedFailure as ScriptedFailure
from ._simulation import explore as explore
from ._simulation import simulate as simulate
from ._simulation import simulation as simulation
from ._simulation import trouble as trouble
