"""API tokens: who asks, what for that is enough, and how much of it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from collections import deque
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from ..errors import InvalidOption
from ._errors import Forbidden, InvalidToken, LimitExceeded

Scope: TypeAlias = Literal["read", "run", "approve", "admin"]
"""What a token is for: to look at agents, to run them, to decide what they ask for, to create and delete them."""

SCOPES: frozenset[Scope] = frozenset(get_args(Scope))
"""All scopes."""
MINUTE = 60.0
SHORTEST = 16
"""Characters that a token has at least."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class Token:
    """One API token, which is known by its hash alone.

        Token(name="shop", secret=os.environ["SHOP_TOKEN"], scopes={"read", "run"}, requests_per_minute=600)

    name: whose it is; runs belong to it, so two tokens of one name see the same runs. secret: at least 16 characters,
    shown nowhere. scopes: what it is for, default `read` and `run`: whoever runs an agent does not approve what it asks
    for, unless told. requests_per_minute, concurrent_runs: its limits, default none. Raises `InvalidOption`.
    """

    name: str
    secret: str = field(repr=False)
    scopes: frozenset[Scope] | set[Scope] = frozenset[Scope]({"read", "run"})
    requests_per_minute: int | None = None
    concurrent_runs: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or NAME.fullmatch(self.name) is None:
            raise InvalidOption("name", self.name, "1 to 64 letters, digits, '.', '_' and '-', the first no sign")
        if not isinstance(self.secret, str) or len(self.secret) < SHORTEST or not self.secret.isascii():
            raise InvalidOption("secret", "<not shown>", f"at least {SHORTEST} ASCII characters")
        unknown = set(self.scopes) - SCOPES
        if unknown or isinstance(self.scopes, str):
            raise InvalidOption("scopes", self.scopes, f"a set of {', '.join(sorted(SCOPES))}")
        for option in ("requests_per_minute", "concurrent_runs"):
            limit = getattr(self, option)
            if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
                raise InvalidOption(option, limit, "a number >= 1, or None")


class Principal:
    """Who asks: the holder of a token, or anybody where none is needed. Knows what it may, and how much it does."""

    def __init__(
        self,
        name: str,
        scopes: Iterable[Scope],
        *,
        requests_per_minute: int | None = None,
        concurrent_runs: int | None = None,
    ) -> None:
        self.name: str = name
        self.scopes: frozenset[Scope] = frozenset(scopes)
        self.runs: int = 0
        """Runs of it that are under way."""
        self._per_minute = requests_per_minute
        self._concurrent = concurrent_runs
        self._requests: deque[float] = deque()

    def needs(self, scope: Scope) -> None:
        """Raise `Forbidden` without this scope."""
        if scope not in self.scopes:
            raise Forbidden(scope)

    def asks(self) -> None:
        """Count a request. Raises `LimitExceeded`."""
        if self._per_minute is None:
            return
        now = asyncio.get_running_loop().time()
        while self._requests and self._requests[0] <= now - MINUTE:
            self._requests.popleft()
        if len(self._requests) >= self._per_minute:
            raise LimitExceeded(f"requests_per_minute={self._per_minute}", self._requests[0] + MINUTE - now)
        self._requests.append(now)

    @contextmanager
    def running(self) -> Generator[None]:
        """Count a run as under way. Raises `LimitExceeded`."""
        if self._concurrent is not None and self.runs >= self._concurrent:
            raise LimitExceeded(f"concurrent_runs={self._concurrent}", 1.0)
        self.runs += 1
        try:
            yield
        finally:
            self.runs -= 1


class Tokens:
    """The tokens that are known: `Tokens([Token(...), ...])`; none at all lets everybody in, with all scopes.

    A secret is compared with all that are known, in the same time whether it is like one of them or not.
    """

    def __init__(self, tokens: Iterable[Token] = ()) -> None:
        self._known: dict[bytes, Principal] = {}
        for token in tokens:
            digest = _digest(token.secret)
            if digest in self._known:
                raise InvalidOption("secret", "<not shown>", f"another one than that of a token before {token.name!r}")
            self._known[digest] = Principal(
                token.name,
                token.scopes,
                requests_per_minute=token.requests_per_minute,
                concurrent_runs=token.concurrent_runs,
            )
        self._anybody = Principal("anybody", SCOPES)

    @property
    def is_open(self) -> bool:
        """Whether no token is needed."""
        return not self._known

    def principal(self, secret: str | None) -> Principal:
        """Whose token this is; the request counts against its limits. Raises `InvalidToken`, `LimitExceeded`."""
        if self.is_open:
            return self._anybody
        if secret is None:
            raise InvalidToken(given=False)
        given, found = _digest(secret), None
        for digest, principal in self._known.items():
            if hmac.compare_digest(digest, given):
                found = principal
        if found is None:
            raise InvalidToken(given=True)
        found.asks()
        return found


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
