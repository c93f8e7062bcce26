"""The decisions as pure functions, for all inputs."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parts import Boom

from axon import ExitReason, Reason, kill, killed, noproc, normal, shutdown
from axon.supervisor import AutoShutdown, Restart, Strategy
from axon.supervisor._decide import add_restart, ends_supervisor, group, is_restarted

PROFILE = settings(
    settings.get_profile("supervisor"), max_examples=settings.get_profile("supervisor").max_examples // 3
)

REASONS = st.one_of(
    st.sampled_from([normal, shutdown, killed, kill, noproc]),
    st.builds(shutdown, st.one_of(st.none(), st.integers(), st.text())),
    st.builds(Boom),
    st.builds(KeyboardInterrupt),
)
IDS = st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=8, unique=True)
TIMES = st.lists(st.floats(0, 100), max_size=12).map(sorted)


@settings(PROFILE)
@given(REASONS)
def test_a29_a_permanent_child_is_always_restarted(reason: ExitReason) -> None:
    assert is_restarted("permanent", reason)


@settings(PROFILE)
@given(REASONS)
def test_a30_a_transient_child_is_restarted_unless_it_ended_in_order(reason: ExitReason) -> None:
    in_order = isinstance(reason, Reason) and reason.name in ("normal", "shutdown")
    assert is_restarted("transient", reason) is not in_order


@settings(PROFILE)
@given(REASONS)
def test_a31_a_temporary_child_never_is(reason: ExitReason) -> None:
    assert not is_restarted("temporary", reason)


@settings(PROFILE)
@given(IDS, st.data())
def test_a36_a38_the_group_is_the_child_all_of_them_or_the_rest(ids: list[str], data: st.DataObject) -> None:
    failed = data.draw(st.sampled_from(ids))
    assert group("one_for_one", ids, failed) == [failed]
    assert group("one_for_all", ids, failed) == ids
    assert group("rest_for_one", ids, failed) == [id for id in ids if ids.index(id) >= ids.index(failed)]


@settings(PROFILE)
@given(IDS, st.data(), st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"]))
def test_a_group_is_in_start_order_and_holds_the_one_that_failed(
    ids: list[str], data: st.DataObject, strategy: Strategy
) -> None:
    failed = data.draw(st.sampled_from(ids))
    found = group(strategy, ids, failed)
    assert failed in found
    assert found == [id for id in ids if id in found]


@settings(PROFILE)
@given(TIMES, st.integers(0, 5), st.floats(0.1, 50))
def test_a46_the_budget_is_over_at_the_first_restart_with_more_than_so_many_in_the_window(
    times: list[float], allowed: int, period: float
) -> None:
    restarts = deque[float]()
    for index, now in enumerate(times):
        in_window = sum(now - then <= period for then in times[: index + 1])
        assert add_restart(restarts, now, allowed, period) == (in_window > allowed)


@settings(PROFILE)
@given(TIMES, st.integers(0, 5), st.floats(0.1, 50))
def test_a48_what_is_out_of_the_window_is_forgotten_and_nothing_else(
    times: list[float], allowed: int, period: float
) -> None:
    restarts = deque[float]()
    for index, now in enumerate(times):
        add_restart(restarts, now, allowed, period)
        assert list(restarts) == [then for then in times[: index + 1] if now - then <= period]


class Now(float):
    """A time that counts how often another one is compared with it."""

    compared = 0

    def __sub__(self, other: float) -> float:
        Now.compared += 1
        return float(self) - other


def test_a_restart_costs_the_same_however_many_are_remembered() -> None:
    """Each one is added and dropped once: a supervisor that allows many does not look through all of them each time."""
    restarts = deque(map(float, range(100_000)))
    Now.compared = 0
    for now in range(100_000, 100_100):
        assert not add_restart(restarts, Now(now), 200_000, 99_999)
    assert len(restarts) == 100_000
    assert Now.compared == 200


@pytest.mark.parametrize(
    ("auto_shutdown", "significant", "others", "ends"),
    [
        ("never", True, False, False),
        ("any_significant", True, True, True),
        ("any_significant", True, False, True),
        ("any_significant", False, False, False),
        ("all_significant", True, True, False),
        ("all_significant", True, False, True),
        ("all_significant", False, False, False),
    ],
)
def test_a65_a68_which_ends_end_the_supervisor(
    auto_shutdown: AutoShutdown, significant: bool, others: bool, ends: bool
) -> None:
    assert ends_supervisor(auto_shutdown, significant, others) is ends


@settings(PROFILE)
@given(st.sampled_from(["permanent", "transient", "temporary"]), REASONS)
def test_whoever_restarts_more_restarts_the_same(restart: Restart, reason: ExitReason) -> None:
    """permanent restarts at least what transient does, transient at least what temporary does."""
    answers = [is_restarted(kind, reason) for kind in ("temporary", "transient", "permanent")]
    assert answers == sorted(answers)
    assert is_restarted(restart, reason) in answers
