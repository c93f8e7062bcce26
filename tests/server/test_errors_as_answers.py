"""Errors that are answers: declared with `raises=`, they go to the caller and nobody dies."""

from __future__ import annotations

import asyncio

import pytest
from servers import Boom, Start

import axon
from axon import GenServer, InvalidOption, Stop, call
from axon.process import runtime


class NotEnough(Exception):
    """Too little is left."""


class EvenLess(NotEnough):
    """Nothing is left."""


class Account(GenServer[list[int]]):
    amount: int = 10

    def init(self) -> list[int]:
        return [self.amount]

    @call(raises=(NotEnough, KeyError))
    def withdraw(self, state: list[int], amount: int) -> int:
        self._check(state, amount)
        state[0] -= amount
        return state[0]

    def _check(self, state: list[int], amount: int) -> None:
        if amount > state[0]:
            raise EvenLess(amount) if state[0] == 0 else NotEnough(amount)
        if amount < 0:
            raise ValueError(amount)

    @call(raises=(Exception,))
    def fail(self, state: list[int], error: BaseException) -> int:
        raise error

    @call
    def left(self, state: list[int]) -> int:
        return state[0]


class AsyncAccount(Account):
    @call(raises=(NotEnough, KeyError))
    async def withdraw(self, state: list[int], amount: int) -> int:
        await asyncio.sleep(0)
        self._check(state, amount)
        state[0] -= amount
        return state[0]

    @call(raises=(Exception,))
    async def fail(self, state: list[int], error: BaseException) -> int:
        await asyncio.sleep(0)
        raise error


both_accounts = pytest.mark.parametrize("kind", [Account, AsyncAccount])


@both_accounts
async def test_a_declared_error_reaches_the_caller_itself_and_the_server_lives(
    start: Start, kind: type[Account]
) -> None:
    account = await start(kind())
    with pytest.raises(NotEnough) as caught:
        await account.withdraw(11)
    assert caught.value.args == (11,)
    assert "_check" in [entry.name for entry in caught.traceback], "with the traceback of the handler"
    assert await account.left() == 10


@both_accounts
async def test_so_does_an_error_of_a_class_below_it(start: Start, kind: type[Account]) -> None:
    account = await start(kind(0))
    with pytest.raises(EvenLess):
        await account.withdraw(1)
    assert await account.left() == 0


@both_accounts
async def test_any_other_error_ends_the_server(start: Start, kind: type[Account]) -> None:
    account = await start(kind())
    with pytest.raises(axon.ServerDied) as caught:
        await account.withdraw(-1)
    assert isinstance(caught.value.reason, ValueError)
    assert caught.value.__cause__ is caught.value.reason
    with pytest.raises(axon.NoProcess):
        await account.left()


@both_accounts
async def test_stop_is_never_an_answer(start: Start, kind: type[Account]) -> None:
    account = await start(kind())
    with pytest.raises(axon.ServerDied) as caught:
        await account.fail(Stop(axon.shutdown))
    assert caught.value.reason == axon.shutdown


@both_accounts
@pytest.mark.parametrize("error", [asyncio.CancelledError(), SystemExit(1), KeyboardInterrupt(), GeneratorExit()])
async def test_nor_is_what_is_no_exception(start: Start, kind: type[Account], error: BaseException) -> None:
    account = await start(kind())
    with pytest.raises(axon.ServerDied) as caught:
        await account.fail(error)
    assert caught.value.reason is error


@both_accounts
@pytest.mark.parametrize("in_place", [True, False])
async def test_an_error_that_python_keeps_for_iterators_arrives_wrapped_as_from_any_coroutine(
    start: Start, kind: type[Account], in_place: bool
) -> None:
    account = await start(kind())
    runtime().in_place = in_place
    with pytest.raises(RuntimeError, match="StopIteration"):
        await account.fail(StopIteration())
    assert await account.left() == 10


@both_accounts
async def test_a_declared_error_may_go_through_several_servers(start: Start, kind: type[Account]) -> None:
    account = await start(kind())
    bank = await start(Bank(account))
    with pytest.raises(NotEnough):
        await bank.withdraw(11)
    assert await bank.withdraw(10) == 0


class Bank(GenServer[None]):
    account: Account

    def init(self) -> None:
        return None

    @call(raises=(NotEnough,))
    async def withdraw(self, state: None, amount: int) -> int:
        return await self.account.withdraw(amount)


def test_only_classes_of_exceptions_can_be_declared() -> None:
    for wrong in (BaseException, KeyboardInterrupt, Boom(), "KeyError"):
        with pytest.raises(InvalidOption) as caught:
            call(raises=(wrong,))(Account.left)  # type: ignore[arg-type]
        assert caught.value.option == "@call(raises=)"
        assert caught.value.value is wrong
