"""The list of OTP's rules, docs/otp-rules.md, is complete, and says of every core rule which test holds it."""

from __future__ import annotations

import pytest
from rules import PAGE, parsed, problems, undecided

RULES = list(parsed(PAGE.read_text(encoding="utf-8")))


@pytest.mark.slow
def test_the_list_is_complete_and_its_tests_exist() -> None:
    assert "\n".join(problems(RULES)) == ""


def test_every_core_rule_has_a_test_or_a_reason() -> None:
    assert "\n".join(undecided(RULES)) == ""
