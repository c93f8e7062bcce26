"""Provider accounts: their limits, their weather and their costs, shared by all agents of a program.

Importing this room loads pydantic-ai, which takes a second or two; `import axon` does not.
"""

from ._account import Account as Account
from ._breaker import Breaker as Breaker
from ._breaker import Pass as Pass
from ._breaker import State as State
from ._errors import RequestTooLarge as RequestTooLarge
from ._events import AccountParked as AccountParked
from ._events import BreakerClosed as BreakerClosed
from ._events import BreakerHalfOpened as BreakerHalfOpened
from ._events import BreakerOpened as BreakerOpened
from ._events import RampEnded as RampEnded
from ._gate import Wait as Wait
from ._gate import Watcher as Watcher
from ._model import AccountModel as AccountModel
from ._prices import PriceBook as PriceBook
from ._status import AccountStatus as AccountStatus
from ._status import Spent as Spent
from ._weather import Kind as Kind
from ._weather import kind_of as kind_of
