"""Exit reasons: a small closed set of values and every exception."""

from __future__ import annotations

import copy

import pytest

import axon
from axon import ExitReason, Reason, is_clean, kill, killed, noproc, normal, shutdown


@pytest.mark.parametrize(
    ("reason", "clean"),
    [
        (normal, True),
        (shutdown, True),
        (shutdown("deploy"), True),
        (shutdown(ValueError("why")), True),
        (killed, False),
        (kill, False),
        (noproc, False),
        (ValueError("boom"), False),
        (SystemExit(0), False),
    ],
    ids=repr,
)
def test_a30_clean_are_normal_and_shutdown_with_or_without_a_term(reason: ExitReason, clean: bool) -> None:
    """By this a transient child is restarted or not, and a crash is reported or not."""
    assert is_clean(reason) is clean


def test_reasons_are_values() -> None:
    assert shutdown("deploy") == shutdown("deploy") != shutdown("again") != shutdown
    assert copy.deepcopy(killed) == killed == Reason("killed")
    assert len({normal, Reason("normal"), shutdown, shutdown(1)}) == 3


def test_a_reason_reads_as_it_is_written() -> None:
    assert [repr(reason) for reason in (normal, shutdown, shutdown("deploy"), killed, kill, noproc)] == [
        "normal",
        "shutdown",
        "shutdown('deploy')",
        "killed",
        "kill",
        "noproc",
    ]


@pytest.mark.parametrize("reason", [normal, killed, kill, noproc], ids=repr)
def test_only_shutdown_takes_a_term(reason: Reason) -> None:
    with pytest.raises(TypeError, match="only shutdown takes a term"):
        reason("more")


@pytest.mark.parametrize("wrong", ["normal", None, ValueError, 0], ids=repr)
def test_nothing_else_is_a_reason(wrong: object) -> None:
    with pytest.raises(axon.InvalidOption) as refused:
        axon.process.checked(wrong)
    assert refused.value.value is wrong
    assert refused.value.expected == "normal, shutdown, shutdown(term), killed, kill, noproc or an exception"
