"""Tokens: who asks, what that is enough for, and how often."""

from __future__ import annotations

import asyncio

import pytest

from axon import InvalidOption
from axon.gateway import Forbidden, Gateway, InvalidToken, LimitExceeded, Principal, Token, Tokens

SECRET = "ada's secret, which is long"


def test_without_tokens_everybody_may_do_everything() -> None:
    assert Tokens().is_open
    assert Tokens().principal(None).scopes == {"read", "run", "approve", "admin"}


def test_a_token_is_known_by_its_secret_alone() -> None:
    tokens = Tokens([Token(name="ada", secret=SECRET), Token(name="bob", secret=SECRET[::-1])])
    assert tokens.principal(SECRET).name == "ada"
    assert tokens.principal(SECRET[::-1]).name == "bob"
    for wrong in (None, "", "ada", SECRET[:-1], SECRET + " ", SECRET.upper(), "é"):
        with pytest.raises(InvalidToken):
            tokens.principal(wrong)


def test_a_secret_is_shown_nowhere() -> None:
    token = Token(name="ada", secret=SECRET)
    assert SECRET not in repr(token) + repr(Tokens([token])) + repr(vars(Tokens([token])))
    with pytest.raises(InvalidOption) as short:
        Token(name="ada", secret="too short")
    assert "too short" not in str(short.value)


def test_whoever_runs_an_agent_does_not_approve_what_it_asks_for_unless_told() -> None:
    assert Token(name="ada", secret=SECRET).scopes == {"read", "run"}


def test_it_is_for_its_scopes() -> None:
    ada = Tokens([Token(name="ada", secret=SECRET, scopes={"read"})]).principal(SECRET)
    ada.needs("read")
    with pytest.raises(Forbidden, match="'admin'"):
        ada.needs("admin")


@pytest.mark.parametrize(
    "options",
    [
        {"name": ""},
        {"name": "a/b"},
        {"name": "a\n"},
        {"secret": "short"},
        {"scopes": {"all"}},
        {"scopes": "read"},
        {"requests_per_minute": 0},
        {"concurrent_runs": True},
    ],
)
def test_a_token_that_cannot_be_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(InvalidOption):
        Token(**{"name": "ada", "secret": SECRET, **options})  # type: ignore[arg-type]


def test_two_tokens_have_two_secrets() -> None:
    with pytest.raises(InvalidOption, match="another one"):
        Tokens([Token(name="ada", secret=SECRET), Token(name="bob", secret=SECRET)])


async def test_it_asks_so_often_a_minute() -> None:
    tokens = Tokens([Token(name="ada", secret=SECRET, requests_per_minute=2)])
    tokens.principal(SECRET)
    await asyncio.sleep(20)
    tokens.principal(SECRET)
    with pytest.raises(LimitExceeded, match="requests_per_minute=2") as refused:
        tokens.principal(SECRET)
    assert refused.value.retry_after == pytest.approx(40)
    await asyncio.sleep(40)
    tokens.principal(SECRET)


def test_runs_are_counted_however_they_end() -> None:
    ada = Principal("ada", {"run"}, concurrent_runs=1)
    with pytest.raises(ValueError, match="no"), ada.running():
        with pytest.raises(LimitExceeded), ada.running():
            pass
        raise ValueError("no")
    assert ada.runs == 0


def test_a_gateway_takes_no_bare_list_of_tokens() -> None:
    """It would let nobody in, or everybody; and the message shows no secret."""
    tokens = [Token(name="ada", secret=SECRET)]
    with pytest.raises(InvalidOption, match=r"Tokens\(\[\.\.\.\]\)") as refused:
        Gateway(tokens=tokens)  # type: ignore[arg-type]
    assert SECRET not in str(refused.value)
