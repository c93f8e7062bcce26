"""Helpers for tests of actors: virtual time."""

from ._clock import VirtualClockLoop as VirtualClockLoop
from ._clock import virtual_clock as virtual_clock
