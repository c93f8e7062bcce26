"""Budgets grant money, tokens, requests and running time, hand parts of it on, and refuse the request after the last.

They are counted in memory or in a store, where they outlive the program and are shared by all processes that use it.
"""

from ._amount import Amount as Amount
from ._amount import Balance as Balance
from ._amount import Grant as Grant
from ._amount import Limits as Limits
from ._amount import Money as Money
from ._amount import Price as Price
from ._amount import Resource as Resource
from ._budget import Budget as Budget
from ._budget import Request as Request
from ._budget import Share as Share
from ._errors import BudgetClosed as BudgetClosed
from ._errors import BudgetError as BudgetError
from ._errors import BudgetExceeded as BudgetExceeded
from ._errors import PriceUnknown as PriceUnknown
from ._root import BudgetRef as BudgetRef
from ._window import Per as Per
