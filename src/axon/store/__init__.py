"""Stores keep what must outlive a process: journals with one owner at a time, and decisions that are made from outside.

In memory for tests, in one SQLite file by default, in PostgreSQL for several machines. docs/semantics.md says what
exactly is durable when.
"""

from ._approval import Approval as Approval
from ._approval import ApprovalRequest as ApprovalRequest
from ._approval import ApprovalStatus as ApprovalStatus
from ._approval import Verdict as Verdict
from ._codec import Codec as Codec
from ._codec import Migration as Migration
from ._decided import decided as decided
from ._errors import AlreadyDecided as AlreadyDecided
from ._errors import ApprovalExists as ApprovalExists
from ._errors import NoApproval as NoApproval
from ._errors import Stale as Stale
from ._errors import StoreDamaged as StoreDamaged
from ._errors import StoreError as StoreError
from ._errors import StoreFull as StoreFull
from ._errors import StoreLocked as StoreLocked
from ._errors import StoreUnavailable as StoreUnavailable
from ._errors import UnknownSchema as UnknownSchema
from ._errors import Unreadable as Unreadable
from ._journal import Entry as Entry
from ._journal import Head as Head
from ._journal import Journal as Journal
from ._journal import Record as Record
from ._memory import MemoryStore as MemoryStore
from ._postgres import PostgresStore as PostgresStore
from ._sqlite import SQLiteStore as SQLiteStore
from ._sqlite import Synchronous as Synchronous
from ._store import Store as Store
